"""Announcing one torrent for as long as we are in its swarm, as one coroutine that owns its schedule."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from twisted.internet.defer import CancelledError, Deferred

from ..errors import TrackerError
from ..policy.reannounce import ENOUGH_PEERS, next_announce
from ..tracker.addresses import PeerAddress
from ..tracker.announcing import AnnounceRequest, AnnounceResponse
from .ports import Clock

#: Seconds that saying goodbye may take.
GOODBYE_TIMEOUT = 2.0
#: Seconds between announces as long as no tracker has said.
_FIRST_INTERVAL = 15.0


class Standing(NamedTuple):
    """How we stand in the swarm: what to tell the tracker, and connections we could download from."""

    request: AnnounceRequest
    peers: int


class Announcer:
    """
    Announces until cancelled: `started` first, `completed` when told so, `stopped` at the end.

    Args:
        clock: the reactor, or `task.Clock` in tests.
        announce: announces once; raises `TrackerError` where nobody answered.
        state: how we stand now; the event in its request is left empty, it is filled in here.
        on_peers: told the peers of each answer.
        rng: jitter.
        on_failure: told each failure; announcing goes on.
    """

    def __init__(
        self,
        clock: Clock,
        announce: Callable[[AnnounceRequest], Awaitable[AnnounceResponse]],
        state: Callable[[], Standing],
        on_peers: Callable[[Sequence[PeerAddress]], object],
        rng: random.Random,
        on_failure: Callable[[TrackerError], object] = lambda error: None,
    ) -> None:
        self._clock = clock
        self._announce = announce
        self._state = state
        self._on_peers = on_peers
        self._on_failure = on_failure
        self._rng = rng
        self._events = ["started"]
        self._interval = _FIRST_INTERVAL
        self._failures = 0
        self._fruitless = 0
        self._hurried = False
        self._sleep: Deferred[None] | None = None

    async def run(self) -> None:
        """Announce for ever; cancelling says `stopped` to a tracker that was well, in `GOODBYE_TIMEOUT`."""
        try:
            while True:
                await self._announce_once()
                await self._rest()
        except CancelledError:
            if not self._failures:
                await self._say_goodbye()
            raise

    def completed(self) -> None:
        """The last missing piece arrived: tell the tracker now."""
        self._events.append("completed")
        self.hurry()

    def hurry(self) -> None:
        """Announce at once, or once more as soon as the announce under way has been answered."""
        self._hurried = True
        if self._sleep is not None and not self._sleep.called:
            self._sleep.callback(None)

    async def _announce_once(self) -> None:
        self._hurried = False
        request = self._state().request._replace(event=self._events[0] if self._events else "")
        try:
            response = await self._announce(request)
        except TrackerError as error:
            self._failures += 1
            self._on_failure(error)
            return
        self._failures = 0
        self._interval = response.interval
        del self._events[:1]
        # `completed` came while `started` was under way.
        self._hurried = self._hurried or bool(self._events)
        self._on_peers(response.peers)

    async def _rest(self) -> None:
        """Wait until the next announce is due, or somebody is in a hurry."""
        standing = self._state()
        starving = standing.request.left > 0 and standing.peers < ENOUGH_PEERS
        self._fruitless = self._fruitless + 1 if starving and not self._failures else 0
        if self._hurried and not self._failures:
            return
        delay = next_announce(
            self._interval,
            failures=self._failures,
            fruitless=self._fruitless,
            left=standing.request.left,
            peers=standing.peers,
            rng=self._rng,
        )
        self._sleep = Deferred()
        timer = self._clock.callLater(delay, self._sleep.callback, None)
        try:
            await self._sleep
        finally:
            self._sleep = None
            if timer.active():
                timer.cancel()

    async def _say_goodbye(self) -> None:
        request = self._state().request._replace(event="stopped", num_want=0)
        goodbye = Deferred.fromCoroutine(self._answered(request))
        timer = self._clock.callLater(GOODBYE_TIMEOUT, goodbye.cancel)
        try:
            await goodbye
        except (TrackerError, CancelledError):
            return  # it forgets us by itself, in two minutes
        finally:
            if timer.active():
                timer.cancel()

    async def _answered(self, request: AnnounceRequest) -> None:
        await self._announce(request)
