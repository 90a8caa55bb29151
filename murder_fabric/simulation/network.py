"""Links of a rate and a latency, and connections that share them fairly, as TCP flows roughly do."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from .clock import Clock

#: Bytes that leave a link before the next connection has its turn.
QUANTUM = 16 * 1024


class Source(Protocol):
    """What a connection has to send; asked each time the link is free."""

    def next_part(self, most: int) -> bytes:
        """Return what goes out next, at most *most* bytes; nothing where there is nothing."""


@dataclass(frozen=True)
class Link:
    """A host's way in: *rate* in bytes a second each way, *latency* in seconds to the middle of the net."""

    rate: float
    latency: float


class Uplink:
    """Sends for all connections of one host in turn, at the link's rate."""

    def __init__(self, clock: Clock, link: Link) -> None:
        self.link = link
        #: Bytes that left.
        self.sent = 0
        self._clock = clock
        self._waiting: deque[tuple[Source, Callable[[bytes], None]]] = deque()
        self._busy = False

    def ready(self, source: Source, deliver: Callable[[bytes], None]) -> None:
        """*source* has something to send, which *deliver* takes once it has left."""
        self._waiting.append((source, deliver))
        if not self._busy:
            self._busy = True
            self._clock.call_later(0.0, self._next)

    def _next(self) -> None:
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
    """Takes in what comes for one host, one part after the other, at the link's rate."""

    def __init__(self, clock: Clock, link: Link) -> None:
        self.link = link
        self._clock = clock
        self._free_at = 0.0

    def arrive(self, latency: float, part: bytes, take: Callable[[bytes], None]) -> None:
        """*part* comes in after *latency* seconds of way; *take* has it when the last byte is in."""
        start = max(self._clock.now + latency, self._free_at)
        self._free_at = start + len(part) / self.link.rate
        self._clock.call_later(self._free_at - self._clock.now, take, part)


def parts_of(data: bytes, most: int) -> Iterator[bytes]:
    """Yield *data* in parts of at most *most* bytes."""
    for start in range(0, len(data), most):
        yield data[start : start + most]
