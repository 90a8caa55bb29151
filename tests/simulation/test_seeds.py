"""Swarms drawn from seeds, up to a dozen faults each: nothing is lost, nobody hangs, nobody is wronged."""

from __future__ import annotations

from collections import Counter
from itertools import count, islice

import pytest

from murder_fabric.simulation.drawing import drawn
from murder_fabric.simulation.faults import FAULTS
from murder_fabric.simulation.run import simulate

#: How many are run here; `./dev simulate --seeds 10000` is the long run.
SEEDS = 500
#: And in one test: tests run side by side.
TOGETHER = 25
#: Hosts squared times pieces, to which the time of a run is about proportional: those beyond are left to the
#: long run.
SMALL_ENOUGH = 3_000
ALL = [*islice((s for s in count(1) if drawn(s).hosts ** 2 * drawn(s).pieces <= SMALL_ENOUGH), SEEDS)]
LOTS = [ALL[start : start + TOGETHER] for start in range(0, SEEDS, TOGETHER)]


def planned(seeds):
    """Return how often each kind of fault is drawn by *seeds*."""
    return Counter(name for seed in seeds for name in drawn(seed).faults)


def fewest(seeds):
    """Return how often each kind strikes at the least: a seeder that is gone, say, cannot die as well."""
    return {name: times // 3 for name, times in planned(seeds).items()}


@pytest.mark.parametrize("seeds", LOTS, ids=lambda seeds: f"{seeds[0]}-{seeds[-1]}")
def test_no_seed_breaks_anything(seeds):
    """A seed that does is run again by `python -m murder_fabric.simulation --seed N`."""
    accounts = {seed: simulate(drawn(seed)) for seed in seeds}

    assert {seed: one.violations for seed, one in accounts.items() if one.violations} == {}
    assert [seed for seed, one in accounts.items() if one.completed != one.expected_to_complete] == []
    assert len({one.trace_sha256 for one in accounts.values()}) == TOGETHER
    assert sum(one.completed for one in accounts.values()) > 0.8 * sum(one.hosts for one in accounts.values())

    struck = sum((Counter(one.faults) for one in accounts.values()), Counter())
    assert {name: struck[name] for name, least in fewest(seeds).items() if struck[name] < least} == {}
    assert struck - planned(seeds) == Counter()
    assert sum(struck.values()) > 0.9 * sum(planned(seeds).values())


def test_as_many_seeds_run_as_are_to_run_and_every_kind_of_fault_strikes():
    """What each lot is held to, added up: no kind is left out by all of them."""
    assert sorted({seed for lot in LOTS for seed in lot}) == ALL
    assert sum(map(len, LOTS)) == len(ALL) == SEEDS
    struck = sum((Counter(fewest(lot)) for lot in LOTS), Counter())
    assert set(struck) == set(FAULTS)
    assert min(struck.values()) >= 10
