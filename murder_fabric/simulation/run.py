"""One simulated run: a seed becomes hosts, links and faults, and an account of what they came to."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..metainfo.building import InfoBuilder
from ..metainfo.values import Info
from ..tracker.registry import Registry
from .clock import Clock
from .disk import Disk
from .faults import inject
from .host import Host
from .network import Link


@dataclass(frozen=True)
class Plan:
    """What is simulated: counts, bytes, bytes a second, seconds."""

    seed: int
    #: Peers, beside the one seeder.
    hosts: int = 60
    pieces: int = 64
    piece_length: int = 64 * 1024
    rate: float = 12.5e6
    latency: float = 0.0005
    #: Names of `faults.FAULTS`, and how many are drawn from them.
    faults: Sequence[str] = ()
    fault_count: int = 6
    #: Virtual seconds after which whoever is not complete never will be.
    deadline: float = 600.0


@dataclass
class Account:
    """What became of it."""

    hosts: int
    completed: int
    expected_to_complete: int
    virtual_seconds: float
    #: Seconds from the start to the completion of each peer, ascending.
    completion_times: list[float]
    #: The seeder's upload by the payload's length.
    seeder_ratio: float
    #: Payload bytes that came more than once, by the payload's length times the peers.
    duplicate_ratio: float
    faults: dict[str, int]
    trace_sha256: str
    events: int
    violations: list[str] = field(default_factory=list)


def simulate(plan: Plan) -> Account:
    """Run *plan* to its end and check what must hold."""
    rng = random.Random(plan.seed)
    clock = Clock()
    trace = hashlib.sha256()
    original = rng.randbytes(plan.pieces * plan.piece_length)
    info = _info(original, plan.piece_length)
    registry = Registry((info.info_hash,), rng=random.Random(rng.getrandbits(64)))
    hosts: dict[str, Host] = {}

    def find(address: tuple[str, int]) -> Host | None:
        host = hosts.get(address[0])
        return host if host is not None and host.up else None

    link = Link(plan.rate, plan.latency)
    for number in range(plan.hosts + 1):
        name = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"

        def note(what: str, name: str = name) -> None:
            trace.update(f"{clock.now:.9f} {name} {what}\n".encode())

        disk = Disk(info, original, full=number == 0)
        hosts[name] = Host(
            name, clock, link, info, disk, registry, random.Random(rng.getrandbits(64)), find, note
        )
    seeder, *peers = hosts.values()
    seeder.start()
    for peer in peers:
        clock.call_later(rng.uniform(0.0, 0.5), peer.start)
    estimate = 1.0 + len(original) / plan.rate * 1.5
    injected = inject(plan.faults, plan.fault_count, clock, rng, peers, estimate)
    # A host may be complete before its fault strikes; the run is over only after the last of them.
    over = estimate * 1.2 + 6.0 if injected else 0.0
    clock.run(plan.deadline, lambda: clock.now >= over and all(p.completed_at is not None for p in peers))
    return _account(plan, clock, seeder, peers, dict(sorted(injected.items())), trace.hexdigest(), info)


def _account(
    plan: Plan, clock: Clock, seeder: Host, peers: list[Host], faults: dict[str, int], trace: str, info: Info
) -> Account:
    length = info.geometry.length
    times = sorted(peer.completed_at for peer in peers if peer.completed_at is not None)
    fetched = sum(peer.downloaded() for peer in peers)
    needed = sum(len(peer.disk.right) * plan.piece_length for peer in peers)
    account = Account(
        hosts=plan.hosts,
        completed=len(times),
        expected_to_complete=plan.hosts,
        virtual_seconds=clock.now,
        completion_times=times,
        seeder_ratio=seeder.session.bytes_uploaded / length,
        duplicate_ratio=(fetched - needed) / (length * plan.hosts),
        faults=faults,
        trace_sha256=trace,
        events=clock.count,
    )
    for peer in peers:
        missing = plan.pieces - len(peer.disk.right)
        if missing:
            account.violations.append(
                f"{peer.name} lacks {missing} pieces and every piece was to be had (I8)"
            )
    return account


def _info(original: bytes, piece_length: int) -> Info:
    builder = InfoBuilder(b"payload", piece_length, single_file=True)
    builder.begin_file((b"payload",), 0o644)
    builder.update(original)
    return builder.build()
