"""What every host of a run does now: how far it is, how fast, and what holds the slow ones back."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from heapq import nsmallest
from statistics import median
from typing import Any, NamedTuple

from ...units import counted, shown_seconds, shown_size
from ..outcome import HostState, Outcome

#: An agent tells how far it is every second; of one that is silent for so many, that is what is known.
FRESH = 3.0
#: Seconds by which a record may come later than the quickest of its host.
LAG_LIMIT = 1.0
#: Share of its time that a host may wait for its disk; above it, that is what makes it slow.
DISK_LIMIT = 0.3
#: With fewer peers than that a host depends on each of them, where there are more hosts than that.
FEW_PEERS = 3
#: A host below this share of the median rate is slower than the others.
SLOW_SHARE = 0.5


class Doing(Enum):
    """What a host does, or where it got to; in the order in which a deploy goes through it."""

    WAITING = "waiting"
    CONNECTED = "connected"
    FETCHING = "fetching"
    COMPLETE = "complete"
    VERIFIED = "verified"
    SWITCHED = "switched"
    SKIPPED = "another name"
    FAILED = "failed"


_DOING = {
    HostState.WAITING: Doing.WAITING,
    HostState.VERIFIED: Doing.VERIFIED,
    HostState.SWITCHED: Doing.SWITCHED,
    HostState.SKIPPED: Doing.SKIPPED,
    HostState.FAILED: Doing.FAILED,
    HostState.UNREACHABLE: Doing.FAILED,
}
_OUT = (Doing.SKIPPED, Doing.FAILED)


@dataclass(frozen=True)
class Transfer:
    """What a host's last `progress` record said, in bytes and bytes per second, and what follows from two."""

    #: Of the payload, what is there and right; what was there before counts.
    bytes: int
    length: int
    rate: float
    upload_rate: float
    peers: int
    bytes_downloaded: int
    bytes_uploaded: int
    #: Share of the time since the record before that it waited for its disk, 0 to 1.
    disk_share: float
    #: When it came, on our monotonic clock, and by how much later than the quickest one did (seconds).
    heard_at: float
    lag: float
    #: By the host's clock, and its disk's: when it was sent, and how long it ever waited for the disk.
    sent_at: float
    disk_seconds: float
    #: The least there was between sending and hearing, whatever the clocks are apart.
    quickest: float

    @property
    def complete(self) -> bool:
        """Whether all of the payload is there."""
        return self.bytes >= self.length

    @property
    def share(self) -> float:
        """How much of the payload is there, 0 to 1."""
        return min(1.0, self.bytes / self.length) if self.length else 1.0

    def seconds_left(self) -> float | None:
        """Return how long it needs at this rate; None where nothing comes."""
        if self.complete:
            return 0.0
        return (self.length - self.bytes) / self.rate if self.rate > 0 else None


class Slow(NamedTuple):
    """A host that is waited for; `seconds_left` is None where nothing comes, `reason` empty where unknown."""

    host: str
    rate: float
    seconds_left: float | None
    reason: str


class Bringing(NamedTuple):
    """What goes over SSH to one host: bytes that arrived there, of how many, and in how many seconds."""

    host: str
    sent: int
    total: int
    seconds: float

    @property
    def share(self) -> int:
        """How much of it has arrived, in per cent."""
        return 100 * self.sent // self.total if self.total else 100

    @property
    def rate(self) -> float:
        """The bytes per second that arrived until now."""
        return self.sent / self.seconds if self.seconds > 0 else 0.0

    def seconds_left(self) -> float | None:
        """Return how long the rest takes at this rate; None where nothing arrives."""
        return (self.total - self.sent) / self.rate if self.rate else None


class HostNow(NamedTuple):
    """One host as it is now; `transfer` is what it last said of its fetching, if it ever did."""

    doing: Doing
    transfer: Transfer | None


