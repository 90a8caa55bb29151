"""A host that holds all others up: it gets nothing and does not say so, or takes longer than it may."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from ..policy.stalling import Stall
from .failures import HostFailure

#: Seconds without anything new. An agent of ours gives up by itself after a minute, and knows better why.
STANDSTILL = 180.0


class Waited(Protocol):
    """The `Ask` under way."""

    def waiting(self) -> Iterable[str]:
        """Return the hosts that have not answered."""

    def give_up(self, host: str, why: HostFailure) -> None:
        """Wait for *host* no longer."""


class Standstill:
    """
    Hears how far hosts are that fetch a payload, and gives those up that stand still while they talk on.

    What a host says is its own: it cannot have got more than there is. One that lies may seem to be slow for
    as long as it likes; only *most* ends that, which ends slow links too.

    Args:
        length: of the payload, in bytes.
        most: seconds that a host may take for all of it; None: as many as it needs.
    """

    def __init__(self, ask: Waited, length: int, most: float | None = None) -> None:
        self._ask = ask
        self._length = length
        self._most = most
        self._began = time.monotonic()
        self._gained: dict[str, int] = {}
        self._stalls: dict[str, Stall] = {}

    def heard(self, host: str, progress: Mapping[str, Any]) -> None:
        """*host* told its `progress`; see `agent.torrent.Progress`."""
        self._gained[host] = min(self._length, int(progress.get("bytes_gained", 0)))

    def look(self) -> None:
        """Give up who stands still or is late; to be called each second while anybody is waited for."""
        now = time.monotonic()
        is_late = self._most is not None and now - self._began >= self._most
        for host in self._ask.waiting():
            gained = self._gained.get(host, 0)
            stall = self._stalls.setdefault(host, Stall(now=now, most=STANDSTILL))
            if stall.is_over(gained, now=now):
                self._ask.give_up(host, HostFailure("late", _sentence(stall.came())))
            elif is_late:
                self._ask.give_up(host, HostFailure("late", self._late(gained)))

    def _late(self, gained: int) -> str:
        part = 100 * gained // max(1, self._length)
        return (
            f"{part} % had come after {self._most:g} s, which is what murder.swarm_timeout allows; what is"
            " there is kept. Look at the link of that host, or allow more, then run the same command again"
        )


def _sentence(came: str) -> str:
    todo = "Look at that host, then run the same command again"
    return f"{came}, and its agent goes on: it hangs, or lies. {todo}"
