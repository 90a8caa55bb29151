"""Which piece to ask a peer for: rarest first, ties by chance (BEP 3; Legout et al., IMC 2006)."""

from __future__ import annotations

import random
from collections.abc import Iterable, Set

from ..bitfield import Bitfield
from .rarity import RarityBuckets


class PiecePicker:
    """
    Knows the pieces that are still to be asked for and how many peers have each.

    A piece is *open* until it is taken; a taken one is open again when it is given back. Peers that have
    everything are not counted: they make no piece rarer than another. Those that were when they completed
    count for every piece from then on, be they here or gone: `_everywhere` is how many they are, and what
    has no higher count is had by nobody but those who have everything.
    """

    def __init__(self, have: Bitfield, rng: random.Random) -> None:
        self._open = RarityBuckets(len(have), have.missing(), rng)
        self._everywhere = 0

    @property
    def open_count(self) -> int:
        """How many pieces are still to be asked for."""
        return len(self._open)

    def appeared(self, indices: Iterable[int]) -> None:
        """One more peer has *indices*."""
        for index in indices:
            self._open.shift(index, +1)

    def vanished(self, indices: Iterable[int]) -> None:
        """One peer fewer has *indices*."""
        for index in indices:
            self._open.shift(index, -1)

    def completed(self) -> None:
        """All pieces have appeared of one peer."""
        self._everywhere += 1

    def take(self, has: Bitfield, but: Set[int] = frozenset()) -> int | None:
        """Return the rarest open piece in *has* and not in *but*, no longer open; None if there is none."""
        least = 0 if has.complete else self._everywhere + 1
        accept = None if has.complete else has.__contains__
        if but:
            return self._taken(self._open.rarest(lambda one: one in has and one not in but, least=least))
        return self._taken(self._open.rarest(accept, least=least))

    def take_unshared(self, but: Set[int] = frozenset()) -> int | None:
        """Return an open piece that only those have who have everything, as `take` does."""
        return self._taken(self._open.rarest(lambda one: one not in but, most=self._everywhere))

    def _taken(self, index: int | None) -> int | None:
        if index is not None:
            self._open.discard(index)
        return index

    def give_back(self, index: int) -> None:
        """*index*, taken before, is to be asked for again."""
        self._open.add(index)
