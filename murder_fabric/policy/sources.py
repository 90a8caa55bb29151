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


def unavailable(have: Bitfield, givers: Collection[Giver]) -> int:
    """Return how many pieces are neither in *have* nor to be had of *givers*, all who are connected."""
    if any(giver.has_all for giver in givers):
        return 0
    found = have.copy()
    for giver in givers:
        found.add_all(giver.has)
    return len(found) - found.have


class Sources:
    """
    Judges whether all that is missing may still come, for who knows nothing of the others but what they show.

    1. Where nobody has left, it may: a stock seeder that super-seeds seems to lack most.
    2. Otherwise, if those who are connected have it all between them.
    """

    def __init__(self) -> None:
        #: The most that were ever connected.
        self._most = 0

    def connected(self, count: int) -> None:
        """So many are, now."""
        self._most = max(self._most, count)

    def suffice(self, have: Bitfield, givers: Collection[Giver]) -> bool:
        """Return whether what is not in *have* may come of *givers*, all who are connected."""
        return len(givers) >= self._most or not unavailable(have, givers)
