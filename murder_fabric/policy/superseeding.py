"""Which piece a seeder shows whom: distinct pieces first, so that it uploads little more than one copy."""

from __future__ import annotations

import random
from collections.abc import Hashable

from ..bitfield import Bitfield
from .rarity import RarityBuckets

#: Pieces shown to a peer and not yet confirmed by it, to begin with.
SHOWN_AHEAD = 3
#: And the most of them.
MOST_AHEAD = 64
#: Times the shortest that a peer has taken to confirm a piece: where it takes no longer than the first, there
#: is room for more; where it takes longer than the second, there was too much.
PROMPT, LATE = 1.5, 3.0


class SuperSeeder:
    """
    Reveals pieces one by one (BEP 16 in spirit).

    1. A peer that joins is shown `SHOWN_AHEAD` pieces.
    2. Each time it says that it has one it was shown, it is shown one more.
    3. If it says so as promptly as ever, neither its link nor ours is full, and it is shown a second one that
       nobody was shown: three pieces in each round trip are little where that takes long. If it takes much
       longer, they only wait, and it is shown none until three are left (as in TCP Vegas).
    4. A client of another kind is shown two each time: Transmission says what came to it only once a second,
       and would get three pieces a second. So what it sees ahead doubles.
    5. What is shown is the piece revealed to the fewest peers so far, ties by chance.

    BEP 16 waits until *another* peer has the piece before it shows the next; here everybody is ours and will
    pass it on, so nobody is made to wait.
    """

    def __init__(self, piece_count: int, rng: random.Random) -> None:
        self._revealed = RarityBuckets(piece_count, range(piece_count), rng)
        #: By peer, the pieces that it was shown and has not confirmed, and since when.
        self._pending: dict[Hashable, dict[int, float]] = {}
        #: By peer, the fewest seconds from there to its word that it has one.
        self._promptest: dict[Hashable, float] = {}

    def joined(self, peer: Hashable, has: Bitfield, *, now: float) -> list[int]:
        """Return the pieces to show *peer* first; *has* is what it has."""
        self._pending[peer] = {}
        return [index for _ in range(SHOWN_AHEAD) for index in self._reveal(peer, has, now=now)]

    def confirmed(
        self, peer: Hashable, index: int, has: Bitfield, *, is_our_kind: bool = True, now: float
    ) -> list[int]:
        """Return the pieces to show *peer* now that it has *index*; none where it was not shown that one."""
        pending = self._pending.get(peer)
        if pending is None or index not in pending:
            return []
        spent = now - pending.pop(index)
        promptest = self._promptest.get(peer, 0.0)
        self._promptest[peer] = min(spent, promptest or spent)
        if is_our_kind and spent > LATE * promptest > 0 and len(pending) >= SHOWN_AHEAD:
            return []
        shown = self._reveal(peer, has, now=now)
        if not is_our_kind:
            shown += self._reveal(peer, has, now=now)
        elif spent <= PROMPT * promptest and len(pending) < MOST_AHEAD:
            shown += self._reveal(peer, has, most=0, now=now)
        return shown

    def left(self, peer: Hashable) -> None:
        """*peer* is gone; what it was shown and did not confirm counts as shown once less."""
        for index in self._pending.pop(peer, ()):
            self._revealed.shift(index, -1)
        self._promptest.pop(peer, None)

    def _reveal(self, peer: Hashable, has: Bitfield, *, most: int | None = None, now: float) -> list[int]:
        """Show *peer* a piece that *most* others were shown (None: any number); return it if there is one."""
        pending = self._pending[peer]
        index = self._revealed.rarest(lambda one: one not in has and one not in pending, most=most)
        if index is None:
            return []
        pending[index] = now
        self._revealed.shift(index, +1)
        return [index]
