"""One simulated run: a plan becomes a world, and an account of what it came to."""

from __future__ import annotations

from dataclasses import dataclass

from .drawing import Plan
from .world import World


@dataclass(frozen=True)
class Account:
    """What became of a run."""

    hosts: int
    completed: int
    #: Those that completed, and those that nothing kept from it.
    expected_to_complete: int
    #: Names of the others: faults took from them for good what they needed.
    lost: list[str]
    #: How often each kind of fault really struck.
    faults: dict[str, int]
    violations: list[str]
    trace_sha256: str
    virtual_seconds: float
    #: Seconds from the start to the completion of each peer, ascending.
    completion_times: list[float]
    #: The seeder's upload by the payload's length.
    seeder_ratio: float
    #: Payload bytes that came more than once, or wrong, by those that were to come.
    duplicate_ratio: float
    events: int


def simulate(plan: Plan) -> Account:
    """Run *plan* to its end, and check what must hold."""
    world = World(plan)
    world.run()
    return account_of(world)


def account_of(world: World) -> Account:
    """Return what became of *world*, which has ended."""
    plan = world.plan
    times = sorted(peer.verified_at for peer in world.peers if peer.verified_at is not None)
    fetched = sum(peer.downloaded for peer in world.peers)
    verified = world.watch.verified_count * plan.length / plan.pieces
    return Account(
        hosts=plan.hosts,
        completed=len(times),
        expected_to_complete=sum(peer.verified_at is not None or not peer.lost for peer in world.peers),
        lost=[peer.name for peer in world.peers if peer.verified_at is None and peer.lost],
        faults=dict(sorted(world.struck.items())),
        violations=world.watch.violations,
        trace_sha256=world.watch.trace_sha256,
        virtual_seconds=round(world.finished_at, 6),
        completion_times=times,
        seeder_ratio=world.seeder.uploaded / plan.length,
        duplicate_ratio=max(0.0, fetched / verified - 1) if verified else 0.0,
        events=world.clock.count,
    )
