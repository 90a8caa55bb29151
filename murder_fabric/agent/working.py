"""Blocking work of one host: it says that it is under way, and whoever ends the host can wait for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.task import LoopingCall

from ..control import WORKING
from .threads import in_thread

#: Seconds between two signs of life of a request that is at the disk.
BEAT = 5.0

T = TypeVar("T")


class Threads:
    """Runs blocking calls in the threads of *reactor*, and counts those that have not ended."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._count = 0
        self._waiting: list[Deferred[None]] = []

    async def run(
        self, emit: Callable[[str, Mapping[str, Any]], None], act: Callable[..., T], *arguments: Any
    ) -> T:
        """
        Return what *act* returns; meanwhile *emit* is told `working` every few seconds.

        A thread cannot be cancelled: where nobody waits for its answer any more, it counts until it ends.
        """
        answer: Deferred[T] = Deferred()
        thread = in_thread(act, *arguments)
        self._count += 1
        thread.chainDeferred(answer)
        thread.addBoth(self._ended)
        beat = LoopingCall(emit, WORKING, {})
        beat.clock = self._reactor
        beat.start(BEAT, now=False)
        try:
            return await answer
        finally:
            beat.stop()

    async def all_ended(self, within: float) -> bool:
        """Wait until no thread is at work, *within* seconds at most; False where one still is."""
        if not self._count:
            return True
        ended: Deferred[None] = Deferred()
        self._waiting.append(ended)
        try:
            await ended.addTimeout(within, self._reactor)
        except TimeoutError:
            return False
        return True

    def _ended(self, _: object) -> None:
        self._count -= 1
        if not self._count:
            waiting, self._waiting = self._waiting, []
            for ended in waiting:
                ended.callback(None)
