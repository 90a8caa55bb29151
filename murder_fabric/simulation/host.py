"""One simulated host: the production session on a virtual link, disk and clock; it may die and come back."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..bitfield import Bitfield
from ..metainfo.values import Info
from ..policy.stalling import Stall, never_began_sentence, sentence
from ..swarm.config import SwarmConfig
from ..swarm.ports import Address
from ..swarm.session import NEWS_INTERVAL, Session
from ..tracker.announcing import AnnounceRequest
from .announcing import Announcing
from .checking import Watch
from .clock import Clock
from .connection import End
from .disk import Disk
from .network import Downlink, Link, Network, Uplink
from .tracker import Tracker

#: Seconds between two ticks of a session, as `agent.torrent` has it; and that a connection may take.
TICK = 0.25
CONNECT_TIMEOUT = 5.0
PORT = 6881


@dataclass(frozen=True)
class Surroundings:
    """What all hosts of a run share."""

    clock: Clock
    network: Network
    tracker: Tracker
    watch: Watch
    info: Info
    key: bytes
    find: Callable[[Address], Host | None]


class Host:
    """
    A host of the run, from `start` on; `die` and `start` again at will.

    One process: while it is frozen, or its disk or CPU is at work, what happens waits in its order.
    """

    #: Whether it does what the protocol says, and what its ends are.
    honest = True
    end_kind: type[End] = End

    def __init__(self, name: str, link: Link, disk: Disk, rng: random.Random, shared: Surroundings) -> None:
        self.name = name
        self.link = link
        self.disk = disk
        self.chance = rng
        self.clock, self.network, self.watch = shared.clock, shared.network, shared.watch
        self.info = shared.info
        self.uplink = Uplink(self.clock, link, lambda: self.busy_until)
        self.downlink = Downlink(self.clock, link)
        self.port = PORT
        self.up = False
        self.busy_until = 0.0
        #: Seconds of CPU that whatever happens here takes.
        self.effort = 0.0
        self.super_seed = False
        #: The pieces that were verified, in this life or when it began.
        self.had: set[int] = set()
        self.max_connections = SwarmConfig.max_connections
        #: When every piece was there and right, on the disk; None while that is not so.
        self.verified_at: float | None = None
        #: Why it ended without; None while it has not.
        self.failure: str | None = None
        #: Whether it will never come back, or cannot complete, because of its fault.
        self.lost = False
        self.ends: dict[End, None] = {}
        self._downloaded = self._uploaded = 0
        self._shared = shared
        self._life = 0
        self._backlog: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        self._draining = False
        self._telling = False

    @property
    def address(self) -> Address:
        """Where it listens."""
        return self.name, self.port

    @property
    def downloaded(self) -> int:
        """Payload bytes that came in, over all of its lives."""
        return self._downloaded + (self.session.bytes_downloaded if self.up else 0)

    @property
    def uploaded(self) -> int:
        """Payload bytes that left, over all of its lives."""
        return self._uploaded + (self.session.bytes_uploaded if self.up else 0)

    # Its life -----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Come up, with what is on the disk."""
        self.up, self.failure, self.verified_at = True, None, None
        self.had = self.disk.check()
        have = self.resumed()
        self.config = SwarmConfig(
            peer_id=self.new_peer_id(),
            port=self.port,
            key=self._shared.key,
            super_seed=self.super_seed,
            max_connections=self.max_connections,
            dial_below=min(SwarmConfig.dial_below, self.max_connections),
        )
        rng = random.Random(self.chance.getrandbits(64))
        self.session = Session(self.info, have, self.config, self.disk, self, self, rng, rng.randbytes)
        self.announcing = Announcing(self, self._shared.tracker, self._announce_request)
        self.stall = Stall(now=self.clock.now)
        self.watch.note(self.name, f"up with {have.have} pieces")
        if have.complete:
            self._verify()
        self.announcing.announce()
        self.later(self.chance.uniform(0, TICK), self._tick)

    def new_peer_id(self) -> bytes:
        """Return who it says it is in this life."""
        return b"-MFSIM0-" + self.chance.getrandbits(96).to_bytes(12, "big")

    def resumed(self) -> Bitfield:
        """Return what of the payload need not be fetched again."""
        have = Bitfield(self.info.geometry.piece_count)
        for index in sorted(self.had):
            have.add(index)
        return have

    def die(self, *, silently: bool = False) -> None:
        """Be gone at once; *silently*: not even the kernel is left to tell the others."""
        self.watch.note(self.name, "dies")
        self.up = False
        self._life += 1
        self._downloaded += self.session.bytes_downloaded
        self._uploaded += self.session.bytes_uploaded
        self._backlog.clear()
        self._draining = self._telling = False
        self.busy_until = 0.0
        ends, self.ends = self.ends, {}
        for end in ends:
            end.closed = True
            if not silently:
                end.reset()

    def leave(self) -> None:
        """End as an agent does that is told to."""
        if self.up:
            self.session.stop("leaving")
            self.announcing.goodbye()
            self.die()

    def freeze(self, seconds: float) -> None:
        """Do nothing for so long; the kernel goes on taking what comes."""
        self.busy_until = max(self.busy_until, self.clock.now + seconds)

    def has(self) -> set[int]:
        """
        Return the pieces that it knows it has, and has.

        Of two blocks that were wrong, parts may make one that is right: nobody knows, so nobody has it.
        """
        return self.had & self.disk.right()

    def standing(self) -> str:
        """Return how far it is, for people."""
        if not self.up:
            return "it is down"
        peers = len(self.session.trusted_peers)
        return f"{self.session.have.have} of {len(self.session.have)} pieces, {peers} peers"

    # Its time -----------------------------------------------------------------------------------------------

    def later(self, delay: float, call: Callable[..., object], *arguments: Any) -> None:
        """Call *call* in *delay* seconds, if this life lasts so long."""
        self.clock.call_later(delay, self._happened, self._life, call, arguments)

    def wake(self, call: Callable[..., object], *arguments: Any) -> None:
        """Call *call* as soon as the process has time."""
        self._happened(self._life, call, arguments)

    def _happened(self, life: int, call: Callable[..., object], arguments: tuple[Any, ...]) -> None:
        if life != self._life:
            return
        if self._backlog or self.clock.now < self.busy_until:
            self._backlog.append((call, arguments))
            self._drain_later()
        else:
            self._do(call, arguments)

    def _do(self, call: Callable[..., object], arguments: tuple[Any, ...]) -> None:
        call(*arguments)
        seconds = self.disk.seconds + self.effort
        if seconds:
            self.disk.seconds = 0.0
            self.freeze(seconds)

    def _drain_later(self) -> None:
        if not self._draining:
            self._draining = True
            self.clock.call_later(max(0.0, self.busy_until - self.clock.now), self._drain, self._life)

    def _drain(self, life: int) -> None:
        if life != self._life:
            return
        self._draining = False
        while self._backlog and self.clock.now >= self.busy_until:
            self._do(*self._backlog.popleft())
            if life != self._life:
                return
        if self._backlog:
            self._drain_later()

    # The session's ports ------------------------------------------------------------------------------------

    def dial(self, address: Address) -> None:
        """Connect: one round trip, or a failure after one, or after some seconds of silence."""
        name = address[0]
        if not (self.network.passes(self.name, name, new=True) and self.network.passes(name, self.name)):
            self.later(CONNECT_TIMEOUT, self._dialed, address, False)
            return
        other = self._shared.find(address)
        latency = self.link.latency + (self.link if other is None else other.link).latency
        self.later(2 * latency, self._dialed, address, True)

    def piece_verified(self, index: int) -> None:
        """Look whether it is, and tell peers soon."""
        self.watch.piece_verified(self.name, index, known=index in self.had, right=self.disk.holds(index))
        self.had.add(index)
        if not self._telling:
            self._telling = True
            self.later(NEWS_INTERVAL, self._tell_news)

    def completed(self) -> None:
        """Look whether everything is as it should be."""
        self.announcing.completed()
        self._verify()

    def ran_out_of_room(self, reason: str) -> None:
        """The disk is full: it has failed, and serves what it has."""
        self.watch.note(self.name, f"failed, and serves what it has: {reason}")
        self.failure = reason

    def failed(self, reason: str) -> None:
        """The disk failed."""
        self.later(0.0, self.fail, reason)

    def fail(self, reason: str) -> None:
        """End without the payload, and say why."""
        self.watch.note(self.name, f"failed: {reason}")
        self.failure = reason
        self.leave()

    # Inside -------------------------------------------------------------------------------------------------

    def _verify(self) -> None:
        wrong = self.info.geometry.piece_count - len(self.disk.right())
        if wrong and not self.disk.lied and not self.disk.was_rotten:
            self.watch.violated(f"I2: {self.name} took {wrong} wrong pieces for right ones")
        if wrong:
            self.later(0.0, self.fail, f"{wrong} pieces on the disk are not what was promised")
            return
        self.disk.sync()
        self.verified_at = self.clock.now
        self.watch.note(self.name, "verified")

    def _dialed(self, address: Address, reached: bool) -> None:
        other = self._shared.find(address) if reached else None
        if other is None:
            self.session.dial_failed(address, now=self.clock.now)
            return
        here = self.end_kind(self, address, dialed=True)
        there = other.end_kind(other, (self.name, 0), dialed=False)
        here.other, there.other = there, here
        self.ends[here], other.ends[there] = None, None
        other.wake(there.opened)
        here.opened()

    def _tick(self) -> None:
        now = self.clock.now
        self.session.tick(now=now)
        self._look_for_hope(now)
        self.later(TICK, self._tick)

    def _look_for_hope(self, now: float) -> None:
        """As `agent.swarming` does."""
        missing, announcing = len(self.session.have) - self.session.have.have, self.announcing
        if not missing or self.failure is not None:
            return
        peers = [peer.address[0] for peer in self.session.trusted_peers]
        if self.stall.never_began(announcing.answered or bool(peers), now=now):
            self.watch.gave_up(self)
            self.later(0.0, self.fail, never_began_sentence(announcing.problem))
        elif self.stall.is_over(self.session.bytes_gained, now=now):
            self.watch.gave_up(self)
            came = self.stall.came()
            reason = sentence(missing, len(self.session.have), came, peers, announcing.problem)
            self.later(0.0, self.fail, reason)

    def _tell_news(self) -> None:
        self._telling = False
        self.session.tell_news()

    def _announce_request(self, event: str) -> AnnounceRequest:
        have, geometry = self.session.have, self.info.geometry
        left = 0 if have.complete else geometry.length - have.have * geometry.piece_length
        return AnnounceRequest(
            self.info.info_hash,
            self.config.peer_id,
            self.port,
            self.session.bytes_uploaded,
            self.session.bytes_downloaded,
            max(left, 0 if have.complete else 1),
            event,
        )
