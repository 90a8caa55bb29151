"""Whom else to ask when every missing piece has been asked for already, and one peer holds up the end."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

#: A piece is asked of at most so many peers at once.
MOST_SOURCES = 2
#: A piece asked for less long ago than this (seconds) is probably on its way.
PATIENCE = 0.5


class InFlight(Protocol):
    """All that the endgame needs to know of a piece that was asked for."""

    #: When the first peer was asked.
    asked_at: float

    @property
    def sources(self) -> int:
        """How many peers were asked."""


F = TypeVar("F", bound=InFlight)


def choose_duplicate(in_flight: Iterable[F], *, now: float) -> F | None:
    """
    Return the piece to ask an idle peer for as well, the one waited for longest; None to let it rest.

    BEP 3 asks everybody for everything at the end; that floods. Here a piece has a second source only after
    `PATIENCE`, and never a third.
    """
    late = (one for one in in_flight if one.sources < MOST_SOURCES and now - one.asked_at >= PATIENCE)
    return min(late, key=lambda one: one.asked_at, default=None)
