"""What is simulated, and how a seed draws it."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from .faults import FAULTS

#: Bytes of the largest payload that is drawn, and bytes a second of the slowest link: on that one the whole
#: payload takes two minutes.
LONGEST, SLOWEST, FASTEST = 4 << 20, 32e3, 32e6
#: Faults of one run at the most, and the share of the runs without any.
MOST_FAULTS, FAULTLESS = 12, 0.05
#: Kinds that are drawn twice as often as the others.
OFTEN = ("restart", "swizzle-clog", "swizzle-clog")
#: Kinds that are drawn apart, and the share of runs that may get one of them: seeds without mean what they
#: meant before there were any.
APART, APART_SHARE = ("impostor", "shape-shifter"), 0.3
#: One that came after those, drawn apart from them.
CROWDER, CROWDER_SHARE = "crowder", 0.15


@dataclass(frozen=True)
class Plan:
    """What is simulated: counts, bytes, bytes a second, seconds."""

    seed: int
    #: Peers, beside the one seeder.
    hosts: int = 60
    pieces: int = 64
    piece_length: int = 64 * 1024
    #: Bytes that the last piece is shorter than the others.
    short: int = 0
    #: Between these each link's rate is drawn, log-uniform.
    slowest: float = 12.5e6
    fastest: float = 12.5e6
    latency: float = 0.0005
    #: Names of `faults.FAULTS`, one for each fault that is injected.
    faults: tuple[str, ...] = ()

    @property
    def length(self) -> int:
        """Bytes of the payload."""
        return self.pieces * self.piece_length - self.short


def drawn(seed: int) -> Plan:
    """Return the plan of *seed*."""
    rng = random.Random(f"plan {seed}")
    pieces = _log_uniform(rng, 1, 400)
    lengths = [1024 << step for step in range(6) if pieces * (1024 << step) <= LONGEST]
    piece_length = rng.choice(lengths)
    count = 0 if rng.random() < FAULTLESS else rng.randint(1, MOST_FAULTS)
    slowest = SLOWEST * 10 ** rng.uniform(0, 3)
    return Plan(
        seed=seed,
        hosts=_log_uniform(rng, 2, 60),
        pieces=pieces,
        piece_length=piece_length,
        short=rng.choice((0, 1, rng.randrange(piece_length), piece_length - 1)),
        slowest=slowest,
        fastest=slowest * (FASTEST / slowest) ** rng.random(),
        latency=10 ** rng.uniform(-4, -2),
        faults=tuple(rng.choice([*_TOGETHER, *OFTEN]) for _ in range(count)) + _apart(seed, count),
    )


_TOGETHER = [name for name in FAULTS if name not in (*APART, CROWDER)]


def _apart(seed: int, count: int) -> tuple[str, ...]:
    """Return what is drawn beside the *count* faults of others, which may be nothing; there is no 13th."""
    rng = random.Random(f"apart {seed}")
    found = [rng.choice(APART)] if 0 < count < MOST_FAULTS and rng.random() < APART_SHARE else []
    rng = random.Random(f"crowder {seed}")
    if 0 < count < MOST_FAULTS - len(found) and rng.random() < CROWDER_SHARE:
        found.append(CROWDER)
    return tuple(found)


def _log_uniform(rng: random.Random, least: int, most: int) -> int:
    return min(most, int(math.exp(rng.uniform(math.log(least), math.log(most + 1)))))
