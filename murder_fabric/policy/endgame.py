"""Whom else to ask for a piece that was asked for already, and that one peer holds up."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Protocol, TypeVar

#: At the end a piece is asked of at most so many peers at once, unless it is overdue.
MOST_SOURCES = 2
#: A piece asked for less long ago than this (seconds) is probably on its way.
PATIENCE = 0.5
#: A piece is overdue after so many times what all that is on its way takes at the best rate there was, or …
OVERDUE_TIMES = 8.0
#: … bytes a second, where that was less; but neither sooner nor later than after so many seconds.
LEAST_RATE, OVERDUE_SOONEST, OVERDUE_LATEST = 256 << 10, 3.0, 60.0


class InFlight(Protocol):
    """All that the endgame needs to know of a piece that was asked for."""

    #: When the first peer was asked.
    asked_at: float

    @property
    def sources(self) -> int:
        """How many peers were asked."""


F = TypeVar("F", bound=InFlight)


def overdue_after(on_its_way: int, best_rate: float) -> float:
    """
    Return the seconds after which a piece that was asked for is overdue.

    Args:
        on_its_way: bytes of all pieces that were asked for and are not here.
        best_rate: most bytes a second that ever came from all peers together.
    """
    expected = OVERDUE_TIMES * on_its_way / max(best_rate, LEAST_RATE)
    return min(OVERDUE_LATEST, max(OVERDUE_SOONEST, expected))


def choose_duplicate(in_flight: Iterable[F], overdue: float, *, at_end: bool, now: float) -> F | None:
    """
    Return the piece to ask an idle peer for as well, the one waited for longest; None to let it rest.

    1. BEP 3 asks everybody for everything at the end; that floods. Here a piece has a second source then,
       only after `PATIENCE`.
    2. One that is *overdue* (seconds) has one more, and another each time it has waited twice as long: a few
       that send next to nothing would else have it for themselves for as long as they like.

    Args:
        at_end: whether every piece that is missing has been asked for.
    """

    def most(waited: float) -> int:
        more = 1 + int(math.log2(waited / overdue)) if waited >= overdue else 0
        return more + (MOST_SOURCES if at_end and waited >= PATIENCE else 1)

    late = (one for one in in_flight if one.sources < most(now - one.asked_at))
    return min(late, key=lambda one: one.asked_at, default=None)
