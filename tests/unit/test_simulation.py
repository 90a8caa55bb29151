"""The production swarm on virtual time: it completes, cheaply, and the same again for the same seed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter

import pytest

from murder_fabric.simulation.clock import Clock
from murder_fabric.simulation.faults import FAULTS
from murder_fabric.simulation.network import Downlink, Link, Uplink
from murder_fabric.simulation.run import Plan, simulate

SMALL = {"hosts": 8, "pieces": 40}


def test_everybody_completes_and_the_seeder_sends_little_more_than_one_copy():
    account = simulate(Plan(seed=1, hosts=16, pieces=200, rate=6.25e6))

    assert account.violations == []
    assert account.completed == 16
    assert account.seeder_ratio < 1.2
    assert account.duplicate_ratio < 0.01
    ideal = 200 * 64 * 1024 / 6.25e6
    assert account.completion_times[-1] < 1.5 * ideal


@pytest.mark.parametrize("seed", range(6))
def test_faults_delay_a_swarm_and_do_not_break_it(seed):
    account = simulate(Plan(seed=seed, faults=tuple(FAULTS), **SMALL))

    assert account.violations == []
    assert sum(account.faults.values()) == Plan.fault_count


def test_the_generator_draws_every_fault():
    seen: Counter[str] = Counter()
    for seed in range(6):
        seen.update(simulate(Plan(seed=seed, faults=tuple(FAULTS), hosts=4, pieces=8)).faults)
    assert set(seen) == set(FAULTS)


def test_a_seed_is_a_run_in_another_process_too():
    command = [sys.executable, "-m", "murder_fabric.simulation", "--json", "--faults=all", "--seed=5"]
    command += ["--hosts=8", "--pieces=40"]
    traces = {
        json.loads(
            subprocess.run(
                command, env={**os.environ, "PYTHONHASHSEED": seed}, check=True, capture_output=True
            ).stdout
        )["trace_sha256"]
        for seed in ("1", "2")
    }
    assert traces == {simulate(Plan(5, faults=tuple(FAULTS), **SMALL)).trace_sha256}
    assert traces != {simulate(Plan(6, faults=tuple(FAULTS), **SMALL)).trace_sha256}


def test_whoever_cannot_complete_is_a_violation():
    account = simulate(Plan(seed=1, deadline=0.2, **SMALL))

    assert account.completed == 0
    assert len(account.violations) == 8


def test_calls_of_one_moment_keep_their_order():
    clock, made = Clock(), []
    clock.call_later(2.0, made.append, "late")
    clock.call_later(1.0, made.append, "first")
    clock.call_later(1.0, made.append, "second")
    clock.run(10.0, lambda: False)
    assert made == ["first", "second", "late"]
    assert clock.now == 2.0


class Bulk:
    def __init__(self, length: int) -> None:
        self.left = length

    def next_part(self, most: int) -> bytes:
        part = bytes(min(most, self.left))
        self.left -= len(part)
        return part


def test_connections_share_an_uplink_fairly():
    clock = Clock()
    uplink, finished = Uplink(clock, Link(rate=1e6, latency=0.0)), {}
    for name, length in (("short", 100_000), ("long", 300_000)):
        bulk = Bulk(length)
        uplink.ready(bulk, lambda part, n=name, b=bulk: b.left or finished.setdefault(n, clock.now))
    clock.run(10.0, lambda: False)
    assert finished["short"] == pytest.approx(0.2, rel=0.1)
    assert finished["long"] == pytest.approx(0.4, rel=0.01)


def test_a_downlink_takes_no_more_than_its_rate():
    clock, came = Clock(), []
    downlink = Downlink(clock, Link(rate=1e6, latency=0.0))
    for _ in range(4):
        downlink.arrive(0.01, bytes(100_000), lambda part: came.append(clock.now))
    clock.run(10.0, lambda: False)
    assert came == pytest.approx([0.11, 0.21, 0.31, 0.41])