class FleetState:
    """
    Is told what the hosts of *outcome* do, and `look` says how they are now.

    It is told in one thread, and may be looked at in another: values are replaced, never changed, and hosts
    do not come or go.
    """

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        #: The stage that is gone through, and when it began (monotonic); empty between two.
        self.stage, self.stage_began_at = "", 0.0
        #: How far it is, where that is none of what is told here.
        self.said = ""
        #: What goes over SSH in it, if anything does.
        self.bringing: Bringing | None = None
        #: Whether the hosts fetch in it.
        self._moves = False
        #: The hosts that were asked something last, and those of them that have done it.
        self._asked: tuple[str, ...] = ()
        self._done = ""
        self._answered: frozenset[str] = frozenset()
        self._transfers: dict[str, Transfer] = {}

    def begun(self, stage: str, *, now: float) -> None:
        """A stage began."""
        self.stage, self.stage_began_at, self._moves = stage, now, False
        self.asked(())

    def ended(self) -> None:
        """The stage is over, however it went."""
        self.stage = ""

    def asked(self, hosts: Iterable[str], done: str = "have answered") -> None:
        """*hosts* were asked something; *done* says what is true of those that have done it."""
        self.said, self.bringing, self._done = "", None, done
        self._asked, self._answered = tuple(hosts), frozenset()

    def answered(self, host: str) -> None:
        """*host* did what it was asked."""
        self._answered |= {host}

    def brought(self, host: str, sent: int, total: int, *, now: float) -> None:
        """Of *total* bytes that go to *host* over SSH in this stage, *sent* have arrived."""
        self.bringing = Bringing(host, sent, total, now - self.stage_began_at)

    def heard(self, host: str, fields: Mapping[str, Any], *, now: float) -> None:
        """*host* sent a `progress` record of `control.Join`; what in it is no number counts as 0."""
        self._moves = True
        self._transfers[host] = _transfer(fields, self._transfers.get(host), now)

    def transfer(self, host: str) -> Transfer | None:
        """Return what *host* last said of its fetching, if it ever did; seeders that are no peers may too."""
        return self._transfers.get(host)

    def look(self, *, now: float) -> FleetNow:
        """Return how all hosts are at *now*, on our monotonic clock."""
        transfers, hosts = self._transfers, {}
        for host, one in self.outcome.by_host().items():
            transfer = transfers.get(host)
            if one.state is not HostState.READY:
                doing = _DOING[one.state]
            elif transfer is None:
                doing = Doing.CONNECTED
            else:
                doing = Doing.COMPLETE if transfer.complete else Doing.FETCHING
            hosts[host] = HostNow(doing, transfer)
        return FleetNow(
            now=now,
            hosts=hosts,
            stage=self.stage,
            seconds=now - self.stage_began_at,
            said=self.said,
            bringing=self.bringing,
            moves=self._moves,
            asked_count=len(self._asked),
            answered_count=len(self._answered.intersection(self._asked)),
            answered=self._done,
        )


@dataclass(frozen=True)
class FleetNow:
    """All hosts at one moment, in the order in which they were named."""

    now: float
    hosts: Mapping[str, HostNow]
    #: Empty between two stages, for how long it goes on, and what is said of it.
    stage: str
    seconds: float
    said: str
    bringing: Bringing | None
    #: Whether the hosts fetch in it.
    moves: bool
    #: How many hosts were asked something last, how many have done it, and what is true of these.
    asked_count: int
    answered_count: int
    answered: str

    def counts(self) -> dict[Doing, int]:
        """Return how many hosts do what; nothing where that is none."""
        found = [one.doing for one in self.hosts.values()]
        return {doing: count for doing in Doing if (count := found.count(doing))}

    @cached_property
    def transfers(self) -> list[Transfer]:
        """What the hosts that are in the run said of their fetching."""
        return [
            one.transfer for one in self.hosts.values() if one.transfer is not None and one.doing not in _OUT
        ]

    def rate(self) -> float:
        """Return the bytes per second that come to all hosts together."""
        return sum(one.rate for one in self.transfers if self.now - one.heard_at <= FRESH)

    def seconds_left(self) -> float | None:
        """
        Return how long the last host still needs, each at its rate; None where that is not known.

        A host that gets nothing now is taken to go on at the median rate of those that get something.
        """
        fetching = self._fetching.values()
        rates = [one.rate for one in fetching if one.rate > 0]
        if not rates:
            return None
        usual = median(rates)
        return max(
            (one.length - one.bytes) / (one.rate or usual) - (self.now - one.heard_at) for one in fetching
        )

    def slowest(self, count: int) -> list[Slow]:
        """Return the *count* hosts that the others will wait for longest, and why, as far as it shows."""
        fetching = self._fetching
        if not fetching:
            return []
        usual = median(one.rate for one in fetching.values())
        going = sum(one.doing not in _OUT for one in self.hosts.values())
        few_peers = min(FEW_PEERS, going - 1)
        last = nsmallest(count, fetching, key=lambda host: _longest_first(fetching[host]))
        return [
            Slow(host, one.rate, one.seconds_left(), _reason(one, usual, few_peers, self.now))
            for host, one in ((host, fetching[host]) for host in last)
        ]

    def summary(self, *, short: bool = False) -> list[str]:
        """
        Return how far the stage is: hosts, bytes, rate, and when the last host will be there.

        Args:
            short: in few letters, and what can be left out last.
        """
        if self.bringing is not None:
            return _brought(self.bringing, short=short)
        if self.said or not self.moves:
            hosts = f"{_part(self.answered_count, self.asked_count, short=short)} {self.answered}"
            return [self.said or hosts] * bool(self.said or self.asked_count)
        found = self.transfers
        complete, going = sum(one.complete for one in found), self._going_count()
        said = [_part(complete, going, short=short) + " complete" * (not short)]
        if length := going * max((one.length for one in found), default=0):
            there = sum(min(one.bytes, one.length) for one in found)
            said.append(f"{100 * there // length} %" + f" of {shown_size(length)}" * (not short))
        rate, left = self.rate(), self.seconds_left()
        pace = [f"{shown_size(rate)}/s"] * bool(rate)
        if left is None:
            return [*said, *pace]
        ending = shown_seconds(left)
        return [*said, f"{ending} left", *pace] if short else [*said, *pace, f"the last in about {ending}"]

    def _going_count(self) -> int:
        """Return how many hosts are to be complete: those that were asked, without those that are out."""
        out = sum(one.doing in _OUT for one in self.hosts.values())
        return max(min(self.asked_count, len(self.hosts)) - out, len(self.transfers))

    @cached_property
    def _fetching(self) -> dict[str, Transfer]:
        return {
            host: one.transfer
            for host, one in self.hosts.items()
            if one.doing is Doing.FETCHING and one.transfer is not None
        }


