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
#: Times the longest that a peer has taken for an answer, after which others are asked, and the connection is
#: closed: buffers of a slow link hold what we ask for seconds. Answers that took longer count for so many.
SNUB_TIMES, STALL_TIMES, LONGEST_ANSWER = 2.0, 3.0, 10.0


class Patience(Enum):
    """What to do about a peer."""

    WAIT = "wait"
    #: Ask others for what it owes; if it comes after all, good.
    SNUB = "snub"
    #: Close the connection.
    GIVE_UP = "give up"


class Wait:
    """How long a peer has kept us waiting for what it was asked."""

    __slots__ = ("_before", "_longest", "_moved_at", "_owing", "_received", "_since", "_unsaid", "shortest")

    def __init__(self, *, now: float) -> None:
        self._since = self._moved_at = now
        self._received = self._before = 0
        self._longest = 0.0
        #: When it was asked for something that nothing was before, until the first of that comes.
        self._owing: float | None = None
        #: The fewest seconds that such a thing was on its way, both ways; 0 until that is known.
        self.shortest = 0.0
        #: Whether what it was asked last may not have left yet.
        self._unsaid = False

    def began(self, *, now: float) -> None:
        """It was asked for something, and owed nothing before."""
        self._since, self._received = now, 0
        self._owing = now

    def asked(self) -> None:
        """It was asked for something more."""
        self._unsaid = True

    def words_left(self) -> None:
        """A block of ours has left, and all that was said during it."""
        self._unsaid = False

    def ticked(self, before: int, seconds: float, *, now: float) -> None:
        """
        *seconds* went by; a peer behind a slow link is not blamed for what has not reached it.

        Args:
            before: bytes that have left of the block of ours that our words wait behind, 0 where none does.
                One that moves no more is no excuse: whoever reads nothing does not answer either.
        """
        if before != self._before:
            self._before, self._moved_at = before, now
        if before and self._unsaid and now - self._moved_at < SNUB_AFTER:
            self._since += seconds

    def received(self, length: int, *, ended: bool, now: float) -> bool:
        """*length* bytes of a block came, its last ones if *ended*; return whether that is an answer."""
        if self._owing is not None:
            spent, self._owing = now - self._owing, None
            self.shortest = min(spent, self.shortest or spent)
        self._received += length
        if not ended and self._received < ANSWER:
            return False
        self._longest = max(self._longest, min(now - self._since, LONGEST_ANSWER))
        self._since, self._received = now, 0
        return True

    def excused(self, seconds: float) -> None:
        """For so long it was us who did not listen."""
        self._since += seconds

    def patience(self, *, now: float) -> Patience:
        """Return what to do about it."""
        waited = now - self._since
        if waited >= max(STALL_AFTER, STALL_TIMES * self._longest):
            return Patience.GIVE_UP
        snubbed = waited >= max(SNUB_AFTER, SNUB_TIMES * self._longest)
        return Patience.SNUB if snubbed else Patience.WAIT
