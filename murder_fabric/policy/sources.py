"""Whether what is missing may still come from somewhere."""

from __future__ import annotations

from collections.abc import Collection

from ..bitfield import Bitfield


class Sources:
    """
    Counts the pieces that nobody who is there can give.

    1. Where nobody has left, all may come: a seeder that shows pieces one by one seems to lack the others.
    2. Otherwise what somebody connected shows; an origin that was not given up shows all.
    """

    def __init__(self) -> None:
        #: The most that were ever connected.
        self._most = 0

    def connected(self, count: int) -> None:
        """So many are, now."""
        self._most = max(self._most, count)

    def unavailable(self, have: Bitfield, shown: Collection[Bitfield]) -> int:
        """Return how many pieces are neither in *have* nor in what those who are connected have *shown*."""
        if len(shown) >= self._most:
            return 0
        found = have.copy()
        for one in shown:
            found.add_all(one)
        return len(found) - found.have
