"""The production swarm on virtual time: its clock, links and disks, and that a seed is a run."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys

import pytest
from memory_swarm import torrent

from murder_fabric.bitfield import Bitfield
from murder_fabric.errors import StorageError
from murder_fabric.simulation import __main__ as program
from murder_fabric.simulation.checking import Watch
from murder_fabric.simulation.clock import Clock
from murder_fabric.simulation.disk import Disk
from murder_fabric.simulation.drawing import LONGEST, MOST_FAULTS, Plan, drawn
from murder_fabric.simulation.faults import FAULTS
from murder_fabric.simulation.hostile import Trickler
from murder_fabric.simulation.network import Downlink, Link, Network, Uplink
from murder_fabric.simulation.run import simulate
from murder_fabric.simulation.world import World

SMALL = {"hosts": 8, "pieces": 40}
#: What `--json` prints, whoever reads it.
KEYS = "seed hosts completed expected_to_complete faults violations trace_sha256 virtual_seconds"


class FakeHost:
    """All that the watch looks at of a host; it is its own disk."""

    def __init__(self, name, honest=True, lied=False):
        self.name, self.honest, self.ever_lied, self.disk = name, honest, lied, self


def run_module(*arguments, **environment):
    command = [sys.executable, "-m", "murder_fabric.simulation", *arguments]
    return subprocess.run(
        command, env={**os.environ, **environment}, check=False, capture_output=True, text=True
    )


# What a run is ----------------------------------------------------------------------------------------------


def test_everybody_completes_and_the_seeder_sends_little_more_than_one_copy():
    account = simulate(Plan(seed=1, hosts=16, pieces=150, slowest=6.25e6, fastest=6.25e6))

    assert account.violations == []
    assert account.completed == account.expected_to_complete == 16
    assert account.seeder_ratio < 1.2
    assert account.duplicate_ratio < 0.01
    ideal = 150 * 64 * 1024 / 6.25e6
    assert account.completion_times[-1] < 1.5 * ideal


def test_a_seed_is_a_run_in_another_process_too():
    traces = {
        json.loads(run_module("--json", "--seed=5", PYTHONHASHSEED=seed).stdout)["trace_sha256"]
        for seed in ("1", "2")
    }
    assert traces == {simulate(drawn(5)).trace_sha256}
    assert traces != {simulate(drawn(6)).trace_sha256}


def test_one_object_with_these_keys_is_printed():
    done = run_module("--hosts=3", "--pieces=4", "--seed=7", "--faults=restart,reset", "--json")

    account = json.loads(done.stdout)
    assert list(account) == KEYS.split()
    assert account["seed"] == 7
    assert account["hosts"] == account["completed"] == account["expected_to_complete"] == 3
    assert account["faults"] == {"reset": 1, "restart": 1}
    assert done.returncode == 0


def test_people_get_percentiles_the_seeders_part_and_what_struck():
    done = run_module("--hosts=3", "--pieces=4", "--faults=reset", "--rate=50")

    assert done.returncode == 0
    for word in ("3 of 3", "p50", "p99", "x the payload", "twice", "1 reset", "trace"):
        assert word in done.stdout


def test_people_are_told_who_cannot_complete_and_which_fault_found_nobody():
    done = run_module("--hosts=3", "--pieces=4", "--faults=seeder-lost,seeder-moves")
    everybody = r"complete   0 of 0 that can, of 3\nlost       10\.0\.0\.1, 10\.0\.0\.2, 10\.0\.0\.3  "
    assert re.search(f"^{everybody}", done.stdout, re.MULTILINE), done.stdout
    assert "\nspared     1 seeder-moves: nobody was there" in done.stdout


@pytest.mark.parametrize(
    "argument",
    [
        "--faults=earthquake",
        "--faults=",
        "--hosts=0",
        "--pieces=-1",
        "--rate=0",
        "--rate=nan",
        "--seed=x",
        "--seeds=0",
    ],
)
def test_what_cannot_be_meant_is_refused_in_a_sentence(argument):
    done = run_module(argument)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert argument.partition("=")[0] in done.stderr


def test_ctrl_c_ends_it_with_a_sentence(monkeypatch, capsys):
    def interrupted(plan):
        if plan.seed == 9:
            raise KeyboardInterrupt
        return simulate(plan)

    monkeypatch.setattr(program, "simulate", interrupted)
    monkeypatch.setattr(sys, "argv", ["", "--seed=8", "--seeds=5", "--hosts=2", "--pieces=1"])
    assert program.main() == 130
    assert capsys.readouterr() == ("", "interrupted at seed 9; 1 ran before, 0 with violations\n")


# That what must not be is seen ------------------------------------------------------------------------------


def test_a_seeder_that_is_lost_too_early_is_a_reason_and_no_violation():
    world = World(Plan(seed=1, slowest=1e5, fastest=1e5, **SMALL))
    world.clock.call_later(1.0, FAULTS["seeder-lost"].strike, world, 0.0)
    world.run()

    assert world.watch.violations == []
    assert all(peer.verified_at is None for peer in world.peers)
    assert all("of 40 pieces are missing" in peer.failure for peer in world.peers)


def cut_for_good(world, peer):
    """Nobody reaches *peer*, and nothing that was injected is to blame."""
    world.network.block(world.names(), [peer.name])
    return peer


def test_giving_up_without_need_is_a_violation():
    world = World(Plan(seed=1, hosts=2, pieces=4))
    alone = cut_for_good(world, world.peers[1])
    world.run()

    assert world.watch.violations[0].startswith(f"I8: {alone.name} gives up")


def test_hanging_is_a_violation(monkeypatch):
    monkeypatch.setattr("murder_fabric.policy.stalling.Stall.is_over", lambda self, count, now: False)
    world = World(Plan(seed=1, hosts=2, pieces=4))
    alone = cut_for_good(world, world.peers[1])
    world.run()

    (violation,) = world.watch.violations
    assert violation.startswith(f"I4: {alone.name} hangs: 0 of 4 pieces")


def test_who_is_left_with_a_trickle_alone_ends_soon_and_names_who_it_comes_from():
    """Seed 515: however short its blocks are, what a trickler sends is a few bytes on each connection."""
    world = World(Plan(seed=1, hosts=1, pieces=4, piece_length=1024))
    world.clock.call_later(0.0, FAULTS["seeder-lost"].strike, world, 0.0)
    world.join(Trickler)
    world.run()

    (peer,), (trickler,) = world.peers, world.hostile
    assert world.watch.violations == []
    assert 30 < peer.downloaded < 90
    assert re.search(r"only [1-9] new bytes came in 6", peer.failure)
    assert f"from 1 connected peer ({trickler.name})" in peer.failure
    assert world.finished_at < 65


def test_what_became_right_by_chance_is_nothing_that_a_host_has():
    """Seed 3958: a corrupter's block whose wrong byte a trickler mended. Who does not know cannot give it."""
    world = World(Plan(seed=1, hosts=1, pieces=1, piece_length=1024))
    (peer,) = world.peers
    peer.disk.write(0, 0, memoryview(world.seeder.disk.read(0, 0, 1024)))

    assert peer.disk.right() == {0}
    assert not world.can_complete(peer)
    peer.had.add(0)
    assert world.can_complete(peer)


