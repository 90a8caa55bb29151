"""Which piece a seeder shows whom: distinct pieces first, so that it uploads little more than one copy."""

from __future__ import annotations

import random
from collections.abc import Hashable

from ..bitfield import Bitfield
from .rarity import RarityBuckets

#: Pieces shown to a peer and not yet confirmed by it.
SHOWN_AHEAD = 3


class SuperSeeder:
    """
    Reveals pieces one by one (BEP 16 in spirit).

    1. A peer that joins is shown `SHOWN_AHEAD` pieces.
    2. Each time it says that it has one it was shown, it is shown one more.
    3. A client of another kind is shown two more: Transmission says what came to it once a second only, and
       would get three pieces a second. So what it sees ahead doubles each time.
    4. What is shown is the piece revealed to the fewest peers so far, ties by chance.

    BEP 16 waits until *another* peer has the piece before it shows the next; here everybody is ours and will
    pass it on, so nobody is made to wait.
    """

    def __init__(self, piece_count: int, rng: random.Random) -> None:
        self._revealed = RarityBuckets(piece_count, range(piece_count), rng)
        self._pending: dict[Hashable, set[int]] = {}

    def joined(self, peer: Hashable, has: Bitfield) -> list[int]:
        """Return the pieces to show *peer* first; *has* is what it has."""
        self._pending[peer] = set()
        shown = [self._reveal(peer, has) for _ in range(SHOWN_AHEAD)]
        return [index for index in shown if index is not None]

    def confirmed(self, peer: Hashable, index: int, has: Bitfield) -> int | None:
        """Return the piece to show *peer* now that it has *index*; None where it was not shown that one."""
        pending = self._pending.get(peer)
        if pending is None or index not in pending:
            return None
        pending.discard(index)
        return self._reveal(peer, has)

    def another(self, peer: Hashable, has: Bitfield) -> int | None:
        """Return one more piece to show *peer*, which is slow to say what it has."""
        return self._reveal(peer, has)

    def left(self, peer: Hashable) -> None:
        """*peer* is gone; what it was shown and did not confirm counts as shown once less."""
        for index in self._pending.pop(peer, ()):
            self._revealed.shift(index, -1)

    def _reveal(self, peer: Hashable, has: Bitfield) -> int | None:
        pending = self._pending[peer]
        index = self._revealed.rarest(lambda one: one not in has and one not in pending)
        if index is not None:
            pending.add(index)
            self._revealed.shift(index, +1)
        return index
