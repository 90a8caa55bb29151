"""What must hold in every run, looked at while it runs and when it is over; the trace of what happened."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..policy.stalling import GIVE_UP_AFTER
from .clock import Clock

if TYPE_CHECKING:
    from .host import Host

#: What an honest peer may be told to its face by an honest one: two of its connections crossed.
_NO_BLAME = ("connected to ourselves",)


class Watch:
    """
    Writes down what happened, and what should not have.

    The invariants, by the numbers that `docs/reliability.md` explains:

    * I2: a piece that counts as verified is right on the disk, and so is every piece of who is complete.
    * I3: honest peers are never blamed for what another did, and end verified or with a reason.
    * I4, I8: whoever can complete does, soon after the last trouble; nobody hangs (`run` looks at these).
    * I5: once all are told to leave, no connection and no timer is left (`run` again).
    * I7: a verified piece that is on the disk is never fetched again.
    """

    def __init__(self, clock: Clock, can_complete: Callable[[Host], bool]) -> None:
        self.violations: list[str] = []
        #: Since when nothing that was injected is in anybody's way; infinity while something is.
        self.calm_since = 0.0
        #: Pieces verified by all peers, in all their lives.
        self.verified_count = 0
        self._clock = clock
        self._can_complete = can_complete
        self._trace = hashlib.sha256()

    @property
    def trace_sha256(self) -> str:
        """The hash of all that happened so far."""
        return self._trace.hexdigest()

    @property
    def calm(self) -> bool:
        """Whether nothing is in anybody's way."""
        return self.calm_since <= self._clock.now

    def note(self, name: str, what: str) -> None:
        """*what* happened to *name*."""
        self._trace.update(f"{self._clock.now:.9f} {name} {what}\n".encode())

    def violated(self, sentence: str) -> None:
        """Something that must hold does not."""
        self.note("violation", sentence)
        self.violations.append(f"{sentence} (at {self._clock.now:.2f} s)")

    def piece_verified(self, name: str, index: int, *, known: bool, right: bool) -> None:
        """*name* has piece *index* now; *known*: it had it before, *right*: it is on its disk."""
        self.note(name, f"piece {index}")
        self.verified_count += 1
        if known:
            self.violated(f"I7: {name} fetched piece {index} again, which it had")
        if not right:
            self.violated(f"I2: {name} counts piece {index}, which is not right on its disk")

    def hung_up(self, host: Host, other: Host, reason: str) -> None:
        """*host* closed its connection with *other*."""
        self.note(host.name, f"hangs up on {other.name}: {reason}")
        if reason.startswith("banned") and other.honest and not other.disk.ever_lied:
            self.violated(f"I3: {host.name} banned {other.name}, which sent nothing wrong: {reason}")

    def broke_the_rules(self, host: Host, other: Host, reason: str) -> None:
        """*host* found that *other* broke the rules of the protocol."""
        banned_truly = other.disk.ever_lied and reason.startswith("banned")
        blame = not reason.startswith(_NO_BLAME) and not banned_truly
        if blame and other.honest and host.honest:
            self.violated(f"I3: {host.name} says of {other.name}, which is honest: {reason}")

    def gave_up(self, host: Host) -> None:
        """*host* sees no hope; that is right only while something is in its way, or shortly after."""
        self.note(host.name, "gives up")
        seconds = self._clock.now - self.calm_since
        reads_truly = not (host.disk.ever_lied or host.disk.was_rotten)
        if seconds > GIVE_UP_AFTER and reads_truly and not host.lost and self._can_complete(host):
            self.violated(f"I8: {host.name} gives up {seconds:.0f} s after the last trouble")
