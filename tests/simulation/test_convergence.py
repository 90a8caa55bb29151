"""How much longer a swarm takes when one thing goes wrong, on virtual time (docs/reliability.md)."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import lru_cache
from statistics import mean

import pytest

from murder_fabric.simulation.disk_faults import SLOW
from murder_fabric.simulation.drawing import Plan
from murder_fabric.simulation.faults import FAULTS
from murder_fabric.simulation.host_faults import EFFORT
from murder_fabric.simulation.hostile import (
    Corrupter,
    Crowder,
    Flooder,
    Impostor,
    Mute,
    ShapeShifter,
    Trickler,
)
from murder_fabric.simulation.run import simulate
from murder_fabric.simulation.world import World

#: Twelve hosts at 20 Mbit/s and 6 MiB; two and a half seconds are ideal.
PLAN = Plan(seed=11, hosts=12, pieces=100, slowest=2.5e6, fastest=2.5e6)


def world_with(*events, plan=PLAN):
    """Return a world that has run, where each of *events* (seconds, a call with the world) happened."""
    world = World(plan)
    for at, happen in events:
        world.clock.call_later(at, happen, world)
    world.run()
    assert world.watch.violations == []
    return world


def last(world, *but):
    """Return when the last peer was complete, *but* these."""
    times = {peer.name: peer.verified_at for peer in world.peers if peer not in but}
    assert None not in times.values()
    return max(times.values())


@lru_cache
def undisturbed(seed=PLAN.seed):
    """Return T0: when the last one is complete where nothing goes wrong."""
    return last(world_with(plan=replace(PLAN, seed=seed)))


def strike(name):
    return lambda world: FAULTS[name].strike(world, 0.0)


def test_an_undisturbed_swarm_is_near_the_ideal():
    assert undisturbed() < 1.5 * PLAN.length / PLAN.slowest


def test_fifty_hosts_take_half_as_long_again_as_the_link_alone_where_there_are_many_pieces():
    """Until each has something to give takes as long with few pieces, and that is most of their time."""
    plan = replace(PLAN, hosts=50, pieces=400, piece_length=1 << 14)
    assert last(world_with(plan=plan)) < 1.5 * plan.length / plan.slowest


@pytest.mark.parametrize(("hosts", "piece_length"), [(1, 1 << 16), (1, 1 << 18), (3, 1 << 16)])
def test_a_round_trip_of_a_tenth_of_a_second_costs_seconds_at_the_start(hosts, piece_length):
    near = Plan(
        seed=5,
        hosts=hosts,
        pieces=(16 << 20) // piece_length,
        piece_length=piece_length,
        slowest=4e6,
        fastest=4e6,
    )
    far = replace(near, latency=0.025)  # two ways to the middle and two back
    assert last(world_with(plan=far)) < last(world_with(plan=near)) + 4.0


def test_on_links_far_below_a_megabit_nobody_is_taken_for_dead_though_a_piece_takes_a_minute():
    """What we ask waits behind a block of ours, and that behind those to others."""
    reasons = Counter()

    def listen(world):
        told = world.watch.hung_up
        world.watch.hung_up = lambda one, other, why: (reasons.update([why]), told(one, other, why))

    plan = Plan(seed=1, hosts=3, pieces=2, piece_length=1 << 19, slowest=8e3, fastest=8e3, latency=0.02)
    world = world_with((0.0, listen), plan=plan)
    assert last(world) < 5 * plan.length / plan.slowest
    assert reasons["it does not answer"] == 0
    assert reasons["both have everything"] > 0


@pytest.mark.parametrize("name", FAULTS)
def test_each_kind_of_fault_strikes_and_breaks_nothing(name):
    account = simulate(Plan(seed=3, hosts=6, pieces=30, slowest=1e6, fastest=4e6, faults=(name,)))

    assert account.violations == []
    assert account.faults == {name: 1}
    assert account.completed == account.expected_to_complete
    assert account.completed >= 5 or name == "seeder-lost"


def test_a_tracker_that_dies_costs_a_tenth_at_the_most():
    """Row 7."""

    def die(world):
        world.tracker.up = False

    assert last(world_with((undisturbed() / 2, die))) < 1.1 * undisturbed()


def test_a_seeder_that_dies_after_one_copy_costs_a_third_at_the_most():
    """Row 5."""

    def look(world):
        if FAULTS["seeder-dies-after-one-copy"].strike(world, 0.0) is None:
            world.clock.call_later(0.05, look, world)

    world = world_with((0.1, look))
    assert world.seeder.lost
    assert last(world) < 1.3 * undisturbed()


def test_a_straggler_is_alone_with_it():
    """Row 21."""

    def slow(world):
        world.peers[3].link.rate = 32_000

    world = world_with((0.0, slow))
    assert last(world, world.peers[3]) < 1.15 * undisturbed()
    assert world.peers[3].verified_at > 10 * undisturbed()


def write_slowly(host):
    host.disk.rate = SLOW


def starve(host):
    host.effort = EFFORT


@pytest.mark.parametrize(("suffer", "own"), [(write_slowly, 2), (starve, 1.04)])
def test_a_host_with_a_slow_disk_or_little_processor_is_alone_with_it(suffer, own):
    """Rows 40 and 87: 1.15 is held on the average; which pieces that host is shown first is chance."""
    others = []
    for seed in range(11, 19):
        world = world_with((0.0, lambda world: suffer(world.peers[3])), plan=replace(PLAN, seed=seed))
        assert world.peers[3].verified_at > own * undisturbed(seed)
        others.append(last(world, world.peers[3]) / undisturbed(seed))
    assert mean(others) < 1.15, others
    assert max(others) < 1.35, others


@pytest.mark.parametrize(
    ("kind", "most"),
    [
        (Trickler, 1.15),
        (Corrupter, 1.1),
        (Impostor, 1.1),
        (ShapeShifter, 1.1),
        (Mute, 1.15),
        (Flooder, 1.15),
        (Crowder, 1.1),
    ],
)
def test_a_hostile_peer_among_a_dozen_costs_little(kind, most):
    """Rows 22, 43, 46, 51 and 55."""
    assert last(world_with((0.0, lambda world: world.join(kind)))) < most * undisturbed()


def test_three_of_twenty_that_corrupt_what_they_send_cost_half_as_much_again_at_the_most():
    """Row 45, beside what twelve take in peace; within 20 s each of the others has banned all three."""
    banned = {}

    def collude(world):
        for _ in range(3):
            world.join(Corrupter)
        told = world.watch.hung_up

        def hung_up(one, other, why):
            told(one, other, why)
            if why.startswith("banned"):
                banned.setdefault((one.name, other.name), world.clock.now)

        world.watch.hung_up = hung_up

    world = world_with((0.0, collude), plan=replace(PLAN, hosts=17))
    assert last(world) < 1.5 * undisturbed()
    assert set(banned) == {(peer.name, liar.name) for peer in world.peers for liar in world.hostile}
    assert max(banned.values()) < 20


def test_a_minute_after_the_last_way_is_free_again_everybody_has_all():
    """Row 27, for five swarms of which hosts are cut off and let in again thrice, in any order."""
    late = []
    for seed in range(1, 6):
        clogs = ("swizzle-clog",) * 3
        world = world_with(plan=Plan(seed=seed, hosts=6, pieces=20, slowest=1e5, fastest=4e5, faults=clogs))
        assert world.struck["swizzle-clog"] == 3
        late.append(last(world) - world.watch.calm_since)
    assert max(late) < 60, late
    assert max(late) > 0, late  # somebody was still at it


def test_a_peer_that_hangs_or_is_cut_off_holds_nobody_up():
    """Rows 10 and 14; it completes itself soon after."""

    def hang(world):
        world.peers[3].freeze(20)

    def cut(world):
        names = [name for name in world.names() if name != world.peers[4].name]
        rules = [
            world.network.block(names, [world.peers[4].name]),
            world.network.block([world.peers[4].name], names),
        ]
        world.trouble(20, lambda: [world.network.heal(rule) for rule in rules])

    began = undisturbed() / 2
    world = world_with((began, hang), (began, cut))
    assert last(world, *world.peers[3:5]) < 1.15 * undisturbed()
    assert last(world) < began + 20 + 15 + undisturbed()


def test_peers_that_are_there_first_begin_soon_after_the_tracker():
    """Row 8: within five seconds, as whoever is short of peers asks every four, give or take a tenth."""
    world = World(PLAN)
    world.tracker.up = False
    began = []

    def up():
        world.tracker.up = True

    for at in (12.0, 17.0):
        world.clock.call_later(at, lambda: began.append(sum(peer.downloaded > 0 for peer in world.peers)))
    world.clock.call_later(12.0, up)
    world.run()
    assert world.watch.violations == []
    assert began == [0, len(world.peers)]


def test_who_joins_after_the_tracker_forgot_everybody_finds_peers_in_time():
    """Row 9."""
    found = []
    plan = Plan(seed=11, hosts=12, pieces=40, slowest=2e5, fastest=2e5)
    late = World(plan).peers[5].name

    def forget(world):
        world.tracker.restart()
        (host,) = (peer for peer in world.peers if peer.name == late)
        host.die()
        host.disk.power_cut(world.rng)
        world.clock.call_later(0.1, host.start)
        world.clock.call_later(10.1, lambda: found.append(len(host.session.trusted_peers)))

    world_with((5.0, forget), plan=plan)
    assert found[0] >= 4