def _transfer(fields: Mapping[str, Any], last: Transfer | None, now: float) -> Transfer:
    """Return what a record says, given the one before it."""
    sent_at, disk_seconds = _number(fields, "time"), _number(fields, "disk_seconds")
    delay = now - sent_at
    quickest = delay if last is None else min(delay, last.quickest)
    since = 0.0 if last is None else sent_at - last.sent_at
    waited = 0.0 if last is None else disk_seconds - last.disk_seconds
    return Transfer(
        bytes=int(_number(fields, "bytes")),
        length=int(_number(fields, "length")),
        rate=_rate(fields),
        upload_rate=_number(fields, "upload_rate"),
        peers=int(_number(fields, "peers")),
        bytes_downloaded=int(_number(fields, "bytes_downloaded")),
        bytes_uploaded=int(_number(fields, "bytes_uploaded")),
        disk_share=min(1.0, max(0.0, waited / since)) if since > 0 else 0.0,
        heard_at=now,
        lag=delay - quickest,
        sent_at=sent_at,
        disk_seconds=disk_seconds,
        quickest=quickest,
    )


def _part(count: int, total: int, *, short: bool) -> str:
    return f"{count}/{total}" if short else f"{count} of {counted(total, 'host')}"


def _brought(one: Bringing, *, short: bool) -> list[str]:
    left, rate = one.seconds_left(), f"{shown_size(one.rate)}/s"
    ending = [] if left is None else [f"{shown_seconds(left)} left"]
    if short:
        return [f"{one.share} %", *ending, rate]
    return [f"{shown_size(one.sent)} of {shown_size(one.total)} to {one.host}", rate, *ending]


def _longest_first(one: Transfer) -> float:
    return (one.bytes - one.length) / one.rate if one.rate else -math.inf


def _reason(one: Transfer, usual: float, few_peers: int, now: float) -> str:
    """Say what most likely holds a host back: what would explain all else comes first."""
    if now - one.heard_at > FRESH:
        return f"SSH lag: no word for {now - one.heard_at:.0f} s"
    if one.lag > LAG_LIMIT:
        return f"SSH lag: its words come {one.lag:.1f} s late"
    if one.disk_share > DISK_LIMIT:
        return f"slow disk: waits for it {100 * one.disk_share:.0f} % of the time"
    if one.peers < few_peers:
        return f"few peers: {one.peers or 'none'}"
    if one.rate < SLOW_SHARE * usual:
        return "slower than the others: its link, perhaps"
    return ""


def _rate(fields: Mapping[str, Any]) -> float:
    """Return what comes each second; at less than a byte nobody reckons when all is there."""
    rate = _number(fields, "rate")
    return rate if rate >= 1 else 0.0


def _number(fields: Mapping[str, Any], name: str) -> float:
    """Return a number of a record; what is none, or none that can be, counts as 0."""
    value = fields.get(name)
    if isinstance(value, (int, float)) and 0 <= value < math.inf:
        return value
    return 0.0
