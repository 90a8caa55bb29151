"""Decides which hosts get their agent over SSH, and which of them from another host."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Any, NamedTuple, Optional

from ..spreading import patience_for

#: Hosts up to which nobody passes anything on, and all get it over SSH as they ask for it.
FEW_HOSTS = 8
#: Those that get it over SSH first: one more than is needed, as one may be slow.
FIRST = 2
#: As many still without it are not worth the host that would pass it on, which must be sent it once more.
FEW_LEFT = 3
#: Seconds that sending it to all over SSH may take, at the rate at which the first got it: no longer than
#: one of them takes to start.
SHORT = 2.0
#: Seconds waited for each step on the way to a host that passes it on (the first has it, speaks, listens);
#: less if all could be sent it meanwhile at so many bytes a second.
STEP = 10.0
MODEST_RATE = 1_250_000


class Do(Enum):
    """What is to be done about a host."""

    #: Send it the bytes, the first thing it hears.
    SEND = "send"
    #: Send it the bytes, which it was to have from another host.
    SEND_AFTER_ALL = "send after all"
    #: Tell it where to fetch them.
    POINT = "point"
    #: Ask it to pass them on.
    ASK = "ask"
    #: Tell it that nobody needs it any more.
    DISMISS = "dismiss"


class Step(NamedTuple):
    """One thing to do, now."""

    do: Do
    host: str


class Place(NamedTuple):
    """Where a host has what others lack, and how long these try (seconds)."""

    address: str
    port: int
    path: str
    patience: float

    def fields(self) -> dict[str, Any]:
        """Return what the bootstrap program reads; see there."""
        return self._asdict()


class PassingOn:
    """
    Told what happens, says what to do about it; a host that is told of is one of those *hosts*, or ignored.

    Args:
        hosts: all on which an agent is to start.
        length: bytes that one lacks which has no agent.
    """

    def __init__(self, hosts: Iterable[str], length: int) -> None:
        self._length = length
        #: Nothing was heard of these; they may have it.
        self._unheard = dict.fromkeys(hosts)
        self._hosts = frozenset(self._unheard)
        self._waiting: dict[str, None] = {}
        #: Those to which it went at once.
        self._first: set[str] = set()
        #: Those it goes to over SSH, and those that fetch it; they have not spoken yet.
        self._sent: set[str] = set()
        self._fetching: set[str] = set()
        #: Those that have spoken, and could pass it on.
        self._greeted: list[str] = []
        self._server = ""
        self._serves = False
        self._without = False
        self._sent_at: Optional[float] = None
        self._rate: Optional[float] = None
        #: When the last step began that is waited for.
        self._since: Optional[float] = None

    @property
    def patience(self) -> float:
        """Seconds that a host tries to fetch it."""
        return patience_for(len(self._hosts), self._length)

    def lacks(self, host: str, *, now: float) -> list[Step]:
        """*host* has no agent."""
        if host not in self._unheard:
            return []
        del self._unheard[host]
        self._waiting[host] = None
        if self._since is None:
            self._since = now
        return self._next(now)

    def received(self, host: str, *, now: float) -> list[Step]:
        """*host* has all that was sent to it."""
        if self._rate is None and self._sent_at is not None and host in self._sent:
            self._rate = len(self._sent) * self._length / max(now - self._sent_at, 1e-3)
            self._since = now
        return self._next(now)

    def greeted(self, host: str, *, now: float) -> list[Step]:
        """The agent of *host* speaks."""
        if host not in self._hosts or host in self._greeted:
            return []
        self._forget(host)
        if not self._greeted and self._since is not None:
            self._since = now
        self._greeted.append(host)
        return self._next(now)

    def serves(self, host: str, *, now: float) -> list[Step]:
        """*host* does as it was asked, and can be pointed to."""
        self._serves = host == self._server
        return self._next(now)

    def refused(self, host: str, *, now: float) -> list[Step]:
        """*host* does not pass it on: nobody will."""
        self._without = self._without or host == self._server
        return self._next(now)

    def unfetched(self, host: str, *, now: float) -> list[Step]:
        """*host* could not fetch it."""
        if host not in self._fetching:
            return []
        self._fetching.remove(host)
        self._sent.add(host)
        return [Step(Do.SEND_AFTER_ALL, host), *self._next(now)]

    def lost(self, host: str, *, now: float) -> list[Step]:
        """*host* cannot be talked to any more."""
        self._forget(host)
        self._first.discard(host)
        if host in self._greeted:
            self._greeted.remove(host)
        return self.refused(host, now=now)

    def look(self, *, now: float) -> list[Step]:
        """Time has passed."""
        return self._next(now)

    def _forget(self, host: str) -> None:
        self._unheard.pop(host, None)
        self._waiting.pop(host, None)
        self._sent.discard(host)
        self._fetching.discard(host)

    def _next(self, now: float) -> list[Step]:
        if self._serves and not self._without:
            steps = [Step(Do.POINT, host) for host in self._waiting]
            self._fetching.update(self._waiting)
            self._waiting.clear()
            return steps + self._dismiss()
        if self._waits_no_longer(now):
            return self._send(len(self._waiting), now)
        steps = self._send(FIRST - len(self._first), now)
        self._first.update(step.host for step in steps)
        if self._waiting and self._greeted and not self._server:
            self._server = self._greeted[0]
            steps.append(Step(Do.ASK, self._server))
        return steps

    def _waits_no_longer(self, now: float) -> bool:
        left = len(self._waiting) + len(self._unheard)
        if self._without or self._since is None or left <= FEW_LEFT:
            return True
        if self._rate is not None and left * self._length / self._rate <= SHORT:
            return True
        return now - self._since >= min(STEP, left * self._length / MODEST_RATE)

    def _send(self, count: int, now: float) -> list[Step]:
        chosen = list(self._waiting)[: max(count, 0)]
        for host in chosen:
            del self._waiting[host]
            self._sent.add(host)
            if self._sent_at is None:
                self._sent_at = now
        return [Step(Do.SEND, host) for host in chosen]

    def _dismiss(self) -> list[Step]:
        if self._unheard or self._sent or self._fetching:
            return []
        self._without = True
        return [Step(Do.DISMISS, self._server)]