def test_a_wrong_piece_that_counts_as_right_is_a_violation(monkeypatch):
    monkeypatch.setattr("murder_fabric.swarm.download.Download._is_right", lambda self, assembly: True)
    account = simulate(Plan(seed=2, faults=("corrupter", "corrupter"), slowest=1e6, fastest=1e6, **SMALL))
    assert any(violation.startswith("I2") for violation in account.violations)


def test_fetching_again_what_is_there_is_a_violation(monkeypatch):
    plan = Plan(seed=2, faults=("restart",) * 4, slowest=1e6, fastest=1e6, **SMALL)
    monkeypatch.setattr(
        "murder_fabric.simulation.host.Host.resumed",
        lambda self: Bitfield.full(40) if self.super_seed else Bitfield(40),
    )
    assert any(violation.startswith("I7") for violation in simulate(plan).violations)


@pytest.mark.parametrize(
    ("honest", "lied", "blamed"), [(True, False, True), (True, True, False), (False, False, False)]
)
def test_blaming_who_did_nothing_is_a_violation(honest, lied, blamed):
    watch = Watch(Clock(), lambda host: True)
    host, other = FakeHost("a"), FakeHost("b", honest=honest, lied=lied)
    watch.hung_up(host, other, "banned: 2 of its pieces did not match their hashes")
    watch.broke_the_rules(host, other, "banned: it sent wrong pieces, or too many messages, before")
    assert len(watch.violations) == 2 * blamed


def test_two_connections_that_cross_are_nobodys_fault():
    watch = Watch(Clock(), lambda host: True)
    watch.broke_the_rules(FakeHost("a"), FakeHost("b"), "connected to ourselves")
    assert watch.violations == []


# What a seed draws ------------------------------------------------------------------------------------------


