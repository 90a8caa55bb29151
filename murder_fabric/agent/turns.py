"""Requests about releases, one at a time in the order they came: going back must find the switch made."""

from __future__ import annotations

from collections import Counter
from typing import Any

from twisted.internet.defer import Deferred, DeferredLock, TimeoutError

from .. import control
from ..errors import MurderError
from .answer import Answer, Emit
from .destination import expand
from .moments import Moments
from .release_duties import RELEASE_DUTIES
from .working import Threads


class Turns:
    """
    Lets each request wait for its moment and for its turn.

    Args:
        threads: where they are served; a turn lasts as long as its thread, whoever waits for its answer.
    """

    def __init__(self, reactor: Any, threads: Threads) -> None:
        self._reactor = reactor
        self._threads = threads
        self._turn = DeferredLock()
        self._moments = Moments(reactor)
        #: By destination, how often it was told to go back.
        self._told_back: Counter[str] = Counter()
        self._ending = False

    async def serve(self, request: control.Request, emit: Emit) -> Answer:
        """
        Do what *request* asks, which is one of `RELEASE_DUTIES`.

        No switch is begun any more once its destination was told to go back, or this host to end.

        Raises:
            MurderError: it could not be done, or was called off before it was begun.
        """
        if isinstance(request, control.SwitchBack):
            self._told_back[expand(request.destination)] += 1
        before = self._times_told_back(request)
        await self._moments.heed(request)
        await self._turn.acquire()
        if isinstance(request, control.Switch) and (self._ending or self._times_told_back(request) > before):
            self._turn.release()
            raise MurderError("the switch was called off before its turn, and was not made")
        answer: Deferred[Answer] = Deferred()
        # Whoever asked may go away; a thread cannot be cancelled, and its turn must not be.
        Deferred.fromCoroutine(self._take_turn(request, emit)).chainDeferred(answer)
        return await answer

    def end(self) -> None:
        """Begin no switch from now on."""
        self._ending = True
        self._moments.call_off_all()

    async def all_taken(self, within: float) -> bool:
        """Wait for the turns of all that has come, *within* seconds at most; False where more is needed."""
        try:
            await self._turn.acquire().addTimeout(within, self._reactor)
        except TimeoutError:
            return False
        self._turn.release()
        return True

    async def _take_turn(self, request: control.Request, emit: Emit) -> Answer:
        try:
            return await self._threads.run(emit, RELEASE_DUTIES[type(request)], request)
        finally:
            self._turn.release()

    def _times_told_back(self, request: control.Request) -> int:
        return self._told_back[expand(request.destination)] if isinstance(request, control.Switch) else 0
