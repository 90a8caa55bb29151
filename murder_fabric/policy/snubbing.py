"""When a peer that was asked and does not answer is given up: first its pieces, then the connection."""

from __future__ import annotations

from enum import Enum

#: Seconds without an answer, after which others are asked (BitTornado: 30, Murder: 10) …
SNUB_AFTER = 3.0
#: … and after which the connection is closed.
STALL_AFTER = 10.0
#: Bytes that are an answer. A byte a second is none; one packet in three seconds is, because a slow link that
#: thirty peers share brings no more than that to each.
ANSWER = 1024


class Patience(Enum):
    """What to do about a peer."""

    WAIT = "wait"
    #: Ask others for what it owes; if it comes after all, good.
    SNUB = "snub"
    #: Close the connection.
    GIVE_UP = "give up"


class Wait:
    """How long a peer has kept us waiting for what it was asked."""

    __slots__ = ("_received", "_since")

    def __init__(self, *, now: float) -> None:
        self._since = now
        self._received = 0

    def began(self, *, now: float) -> None:
        """It was asked for something, and owed nothing before."""
        self._since, self._received = now, 0

    def received(self, length: int, *, ended: bool, now: float) -> bool:
        """*length* bytes of a block came, its last ones if *ended*; return whether that is an answer."""
        self._received += length
        if not ended and self._received < ANSWER:
            return False
        self._since, self._received = now, 0
        return True

    def excused(self, seconds: float) -> None:
        """For so long it was us who did not listen."""
        self._since += seconds

    def patience(self, *, now: float) -> Patience:
        """Return what to do about it."""
        waited = now - self._since
        if waited >= STALL_AFTER:
            return Patience.GIVE_UP
        return Patience.SNUB if waited >= SNUB_AFTER else Patience.WAIT
