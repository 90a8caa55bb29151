"""What can go wrong in a simulated run: drawn from the seed, injected at its time, counted."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence

from .clock import Clock
from .host import Host


def restart(clock: Clock, rng: random.Random, hosts: Sequence[Host], estimate: float) -> None:
    """A peer is killed in the middle and comes back with its disk (faults of death and restart)."""
    host = rng.choice(hosts)
    at = rng.uniform(0.05, 0.9) * estimate

    def kill() -> None:
        if host.up:
            host.die()
            clock.call_later(rng.uniform(0.1, 5.0), host.start)

    clock.call_later(at, kill)


def reset(clock: Clock, rng: random.Random, hosts: Sequence[Host], estimate: float) -> None:
    """A few connections are reset (faults of the network)."""

    def cut() -> None:
        ends = [end for host in hosts if host.up for end in host.ends]
        for end in rng.sample(ends, min(5, len(ends))):
            end.close("reset")

    clock.call_later(rng.uniform(0.05, 0.9) * estimate, cut)


def late(clock: Clock, rng: random.Random, hosts: Sequence[Host], estimate: float) -> None:
    """A peer goes at once and joins when the others are nearly done."""
    host = rng.choice(hosts)

    def leave() -> None:
        if host.up:
            host.die()

    def join() -> None:
        if not host.up:
            host.start()

    clock.call_later(0.001, leave)
    clock.call_later(rng.uniform(0.7, 1.2) * estimate, join)


Fault = Callable[[Clock, random.Random, Sequence[Host], float], None]
FAULTS: dict[str, Fault] = {"restart": restart, "reset": reset, "late": late}


def inject(
    names: Sequence[str],
    count: int,
    clock: Clock,
    rng: random.Random,
    hosts: Sequence[Host],
    estimate: float,
) -> Counter[str]:
    """Plan *count* faults of the kinds *names* within *estimate* seconds; return how many of each."""
    injected: Counter[str] = Counter()
    for _ in range(count if names else 0):
        name = rng.choice(list(names))
        FAULTS[name](clock, rng, hosts, estimate)
        injected[name] += 1
    return injected
