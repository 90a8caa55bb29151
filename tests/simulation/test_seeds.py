"""Swarms drawn from seeds, up to a dozen faults each: nothing is lost, nobody hangs, nobody is wronged."""

from __future__ import annotations

from collections import Counter
from itertools import count, islice

import pytest

from murder_fabric.simulation.drawing import drawn
from murder_fabric.simulation.faults import FAULTS
from murder_fabric.simulation.run import simulate

#: How many are run here; `./dev simulate --seeds 10000` is the long run.
SEEDS = 60
#: Hosts squared times pieces, to which the time of a run is about proportional: those beyond are left to the
#: long run.
SMALL_ENOUGH = 3_000


@pytest.fixture(scope="module")
def accounts():
    """Return the seeds that were run and what came of them."""
    seeds = (seed for seed in count(1) if drawn(seed).hosts ** 2 * drawn(seed).pieces <= SMALL_ENOUGH)
    return {seed: simulate(drawn(seed)) for seed in islice(seeds, SEEDS)}


def test_as_many_seeds_ran_as_were_to_run(accounts):
    assert len(accounts) == SEEDS
    assert len({account.trace_sha256 for account in accounts.values()}) == SEEDS


def test_no_seed_breaks_anything(accounts):
    """A seed that does is run again by `python -m murder_fabric.simulation --seed N`."""
    assert {seed: one.violations for seed, one in accounts.items() if one.violations} == {}


def test_whoever_could_complete_has(accounts):
    assert [seed for seed, one in accounts.items() if one.completed != one.expected_to_complete] == []
    assert sum(one.completed for one in accounts.values()) > 0.9 * sum(one.hosts for one in accounts.values())


def test_every_kind_of_fault_struck_about_as_often_as_it_was_drawn(accounts):
    struck: Counter[str] = Counter()
    planned: Counter[str] = Counter()
    for seed, one in accounts.items():
        struck.update(one.faults)
        planned.update(drawn(seed).faults)
    assert set(struck) == set(FAULTS)
    assert all(struck[name] <= planned[name] for name in FAULTS)
    assert sum(struck.values()) > 0.9 * sum(planned.values())
