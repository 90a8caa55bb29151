"""Rows 3 to 29 and 84 to 91: what happens to processes and their network while a swarm is under way."""

from __future__ import annotations

import re
import signal
import time

import pytest
from extent import long
from swarm import (
    CANDID,
    CLONE,
    PEERS,
    SEEDER,
    TRACKER,
    Firewall,
    Swarm,
    cut,
    detour,
    group,
    pause,
    slow_intake,
)

from lab import machine, rig

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(rig.missing() is not None, reason=str(rig.missing())),
]

#: Seconds that a busy machine may add to what is timed.
BUSY = 2.0


def timed(swarm: Swarm) -> float:
    """Return the seconds from the first byte that a peer has until all have all."""
    swarm.start_tracker()
    swarm.start_seeder()
    for host in PEERS:
        swarm.start_peer(host)
    swarm.wait_for_bytes(PEERS[0], 1)
    began = time.monotonic()
    swarm.must_complete(patience=180)
    return time.monotonic() - began


@long
def test_row_7_the_tracker_dies_and_those_who_are_connected_finish(swarm):
    swarm.tracker.kill()
    swarm.must_complete()
    assert all(peer.process.poll() is None for peer in swarm.peers.values())


@long
def test_row_9_a_tracker_that_forgot_everybody_is_told_again(swarm):
    swarm.tracker.kill()
    swarm.start_tracker(swarm.tracker_port)
    late = swarm.start_peer("web6")
    late.event("progress", lambda said: said["peers"] >= 1, timeout=20)
    swarm.must_complete()


def test_row_10_a_peer_that_hangs_holds_nobody_up_and_goes_on_when_it_wakes(swarm):
    hung, *others = PEERS
    swarm.peers[hung].process.send_signal(signal.SIGSTOP)
    try:
        swarm.must_complete(*others)
    finally:
        swarm.peers[hung].process.send_signal(signal.SIGCONT)
    swarm.must_complete(hung)


@long
def test_row_14_a_peer_that_is_cut_off_goes_on_when_the_way_is_free(swarm):
    away, *others = PEERS
    walls = cut(swarm.lab, away, [TRACKER, SEEDER, *others])
    swarm.must_complete(*others)
    pause(15)  # longer than any connection lives without an answer
    assert swarm.bytes_of(away) < swarm.info.geometry.length
    for wall in walls:
        wall.open()
    swarm.must_complete(away)


@long
def test_row_20_packets_are_lost(calm, programs, tmp_path):
    """One of a hundred, one of ten: at most half as long again, at most six times as long."""
    took = {}
    for percent in (0, 1, 10):
        swarm = Swarm(calm.lab, programs, tmp_path / str(percent))
        walls = [Firewall(calm.lab, host) for host in (SEEDER, *PEERS)]
        for wall in walls if percent else ():
            wall.drop(f"numgen random mod 100 < {percent}")
        took[percent] = timed(swarm)
        programs.kill_all()
        for wall in walls:
            wall.open()
    assert took[1] < 1.5 * took[0] + BUSY, took
    assert took[10] < 6 * took[0] + BUSY, took


@long
def test_row_21_a_slow_link_is_slow_for_its_host_alone(swarm):
    slow_intake(swarm.lab, "web3", "512kbit")
    try:
        swarm.must_complete("web4", "web5")
    finally:
        slow_intake(swarm.lab, "web3", None)
    swarm.must_complete("web3")


@long
def test_row_84_few_ports_are_left_to_connect_from(calm):
    calm.start_tracker()
    calm.start_seeder()
    name, few = "net.ipv4.ip_local_port_range", "50000 50002"
    inside = {host: ("ip", "netns", "exec", calm.lab.prefix + host, "sysctl", "-q") for host in PEERS}
    before = {host: machine.run(*sysctl, "-n", name).strip() for host, sysctl in inside.items()}
    try:
        for host, sysctl in inside.items():
            machine.run(*sysctl, "-w", f"{name}={few}")
            calm.start_peer(host)
        calm.must_complete()
    finally:
        for host, sysctl in inside.items():
            machine.run(*sysctl, "-w", f"{name}={before[host]}")
    assert all("Traceback" not in peer.err for peer in calm.peers.values())


