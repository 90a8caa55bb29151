"""When an HTTP origin is asked, for what, and when it is given up (BEP 19)."""

from __future__ import annotations

from enum import Enum

from .rates import RateMeter

#: Seconds in which next to nothing came from peers, after which the origin is asked for what they have, too.
STANDSTILL = 3.0
#: Bytes a second from all peers together that are next to nothing, and the part of an origin's rate that is.
LITTLE, PART = 8 << 10, 1 / 16
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

    1. Any piece, while peers send next to nothing: then it is all there is.
    2. Nothing, while a seeder is among those who do.
    3. Otherwise pieces that no other host has: it brings in what is missing, as a seeder does, and the hosts
       pass it on to each other. So it sends little more than one copy, however many hosts there are.

    Next to nothing is less than `LITTLE`, or than a `PART` of what origins were seen to bring: nobody who
    says that he has all keeps others from an origin by sending a byte now and then.
    """

    def __init__(self) -> None:
        self._moved_at = float("-inf")
        self._was_seeded = False
        #: Bytes that came from peers since then, of those that it takes to have moved.
        self._bytes, self._since = 0, float("-inf")
        self._origins, self._best = RateMeter(), 0.0

    def came(self, length: int, *, origin: bool, now: float) -> None:
        """So many bytes of a piece that was asked for came from a peer, or an origin."""
        if origin:
            self._origins.add(length, now=now)
            self._best = max(self._best, self._origins.rate(now=now))
            return
        if now - self._since >= STANDSTILL:
            self._bytes, self._since = 0, now
        self._bytes += length
        if self._bytes >= max(LITTLE, self._best * PART) * STANDSTILL:
            self._bytes, self._since, self._moved_at = 0, now, now

    def of_work(self, seeded: bool, *, now: float) -> Share:
        """Return what to ask it for; *seeded*: somebody connected, and no origin, has everything."""
        if (
            seeded and not self._was_seeded
        ):  # the first has as long to send something as one that has sent before
            self._moved_at, self._was_seeded = max(self._moved_at, now), True
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
