"""All of one simulated run: its hosts, its tracker, what is between them, and what goes wrong."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import replace

from ..metainfo.building import InfoBuilder
from ..metainfo.values import Info
from ..swarm.ports import Address
from .checking import Watch
from .clock import Clock
from .disk import Disk
from .drawing import Plan
from .faults import FAULTS
from .host import Host, Surroundings
from .host_faults import come_back
from .hostile import HostilePeer, Stranger
from .network import Link, Network
from .tracker import Tracker

#: Seconds until a fault is tried again that finds nobody to strike, and between two looks at the whole.
AGAIN = 0.25
#: Seconds that recovery may take after the last trouble, beside the transfer itself.
RECOVERY = 60.0
#: Seconds beyond a run's estimate in which faults may still find somebody to strike.
PATIENCE = 60.0


class World:
    """
    A run of *plan*, up to the last host that can complete.

    Hosts that fail while something is in their way are started again once nothing is, as people would do.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.rng = random.Random(f"run {plan.seed}")
        self.clock = Clock()
        self.watch = Watch(self.clock, self.can_complete)
        self.network = Network(self.clock, self._healed)
        #: How often each kind of fault really struck.
        self.struck: Counter[str] = Counter()
        self._over = False
        self._planned = 0
        self._troubles = 0
        self._original = self.rng.randbytes(plan.length)
        self.info = _info(self._original, plan.piece_length)
        self.tracker = Tracker(self.info.info_hash, random.Random(self.rng.getrandbits(64)))
        self._shared = Surroundings(
            self.clock, self.network, self.tracker, self.watch, self.info, self.rng.randbytes(32), self._find
        )
        self._hosts: dict[str, Host] = {}
        self.seeder = self._add(Host, full=True)
        self.seeder.super_seed = True
        self.peers = [self._add(Host, full=False) for _ in range(plan.hosts)]
        self.hostile: list[Host] = []
        #: Faults strike until then: about when the slowest would be done without them.
        self.estimate = 0.5 + plan.length / min(host.link.rate for host in self._hosts.values())

    # What faults ask ----------------------------------------------------------------------------------------

    def names(self) -> list[str]:
        """Return the names of all hosts, hostile ones too."""
        return list(self._hosts)

    def remaining(self) -> list[Host]:
        """Return the peers that are not lost for good."""
        return [peer for peer in self.peers if not peer.lost]

    def some_peer(self, *, incomplete: bool = False) -> Host | None:
        """Return a peer that is up, and may be asked to be *incomplete*; None where all are down."""
        there = [
            peer for peer in self.remaining() if peer.up and (not incomplete or peer.verified_at is None)
        ]
        return self.rng.choice(there) if there else None

    def some_pair(self) -> tuple[str, str] | None:
        """Return the names of a peer that is up and of another host."""
        one = self.some_peer()
        if one is None:
            return None
        return one.name, self.rng.choice([name for name in self._hosts if name != one.name])

    def holds_everything(self, hosts: Collection[Host]) -> bool:
        """Return whether one of *hosts* that is up, and always read truly, has each piece."""
        pieces: set[int] = set()
        for host in hosts:
            if host.up and not (host.disk.ever_lied or host.disk.was_rotten):
                pieces |= host.has()
        return len(pieces) == self.plan.pieces

    def can_complete(self, host: Host) -> bool:
        """Return whether what *host* lacks is to be had."""
        return self.holds_everything([self.seeder, *self.peers]) or len(host.has()) == self.plan.pieces

    def join(self, kind: type[HostilePeer]) -> None:
        """A hostile peer joins."""
        host = self._add(kind, full=True)
        self.hostile.append(host)
        host.start()

    def trouble(self, seconds: float, undo: Callable[[], None]) -> None:
        """Something is in the hosts' way for *seconds*; *undo* ends it."""
        self._troubles += 1
        self.watch.calm_since = float("inf")
        self.clock.call_later(seconds, self._ended, undo)

    # The run ------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Start everybody, let happen what is planned, and go on until everybody has ended."""
        self.seeder.start()
        for peer in self.peers:
            self.clock.call_later(self.rng.uniform(0.0, 0.5), come_back(peer))
        for name in self.plan.faults:
            self._planned += 1
            self.clock.call_later(self.rng.uniform(0.0, self.estimate), self._strike, name)
        self._supervise()
        self.clock.run(float("inf"), lambda: self._over)
        self._end()

    def _strike(self, name: str) -> None:
        if self._over:
            return
        kind = FAULTS[name]
        seconds = self.rng.uniform(kind.least, kind.most)
        undo = kind.strike(self, seconds)
        if undo is None:
            self.clock.call_later(AGAIN, self._strike, name)
            return
        self.struck[name] += 1
        self.watch.note(name, "strikes")
        self._planned -= 1
        self.trouble(seconds, undo)

    def _ended(self, undo: Callable[[], None]) -> None:
        undo()
        self._troubles -= 1
        if not self._troubles:
            self.watch.calm_since = self.clock.now

    def _supervise(self) -> None:
        """See who has ended, start again who failed for want of what is there now, and end the run."""
        waiting = [peer for peer in self.peers if peer.verified_at is None and not peer.lost]
        if self.watch.calm:
            for peer in waiting:
                if peer.failure is not None and self.can_complete(peer) and not peer.disk.ever_lied:
                    peer.leave()  # one whose disk was full has served meanwhile
                    peer.start()
                elif peer.failure is not None:
                    peer.lost = True
        quiet = not self._planned or self.clock.now > self.estimate + PATIENCE
        if self.watch.calm and quiet and not waiting:
            self._over = True
        elif self.clock.now - max(self.watch.calm_since, self.estimate) > self._deadline():
            for peer in waiting:
                self.watch.violated(f"I4: {peer.name} hangs: {peer.standing()}")
            self._over = True
        else:
            self.clock.call_later(AGAIN, self._supervise)

    def _deadline(self) -> float:
        """Return the seconds within which everything must be over once nothing is in the way."""
        slowest = min(host.link.rate for host in self._hosts.values())
        return RECOVERY + PATIENCE + 8 * self.plan.length / slowest

    def _end(self) -> None:
        """Tell everybody to leave, and look whether they have."""
        for peer in self.peers:
            lacking = self.plan.pieces - len(peer.disk.right())
            if peer.up and peer.verified_at is not None and lacking and not peer.disk.was_rotten:
                self.watch.violated(f"I2: {peer.name} is verified and lacks {lacking} pieces")
        if self.seeder.failure is not None:
            self.watch.violated(f"I3: the seeder ended: {self.seeder.failure}")
        hosts = list(self._hosts.values())
        self.finished_at = self.clock.now
        for host in hosts:
            host.leave()
        self.clock.run(self.clock.now + RECOVERY, lambda: False)
        left = sum(len(host.ends) for host in hosts)
        if left or self.clock.pending:
            self.watch.violated(f"I5: {left} connections and {self.clock.pending} timers are left at the end")

    # Inside -------------------------------------------------------------------------------------------------

    def _add(self, kind: type[Host], *, full: bool) -> Host:
        number = len(self._hosts)
        name = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        plan, shared = self.plan, self._shared
        rate = plan.slowest * (plan.fastest / plan.slowest) ** self.rng.random()
        if kind is Stranger:
            shared = replace(shared, key=self.rng.randbytes(32))
        disk = Disk(self.info, self._original, full=full)
        rng = random.Random(self.rng.getrandbits(64))
        self.tracker.allow(name)  # strangers too: a passkey is read on the wire, and an address taken
        host = self._hosts[name] = kind(name, Link(rate, plan.latency), disk, rng, shared)
        return host

    def _find(self, address: Address) -> Host | None:
        host = self._hosts.get(address[0])
        return host if host is not None and host.up and host.port == address[1] else None

    def _healed(self, names: Collection[str]) -> None:
        for name in names:
            if name in self._hosts:
                for end in list(self._hosts[name].ends):
                    end.healed()


def _info(original: bytes, piece_length: int) -> Info:
    builder = InfoBuilder(b"payload", piece_length, single_file=True)
    builder.add_file((b"payload",), 0o644, len(original))
    for update in builder.hashes:
        update(memoryview(original), [len(original)])
    return builder.build()