def test_plans_are_spread_as_far_as_they_are_said_to_be():
    plans = [drawn(seed) for seed in range(2000)]
    assert (min(plan.hosts for plan in plans), max(plan.hosts for plan in plans)) == (2, 60)
    assert (min(plan.pieces for plan in plans), max(plan.pieces for plan in plans)) == (1, 400)
    assert max(plan.length for plan in plans) <= LONGEST
    assert min(plan.length for plan in plans) == 1
    assert max(plan.slowest for plan in plans) / min(plan.slowest for plan in plans) > 900
    assert {len(plan.faults) for plan in plans} == set(range(MOST_FAULTS + 1))


def test_plans_draw_every_kind_of_fault_often_enough():
    """Of 10,000 seeds each kind is in a hundred at the least; some in many."""
    plans = [drawn(seed) for seed in range(2000)]

    def share(*names):
        return sum(any(name in plan.faults for name in names) for plan in plans) / len(plans)

    assert min(share(name) for name in FAULTS) > 0.1
    assert share("swizzle-clog") > 0.3
    assert share("restart") > 0.2
    assert share("corrupter", "liar", "mute", "trickler", "rude", "flooder", "stranger") > 0.2
    assert share("impostor", "shape-shifter") > 0.2
    assert share("disk-full", "write-error", "bit-rot", "slow-disk") > 0.1
    assert 0.03 < sum(not plan.faults for plan in plans) / len(plans) < 0.07


# What it is made of -----------------------------------------------------------------------------------------


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


def test_a_downlink_takes_no_more_than_its_rate_and_from_each_in_turn():
    clock, came = Clock(), []
    downlink = Downlink(clock, Link(rate=1e6, latency=0.0))
    one, other = (lambda part, name=name: came.append((name, clock.now)) for name in ("one", "other"))
    for take in (one, one, one, other):
        downlink.arrive(bytes(100_000), take)
    clock.run(10.0, lambda: False)
    assert [name for name, _ in came] == ["one", "one", "other", "one"]
    assert [at for _, at in came] == pytest.approx([0.1, 0.2, 0.3, 0.4])


def test_a_rule_loses_one_direction_until_it_is_healed():
    clock, healed = Clock(), []
    network = Network(clock, healed.append)
    clock.now = 3.0
    rule = network.block(["a"], ["b", "c"])
    assert not network.passes("a", "b")
    assert network.passes("b", "a")
    assert network.silent_since("b", "a") == network.silent_since("a", "c") == 3.0
    assert network.silent_since("b", "c") is None
    network.heal(rule)
    assert network.passes("a", "b")
    assert healed == [["a"]]


def test_a_rule_may_lose_only_what_opens_a_connection():
    network = Network(Clock(), lambda names: None)
    network.block(["a"], ["b"], only_new=True)
    assert network.passes("a", "b")
    assert not network.passes("a", "b", new=True)
    assert network.silent_since("a", "b") is None


@pytest.fixture
def disk():
    """Return the disk of a peer that has the first two of three pieces."""
    world = World(Plan(seed=1, hosts=1, pieces=3, piece_length=1024))
    disk = world.peers[0].disk
    for index in (0, 1):
        disk.write(index, 0, memoryview(world.seeder.disk.read(index, 0, 1024)))
    return disk


def test_a_disk_has_what_is_right_and_only_that(disk):
    disk.write(2, 0, memoryview(bytes(1024)))
    assert disk.check() == {0, 1}


def test_a_flipped_bit_is_read_until_somebody_checks(disk):
    before = disk.read(0, 0, 1024)
    disk.rot(0)
    assert disk.read(0, 0, 1024) != before
    assert disk.lied
    assert disk.check() == {1}


def test_a_power_cut_takes_some_of_what_was_not_synced(disk):
    disk.power_cut(random.Random(4))
    assert disk.check() < {0, 1}


def test_what_was_synced_outlives_a_power_cut(disk):
    disk.sync()
    for seed in range(20):
        disk.power_cut(random.Random(seed))
    assert disk.check() == {0, 1}


def test_a_full_disk_takes_no_more_than_it_has_room_for(disk):
    disk.room = 1000
    disk.write(2, 0, memoryview(bytes(1000)))
    with pytest.raises(StorageError, match="No space left"):
        disk.write(2, 1000, memoryview(bytes(24)))


def test_a_part_that_is_written_again_leaves_the_rest_of_a_right_piece_as_it_is():
    """Seed 341: a second part came after somebody had looked, and found the piece right already."""
    info, payload = torrent(pieces=2)
    disk = Disk(info, payload, full=True)
    disk.write(0, 0, memoryview(payload[:10]))
    size = info.geometry.piece_size(0)
    disk.write(0, size - 10, memoryview(payload[size - 10 : size]))
    assert disk.holds(0)
    disk.write(0, 0, memoryview(b"\0" * 10))
    assert not disk.holds(0)
