"""Links of a rate and a latency that connections share fairly, and rules about who reaches whom."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Protocol

from .clock import Clock

#: Bytes that leave a link before the next connection has its turn.
QUANTUM = 16 * 1024


class Source(Protocol):
    """What a connection has to send; asked each time the link is free."""

    def next_part(self, most: int) -> bytes:
        """Return what goes out next, at most *most* bytes; nothing where there is nothing."""


@dataclass
class Link:
    """A host's way in: *rate* in bytes a second each way, *latency* in seconds to the middle of the net."""

    rate: float
    latency: float
    #: Share of the parts that get lost, and come later because TCP sends them again.
    loss: float = 0.0


class Uplink:
    """
    Sends for all connections of one host in turn, at the link's rate.

    Args:
        awake_at: returns since or from when the host has time to send.
    """

    def __init__(self, clock: Clock, link: Link, awake_at: Callable[[], float] = lambda: 0.0) -> None:
        self.link = link
        #: Bytes that left.
        self.sent = 0
        self._clock = clock
        self._awake_at = awake_at
        self._waiting: deque[tuple[Source, Callable[[bytes], None]]] = deque()
        self._busy = False

    def ready(self, source: Source, deliver: Callable[[bytes], None]) -> None:
        """*source* has something to send, which *deliver* takes once it has left."""
        self._waiting.append((source, deliver))
        if not self._busy:
            self._busy = True
            self._clock.call_later(0.0, self._next)

    def _next(self) -> None:
        asleep = self._awake_at() - self._clock.now
        if asleep > 0:
            self._clock.call_later(asleep, self._next)
            return
        while self._waiting:
            source, deliver = self._waiting.popleft()
            part = source.next_part(QUANTUM)
            if part:
                self._waiting.append((source, deliver))
                self.sent += len(part)
                self._clock.call_later(len(part) / self.link.rate, self._left, part, deliver)
                return
        self._busy = False

    def _left(self, part: bytes, deliver: Callable[[bytes], None]) -> None:
        deliver(part)
        self._next()


class Downlink:
    """Takes in what comes for one host, for all of its connections in turn, at the link's rate."""

    def __init__(self, clock: Clock, link: Link) -> None:
        self.link = link
        self._clock = clock
        self._waiting: dict[Callable[[bytes], None], deque[bytes]] = {}
        self._busy = False

    def arrive(self, part: bytes, take: Callable[[bytes], None]) -> None:
        """*part* is here; *take*, which stands for its connection, has it when its last byte is in."""
        self._waiting.setdefault(take, deque()).append(part)
        if not self._busy:
            self._busy = True
            self._next()

    def _next(self) -> None:
        if not self._waiting:
            self._busy = False
            return
        take = next(iter(self._waiting))
        parts = self._waiting.pop(take)
        part = parts.popleft()
        if parts:
            self._waiting[take] = parts
        self._clock.call_later(len(part) / self.link.rate, self._in, part, take)

    def _in(self, part: bytes, take: Callable[[bytes], None]) -> None:
        take(part)
        self._next()


@dataclass(frozen=True, eq=False)
class Rule:
    """What goes from *sources* to *destinations* is lost without a word, since the time *since*."""

    sources: frozenset[str]
    destinations: frozenset[str]
    since: float
    #: Whether only what opens a connection is lost.
    only_new: bool = False


class Network:
    """
    Who reaches whom, by name.

    Args:
        healed: told the sources of a rule that is gone: what they sent may now be sent again.
    """

    def __init__(self, clock: Clock, healed: Callable[[Collection[str]], None]) -> None:
        self._clock = clock
        self._healed = healed
        self._rules: list[Rule] = []

    def block(
        self, sources: Collection[str], destinations: Collection[str], *, only_new: bool = False
    ) -> Rule:
        """Lose what goes from *sources* to *destinations* until the rule is given to `heal`."""
        rule = Rule(frozenset(sources), frozenset(destinations), self._clock.now, only_new)
        self._rules.append(rule)
        return rule

    def heal(self, rule: Rule) -> None:
        """Let pass what *rule* lost."""
        self._rules.remove(rule)
        self._healed(sorted(rule.sources))

    def passes(self, source: str, destination: str, *, new: bool = False) -> bool:
        """Return whether something from *source* gets to *destination*; *new*: it opens a connection."""
        return not any(True for _ in self._against(source, destination, new))

    def silent_since(self, one: str, other: str) -> float | None:
        """Return since when nothing passes, or no answer to it, between two that are connected."""
        rules = [*self._against(one, other, False), *self._against(other, one, False)]
        return min((rule.since for rule in rules), default=None)

    def _against(self, source: str, destination: str, new: bool) -> Iterator[Rule]:
        for rule in self._rules:
            if source in rule.sources and destination in rule.destinations and (new or not rule.only_new):
                yield rule


def parts_of(data: bytes, most: int) -> Iterator[bytes]:
    """Yield *data* in parts of at most *most* bytes."""
    for start in range(0, len(data), most):
        yield data[start : start + most]
