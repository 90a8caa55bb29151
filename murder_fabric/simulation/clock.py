"""Virtual time: calls to come in a heap, made in their order, each as if no time passed in it."""

from __future__ import annotations

import heapq
import itertools
from typing import Any, Callable


class Clock:
    """Seconds since the start of a run. Calls for one moment are made in the order they were asked for."""

    def __init__(self) -> None:
        self.now = 0.0
        #: Calls made so far.
        self.count = 0
        self._order = itertools.count()
        self._calls: list[tuple[float, int, Callable[..., object], tuple[Any, ...]]] = []

    @property
    def pending(self) -> int:
        """How many calls are still to come."""
        return len(self._calls)

    def call_later(self, delay: float, call: Callable[..., object], *arguments: Any) -> None:
        """Call *call* in *delay* seconds."""
        self.call_at(self.now + delay, call, *arguments)

    def call_at(self, at: float, call: Callable[..., object], *arguments: Any) -> None:
        """Call *call* at the time *at*."""
        heapq.heappush(self._calls, (at, next(self._order), call, arguments))

    def run(self, until: float, done: Callable[[], bool]) -> None:
        """Make calls until *done*, until the time *until*, or until there are none."""
        while self._calls and not done():
            at, _, call, arguments = heapq.heappop(self._calls)
            if at > until:
                self.now = until
                return
            self.now = at
            self.count += 1
            call(*arguments)
