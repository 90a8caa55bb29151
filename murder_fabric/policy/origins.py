"""When an HTTP origin is asked, for what, and when it is given up (BEP 19)."""

from __future__ import annotations

from enum import Enum

#: Seconds without a byte from peers after which the origin is asked for what they have, too.
STANDSTILL = 3.0
#: Seconds that peers have before an origin is asked at all, where a tracker may know some.
HEAD_START = 0.5
#: Seconds before the first, second and third attempt after a failure; after another one it is given up.
RETRY_AFTER = (1.0, 2.0, 4.0)


class Share(Enum):
    """What an origin is asked for."""

    ANYTHING = "anything"
    #: Pieces that no host has yet.
    UNSHARED = "unshared"
    NOTHING = "nothing"


class OriginShare:
    """
    What of the work is an origin's.

    1. Any piece, while peers send nothing: then it is all there is.
    2. Nothing, while a seeder is among those who do.
    3. Otherwise pieces that no other host has: it brings in what is missing, as a seeder does, and the hosts
       pass it on to each other. So it sends little more than one copy, however many hosts there are.
    """

    def __init__(self) -> None:
        self._moved_at = float("-inf")
        self._seeded = False

    def peers_sent(self, *, now: float) -> None:
        """A part of a piece came from a peer."""
        self._moved_at = now

    def of_work(self, seeded: bool, *, now: float) -> Share:
        """Return what to ask it for; *seeded*: somebody connected, and no origin, has everything."""
        if seeded and not self._seeded:  # it has as long to send something as one that has sent before
            self._moved_at = max(self._moved_at, now)
        self._seeded = seeded
        if now - self._moved_at >= STANDSTILL:
            return Share.ANYTHING
        return Share.NOTHING if seeded else Share.UNSHARED


class OriginTrouble:
    """How often in a row an origin has failed."""

    def __init__(self) -> None:
        self._failures = 0

    def answered(self) -> None:
        """It sent what it was asked for."""
        self._failures = 0

    def failed(self) -> float | None:
        """Return the seconds until it is asked again; None to give it up."""
        self._failures += 1
        return RETRY_AFTER[self._failures - 1] if self._failures <= len(RETRY_AFTER) else None
