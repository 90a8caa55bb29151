"""When a simulated host announces: what `net.announcer` is in production, with the same decisions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..errors import TrackerError
from ..policy.reannounce import ENOUGH_PEERS, next_announce
from ..tracker.announcing import AnnounceRequest, announce_query, parse_response
from .tracker import TRACKER, Tracker

if TYPE_CHECKING:
    from .host import Host

#: Seconds an announce may take, and between two as long as no tracker has said; as `net` has them.
TIMEOUT = 5.0
FIRST_INTERVAL = 15.0


class Announcing:
    """One life of *host*, as its tracker sees it."""

    def __init__(self, host: Host, tracker: Tracker, request: Callable[[str], AnnounceRequest]) -> None:
        #: Why the last announce failed; None since one was answered.
        self.problem: str | None = None
        self.answered = False
        self._host = host
        self._tracker = tracker
        self._request = request
        self._events = ["started"]
        self._interval = FIRST_INTERVAL
        self._failures = 0
        self._fruitless = 0
        self._asking = False
        self._hurried = False
        self._turn = 0

    def announce(self) -> None:
        """Announce now."""
        self._turn += 1
        self._asking, self._hurried = True, False
        query = announce_query(self._request(self._events[0] if self._events else ""))
        host, network = self._host, self._host.network
        reached = network.passes(host.name, TRACKER, new=True) and network.passes(TRACKER, host.name)
        host.later(2 * host.link.latency if reached else TIMEOUT, self._asked, query, reached)

    def completed(self) -> None:
        """The last missing piece arrived: tell the tracker now."""
        self._events.append("completed")
        self._hurried = True
        if not self._asking:
            self.announce()

    def goodbye(self) -> None:
        """Say that we leave, to a tracker that was well."""
        if not self._failures and self._tracker.up:
            query = announce_query(self._request("stopped"))
            self._tracker.answer(query, self._host.name, now=self._host.clock.now)

    def _asked(self, query: bytes, reached: bool) -> None:
        self._asking = False
        host = self._host
        try:
            if not reached:
                raise TrackerError("it did not answer")
            response = parse_response(self._tracker.answer(query, host.name, now=host.clock.now))
        except TrackerError as error:
            self._failures += 1
            self.problem = str(error)
            self._rest()
            return
        self._failures, self.problem, self.answered = 0, None, True
        self._interval = response.interval
        del self._events[:1]
        addresses = [(peer.host, peer.port) for peer in response.peers]
        host.session.addresses_learned(addresses, now=host.clock.now)
        self._rest()

    def _rest(self) -> None:
        left, peers = self._request("").left, len(self._host.session.trusted_peers)
        starving = left > 0 and peers < ENOUGH_PEERS
        self._fruitless = self._fruitless + 1 if starving and not self._failures else 0
        if (self._hurried or self._events) and not self._failures:
            self.announce()
            return
        delay = next_announce(
            self._interval,
            failures=self._failures,
            fruitless=self._fruitless,
            left=left,
            peers=peers,
            rng=self._host.chance,
        )
        self._host.later(delay, self._due, self._turn)

    def _due(self, turn: int) -> None:
        if turn == self._turn:
            self.announce()
