"""What became of each host of a run, and what that means for the run: pure bookkeeping."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from .failures import HostFailure
from .ranges import fold


class HostState(Enum):
    """Where a host stands; the run ends with every host in one of these."""

    #: Named, and nothing known yet.
    WAITING = "waiting"
    #: Its agent answers.
    READY = "ready"
    #: Every byte is there and was read again.
    VERIFIED = "verified"
    #: `current` points at the release.
    SWITCHED = "switched"
    #: It did not do what it was asked.
    FAILED = "failed"
    #: There was no connection to it.
    UNREACHABLE = "unreachable"
    #: Another name of a host that is in the run already.
    SKIPPED = "skipped"


_OUT = (HostState.FAILED, HostState.UNREACHABLE, HostState.SKIPPED)


@dataclass
class Standing:
    """One host's state, and the sentence behind it where there is one."""

    state: HostState = HostState.WAITING
    reason: str = ""


class Outcome:
    """The standings of all hosts of a run, in the order they were named."""

    def __init__(self, hosts: Iterable[str]) -> None:
        self._standings = {host: Standing() for host in hosts}

    def __getitem__(self, host: str) -> Standing:
        return self._standings[host]

    def reached(self, host: str, state: HostState, reason: str = "") -> None:
        """*host* is now in *state*."""
        self._standings[host] = Standing(state, reason)

    def failed(self, host: str, failure: HostFailure) -> None:
        """*host* is out; where it already was, the first reason stays."""
        if host in self._standings and self._standings[host].state not in _OUT:
            state = HostState.FAILED if failure.connected else HostState.UNREACHABLE
            self._standings[host] = Standing(state, failure.reason)

    def hosts(self, *states: HostState) -> list[str]:
        """Return the hosts in any of *states*."""
        return [host for host, standing in self._standings.items() if standing.state in states]

    @property
    def going(self) -> list[str]:
        """The hosts that are still in the run."""
        return [host for host, standing in self._standings.items() if standing.state not in _OUT]

    @property
    def lost(self) -> list[str]:
        """The hosts that failed, unreachable ones included."""
        return self.hosts(HostState.FAILED, HostState.UNREACHABLE)

    def complaints(self, but: Container[str] = ()) -> list[str]:
        """
        Return a line for each reason, with all hosts that have it: `web[3,17-20]: no space left …`.

        Args:
            but: hosts of which it has been said.
        """
        return grouped({host: self[host].reason for host in self.lost if host not in but})


def grouped(reasons: Mapping[str, str]) -> list[str]:
    """Return a line for each reason with all hosts that have it, given the reason of each host."""
    by_reason: dict[str, list[str]] = {}
    for host, reason in reasons.items():
        by_reason.setdefault(reason, []).append(host)
    return [f"{fold(hosts)}: {reason}" for reason, hosts in by_reason.items()]


def same_hosts(marks: Mapping[str, Iterable[str]], nonces: Mapping[str, str]) -> dict[str, str]:
    """
    Return the hosts that are another name of an earlier one, and which.

    Args:
        marks: by host, the marks that lie beside its destination.
        nonces: by host, the mark that was left under that name.
    """
    owner = {nonce: host for host, nonce in nonces.items()}
    first: dict[str, str] = {}
    for host, seen in marks.items():
        names = [owner[mark] for mark in seen if mark in owner]
        earliest = next((other for other in marks if other in names), host)
        if earliest != host:
            first[host] = earliest
    return first