@long
def test_row_85_with_few_descriptors_fewer_connections_do(programs, tmp_path):
    """Twenty peers have 32 each, and twelve connections; without a limit they have 59, and twenty."""
    with rig.Lab(tmp_path / "lab", hosts=22) as lab:
        try:
            swarm = Swarm(lab, programs, tmp_path / "swarm")
            swarm.start_tracker()
            swarm.start_seeder()
            for host in lab.names[2:]:
                swarm.start_peer(host, "prlimit", "--nofile=32:32")
            swarm.must_complete()
            peers = swarm.peers.values()
            had = [event["peers"] for peer in peers for event in peer.events if event["event"] == "progress"]
            assert max(had) == 12
            assert [peer.err for peer in peers] == [""] * 20
        finally:
            programs.kill_all()


@long
def test_row_87_a_peer_without_processor_is_late_and_nobody_is_blamed(calm):
    """It has a thousandth of one, from when it has begun; nobody hangs up on anybody before the end."""
    calm.start_tracker()
    calm.start_seeder(CANDID)
    with group("cpu", cpu__cfs_period_us="1000000") as starved:
        late = calm.start_peer("web3", *starved.prefix, program=CANDID)
        for host in ("web4", "web5"):
            calm.start_peer(host, program=CANDID)
        calm.wait_for_bytes("web3", 1)
        starved.set("cpu.cfs_quota_us", "1000")
        calm.must_complete("web4", "web5")
        assert not [event for event in late.events if event["event"] == "completed"]
        calm.must_complete("web3", patience=180)
    for agent in (calm.seeder, *calm.peers.values()):
        why = set(re.findall(r"^closing .*: (.*)$", agent.err, re.MULTILINE))
        assert why <= {"both have everything", "connected twice"}, agent.told()


@long
def test_row_89_a_machine_that_was_frozen_goes_on(calm):
    calm.start_tracker()
    calm.start_seeder()
    with group("freezer") as frozen:
        calm.start_peer("web3", *frozen.prefix)
        for host in ("web4", "web5"):
            calm.start_peer(host)
        calm.wait_for_bytes("web3", 100_000)
        frozen.set("freezer.state", "FROZEN")
        try:
            calm.must_complete("web4", "web5")
            pause(15)
        finally:
            frozen.set("freezer.state", "THAWED")
        calm.must_complete("web3")


@long
def test_row_91_clones_that_draw_the_same_random_numbers_meet_all_the_same(calm):
    calm.start_tracker()
    calm.start_seeder()
    for host in PEERS:
        calm.start_peer(host, program=CLONE)
    for host in PEERS:  # the seeder, and somebody of the same memory
        calm.peers[host].event("progress", lambda said: said["peers"] >= 2)
    calm.must_complete()


@long
def test_row_25_packets_come_late_and_twice_and_overtake_each_other(calm):
    calm.start_tracker()
    calm.start_seeder()
    with detour(calm.lab, "web3", 0.0, jitter=0.2, twice=0.05):
        for host in PEERS:
            calm.start_peer(host)
        calm.must_complete(patience=180)


@long
@pytest.mark.parametrize("seconds", [0.05, 0.1])
def test_row_25_a_long_way_to_the_seeder_costs_half_of_the_rate_at_the_most(
    calm, programs, tmp_path, seconds
):
    """There and back it takes so long: without several requests on their way little would come."""
    took = {}
    for delay in (0.0, seconds / 2):
        swarm = Swarm(calm.lab, programs, tmp_path / str(delay), size=16_000_000, rate="24mbit")
        with detour(calm.lab, SEEDER, delay):
            took[delay] = timed(swarm)
        programs.kill_all()
    assert took[seconds / 2] < 2 * took[0.0], took


@long
def test_row_26_a_hole_in_the_path_is_gone_round(swarm):
    """Nothing large arrives from the seeder, and nobody says so: the others bring what it would have."""
    Firewall(swarm.lab, "web3").drop(f"ip saddr {swarm.lab.address(SEEDER)} meta length > 600")
    swarm.must_complete()


@long
def test_row_26_who_has_a_hole_before_it_says_that_nothing_came(calm):
    calm.start_tracker()
    Firewall(calm.lab, "web3").drop("meta length > 600")
    calm.start_seeder()
    peer = calm.start_peer("web3")
    assert peer.wait(120) == 3, peer.told()
    assert peer.err.count("\n") == 1
    from_whom = f"from 1 connected peer ({calm.lab.address(SEEDER)})"
    assert f"pieces are missing and nothing new came for 60 s {from_whom}" in peer.err
