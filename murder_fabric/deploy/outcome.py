"""What became of each host of a run, and what that means for the run: pure bookkeeping."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from ..errors import BadInput
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


_UNITS = ("", "B", "kB", "MB", "GB", "TB")
#: A size, or how many inodes are free: what may differ though the reason is the same.
_AMOUNT = re.compile(r"\b[0-9]+(?:\.[0-9])? [kMGT]?B\b|\b[0-9]+(?= are free)")

#: In these a host is no part of the run any more.
OUT = (HostState.FAILED, HostState.UNREACHABLE, HostState.SKIPPED)


@dataclass(frozen=True)
class HostResult:
    """What became of one host, so far or in the end."""

    state: HostState = HostState.WAITING
    #: Why it is out; empty where it is not.
    error: str = ""
    #: Bytes of the payload that came to it: from other hosts, web seeds, or over SSH.
    bytes_moved: int = 0
    #: Bytes of the payload that it had already: from an earlier try, of older releases, or as the seeder.
    bytes_reused: int = 0
    #: What it took to fetch and to verify the payload.
    seconds: float = 0.0
    #: What else it said that the task asks for, such as its releases; as it came, in values of JSON.
    facts: Mapping[str, Any] = field(default_factory=dict)
    #: Whether it fails again for sure, unless the command or what is on the host is changed; not in JSON.
    is_lasting: bool = False

    def fields(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "state": self.state.value,
            "error": self.error or None,
            "bytes_moved": self.bytes_moved,
            "bytes_reused": self.bytes_reused,
            "seconds": round(self.seconds, 3),
            "facts": dict(self.facts),
        }


class Outcome:
    """
    What became of all hosts of a run, in the order they were named, and what the run was about.

    This is where everything is noted that a `Result` says.
    """

    def __init__(self, hosts: Iterable[str]) -> None:
        self._results = {host: HostResult() for host in hosts}
        #: What the run is called, in its record as on the hosts; empty until it begins.
        self.run_id = ""
        #: The release, as far as it is known; the digest in hex.
        self.tag, self.destination, self.digest = "", "", ""
        #: What there is to show, as text.
        self.report = ""
        #: Who had all of the release before anything moved; hosts of the run or not.
        self.seeders: list[str] = []
        #: Bytes that each agent sent, and those that came from whom: by receiver, then by sender.
        self.uploads: dict[str, int] = {}
        self.received: dict[str, dict[str, int]] = {}

    def __getitem__(self, host: str) -> HostResult:
        return self._results[host]

    def __iter__(self) -> Iterator[str]:
        return iter(self._results)

    def by_host(self) -> dict[str, HostResult]:
        """Return what became of each host, up to now."""
        return dict(self._results)

    def reached(self, host: str, state: HostState, reason: str = "") -> None:
        """*host* is now in *state*."""
        self._results[host] = replace(self._results[host], state=state, error=reason)

    def failed(self, host: str, failure: HostFailure) -> None:
        """*host* is out; where it already was, the first reason stays."""
        if host in self._results and self._results[host].state not in OUT:
            self.reached(
                host, HostState.FAILED if failure.connected else HostState.UNREACHABLE, failure.reason
            )
            is_lasting = failure.exit_code == BadInput.exit_code
            self._results[host] = replace(self._results[host], is_lasting=is_lasting)

    def noted(
        self, host: str, *, bytes_moved: int = 0, bytes_reused: int = 0, seconds: float = 0.0, **facts: Any
    ) -> None:
        """Add to what is known of *host*; of one that the run is not about nothing is kept."""
        if host in self._results:
            one = self._results[host]
            self._results[host] = replace(
                one,
                bytes_moved=one.bytes_moved + bytes_moved,
                bytes_reused=one.bytes_reused + bytes_reused,
                seconds=one.seconds + seconds,
                facts={**one.facts, **facts},
            )

    def hosts(self, *states: HostState) -> list[str]:
        """Return the hosts in any of *states*."""
        return [host for host, one in self._results.items() if one.state in states]

    @property
    def going(self) -> list[str]:
        """The hosts that are still in the run."""
        return [host for host, one in self._results.items() if one.state not in OUT]

    def is_going(self, host: str) -> bool:
        """Return whether *host* is one of those, without looking at all of them."""
        return host in self._results and self._results[host].state not in OUT

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
        return grouped({host: self[host].error for host in self.lost if host not in but})


def grouped(reasons: Mapping[str, str]) -> list[str]:
    """
    Return a line for each reason with all hosts that have it, given the reason of each host.

    Reasons that differ in amounts only are one, `300.0 MB to 1.1 GB are free`: no two disks are equally full.
    """
    by_reason: dict[str, dict[str, list[str]]] = {}
    for host, reason in reasons.items():
        by_reason.setdefault(_AMOUNT.sub("", reason), {})[host] = _AMOUNT.findall(reason)
    return [
        f"{fold(amounts)}: {_with_ranges(reasons[next(iter(amounts))], list(amounts.values()))}"
        for amounts in by_reason.values()
    ]


def _with_ranges(reason: str, amounts: Sequence[Sequence[str]]) -> str:
    """Return *reason*, each amount in it from the least to the most that it is for any host."""
    ranges = iter([sorted(set(column), key=_worth) for column in zip(*amounts)])
    return _AMOUNT.sub(lambda _: " to ".join(dict.fromkeys([(one := next(ranges))[0], one[-1]])), reason)


def _worth(amount: str) -> float:
    number, _, unit = amount.partition(" ")
    return float(number) * 1000.0 ** _UNITS.index(unit)


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
