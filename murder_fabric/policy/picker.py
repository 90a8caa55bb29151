"""Which piece to ask a peer for: rarest first, ties by chance (BEP 3; Legout et al., IMC 2006)."""

from __future__ import annotations

import random

from ..bitfield import Bitfield
from .rarity import RarityBuckets


class PiecePicker:
    """
    Knows the pieces that are still to be asked for and how many peers have each.

    A piece is *open* until it is taken; a taken one is open again when it is given back. Peers that have
    everything are not counted: they make no piece rarer than another. So what has a count of 0 is had by
    nobody but them.
    """

    def __init__(self, have: Bitfield, rng: random.Random) -> None:
        self._open = RarityBuckets(len(have), have.missing(), rng)

    @property
    def open_count(self) -> int:
        """How many pieces are still to be asked for."""
        return len(self._open)

    def appeared(self, index: int) -> None:
        """One more peer has *index*."""
        self._open.shift(index, +1)

    def vanished(self, index: int) -> None:
        """One peer fewer has *index*."""
        self._open.shift(index, -1)

    def take(self, has: Bitfield) -> int | None:
        """Return the rarest open piece that *has* contains, no longer open; None if there is none."""
        index = self._open.rarest() if has.complete else self._open.rarest(has.__contains__, least=1)
        if index is not None:
            self._open.discard(index)
        return index

    def take_unshared(self) -> int | None:
        """Return an open piece that only those have who have everything, no longer open; None without one."""
        index = self._open.rarest(most=0)
        if index is not None:
            self._open.discard(index)
        return index

    def give_back(self, index: int) -> None:
        """*index*, taken before, is to be asked for again."""
        self._open.add(index)
