"""Whether what is missing may still come from somewhere."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from ..bitfield import Bitfield


class Giver(Protocol):
    """Somebody who is connected."""

    @property
    def has(self) -> Bitfield:
        """What it has shown."""

    @property
    def has_all(self) -> bool:
        """Whether it can give every piece, whatever it has shown."""


class Sources:
    """
    Counts the pieces that nobody who is there can give.

    1. Where nobody has left, all may come: a stock seeder that super-seeds seems to lack most.
    2. Where somebody connected says that it has all, too; an origin that was not given up does.
    3. Otherwise what somebody connected shows.
    """

    def __init__(self) -> None:
        #: The most that were ever connected.
        self._most = 0

    def connected(self, count: int) -> None:
        """So many are, now."""
        self._most = max(self._most, count)

    def unavailable(self, have: Bitfield, givers: Collection[Giver]) -> int:
        """Return how many pieces are neither in *have* nor to be had of *givers*, all who are connected."""
        if len(givers) >= self._most or any(giver.has_all for giver in givers):
            return 0
        found = have.copy()
        for giver in givers:
            found.add_all(giver.has)
        return len(found) - found.have
