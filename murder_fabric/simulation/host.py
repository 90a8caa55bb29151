"""One simulated host: the production session on a virtual link, disk and clock; it may die and come back."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from ..bitfield import Bitfield
from ..errors import TrackerError
from ..metainfo.values import Info
from ..policy.reannounce import next_announce
from ..swarm.ports import Address
from ..swarm.session import NEWS_INTERVAL, Session, SwarmConfig
from ..tracker.announcing import (
    AnnounceRequest,
    announce_query,
    encode_response,
    parse_announce,
    parse_response,
)
from ..tracker.registry import Registry
from .clock import Clock
from .connection import End
from .disk import Disk
from .network import Downlink, Link, Uplink

#: Seconds between two ticks of a session, as `agent.torrent` has it.
TICK = 0.25
PORT = 6881


class Host:
    """
    A host of the run, from `start` on; `die` and `start` again at will.

    Args:
        find: returns the host that listens at an address, if it is up.
        trace: told what happens here, for the run's trace.
    """

    def __init__(
        self,
        name: str,
        clock: Clock,
        link: Link,
        info: Info,
        disk: Disk,
        registry: Registry,
        rng: random.Random,
        find: Callable[[Address], Host | None],
        trace: Callable[[str], None],
    ) -> None:
        self.name = name
        self.clock = clock
        self.link = link
        self.info = info
        self.disk = disk
        self.uplink, self.downlink = Uplink(clock, link), Downlink(clock, link)
        self.trace = trace
        self.up = False
        #: When it had every piece; None while it has not.
        self.completed_at: float | None = None
        self.bytes_downloaded = 0
        self.ends: dict[End, None] = {}
        self._registry = registry
        self._rng = rng
        self._find = find
        self._life = 0

    @property
    def address(self) -> Address:
        """Where it listens."""
        return self.name, PORT

    def start(self) -> None:
        """Come up, with what is on the disk."""
        self.up = True
        self._life += 1
        self._fruitless = 0
        have = Bitfield(self.info.geometry.piece_count)
        for index in self.disk.right:
            have.add(index)
        self.config = SwarmConfig(
            peer_id=b"-MFSIM0-" + self._rng.getrandbits(96).to_bytes(12, "big"),
            port=PORT,
            super_seed=have.complete,
        )
        self.session = Session(
            self.info, have, self.config, self.disk, self, self, self._rng, self._rng.randbytes
        )
        self.trace(f"up with {have.have} pieces")
        if have.complete:
            self.completed_at = self.clock.now
        self._announce(self._life, "started")
        self.clock.call_later(self._rng.uniform(0, TICK), self._tick, self._life)
        self.clock.call_later(self._rng.uniform(0, NEWS_INTERVAL), self._tell_news, self._life)

    def die(self) -> None:
        """Be gone at once; others find out by themselves."""
        self.trace("dies")
        self.up = False
        self.bytes_downloaded += self.session.bytes_downloaded
        for end in list(self.ends):
            if end.other is not None:
                self.clock.call_later(self.link.latency, end.other.cut)
            end.cut()

    def downloaded(self) -> int:
        """Return the payload bytes that came in, over all of its lives."""
        return self.bytes_downloaded + (self.session.bytes_downloaded if self.up else 0)

    # The session's ports ------------------------------------------------------------------------------------

    def dial(self, address: Address) -> None:
        """Connect: one round trip, or a failure after one."""
        other = self._find(address)
        latency = self.link.latency + (other.link.latency if other is not None else self.link.latency)
        self.clock.call_later(2 * latency, self._dialed, address, self._life)

    def piece_verified(self, index: int) -> None:
        """Note it in the trace."""
        self.trace(f"piece {index}")

    def completed(self) -> None:
        """Note when."""
        self.completed_at = self.clock.now
        self.trace("complete")
        self._announce(self._life, "completed")

    def failed(self, reason: str) -> None:
        """The disk failed: this host is out."""
        self.trace(f"failed: {reason}")
        self.die()

    # Inside -------------------------------------------------------------------------------------------------

    def _dialed(self, address: Address, life: int) -> None:
        if not self.up or life != self._life:
            return
        other = self._find(address)
        if other is None:
            self.session.dial_failed(address, now=self.clock.now)
            return
        here, there = End(self, address, dialed=True), End(other, self.address, dialed=False)
        here.other, there.other = there, here
        self.ends[here], other.ends[there] = None, None
        there.opened()
        here.opened()

    def _tick(self, life: int) -> None:
        if self.up and life == self._life:
            self.session.tick(now=self.clock.now)
            self.clock.call_later(TICK, self._tick, life)

    def _tell_news(self, life: int) -> None:
        if self.up and life == self._life:
            self.session.tell_news()
            self.clock.call_later(NEWS_INTERVAL, self._tell_news, life)

    def _announce(self, life: int, event: str) -> None:
        """Announce, and hear the answer a moment later; between events also plan the next one."""
        if not self.up or life != self._life:
            return
        geometry, have = self.info.geometry, self.session.have
        left = sum(geometry.piece_size(index) for index in have.missing())
        request = AnnounceRequest(
            self.info.info_hash, self.config.peer_id, PORT, self.session.bytes_uploaded, 0, left, event
        )
        query = announce_query(request)
        self.clock.call_later(2 * self.link.latency, self._answered, life, query, left, event)

    def _answered(self, life: int, query: bytes, left: int, event: str) -> None:
        if not self.up or life != self._life:
            return
        now = self.clock.now
        try:
            answer = self._registry.announce(parse_announce(query), self.name, now=now)
            response = parse_response(encode_response(answer, True))
        except TrackerError as error:
            self.trace(f"tracker: {error}")
            return
        addresses: Sequence[Address] = [(peer.host, peer.port) for peer in response.peers]
        self.session.addresses_learned(addresses, now=now)
        if event == "completed":
            return
        peers = len(self.session.trusted_peers)
        self._fruitless = self._fruitless + 1 if left and peers < 4 else 0
        delay = next_announce(
            response.interval, failures=0, fruitless=self._fruitless, left=left, peers=peers, rng=self._rng
        )
        self.clock.call_later(delay, self._announce, life, "")
