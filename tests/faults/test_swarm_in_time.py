"""Rows 3 to 29: what a swarm takes with a fault, beside what the same one takes without (T0)."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from deploying import slow_down, wait_until
from extent import long
from programs import Programs, open_sockets
from swarm import LARGER, PEERS, SEEDER, TRACKER, Firewall, Swarm, connected, cut, pause, reset

from lab import machine, rig

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(rig.missing() is not None, reason=str(rig.missing())),
]

#: Seconds that a busy machine may add to what is timed, and within which a host goes on or lets go.
BUSY, SOON = 2.0, 15.0
#: What undisturbed swarms took, by how many peers they have.
TAKEN: dict[int, float] = {}


class Timed(Swarm):
    """A swarm that takes half a minute, and how long it has taken: from the first byte that any peer had."""

    def begin(self, *peers: str) -> Swarm:
        """Start all that is not there yet, and return when some of it is under way."""
        self.start_tracker()
        self.start_seeder()
        for host in peers or PEERS:
            self.start_peer(host)
        self.wait_for_bytes(next(iter(self.peers)), 1)
        self.began = time.monotonic()
        return self

    def complete(self) -> float:
        """Return the seconds until all have all."""
        self.must_complete(patience=300)
        return time.monotonic() - self.began


Make = Callable[[], Timed]


@pytest.fixture
def made(lab: rig.Lab, programs: Programs, tmp_path: Path) -> Iterator[Make]:
    """Makes a swarm of which nothing runs yet; the network is as it was afterwards."""
    numbers = itertools.count()
    yield lambda: Timed(lab, programs, tmp_path / str(next(numbers)), LARGER)
    slow_down(lab, SEEDER, None)
    for host in lab.names:
        Firewall(lab, host).open()


@pytest.fixture
def peace(made: Make, programs: Programs) -> float:
    """T0 of a swarm of three, measured once."""
    if len(PEERS) not in TAKEN:
        swarm = made()
        swarm.begin()
        TAKEN[len(PEERS)] = swarm.complete()
        programs.kill_all()
    return TAKEN[len(PEERS)]


@pytest.fixture
def swarm(peace: float, made: Make) -> Timed:
    """A swarm of three that is under way."""
    begun = made()
    begun.begin()
    return begun


@long
def test_row_3_all_peers_are_killed_one_by_one_and_run_again(programs, tmp_path):
    """Twenty, one every half second: in twice the time that they take in peace."""
    with rig.Lab(tmp_path / "lab", hosts=22) as lab:
        try:
            calm = Timed(lab, programs, tmp_path / "calm", LARGER)
            peers = lab.names[2:]
            calm.begin(*peers)
            peace = calm.complete()
            programs.kill_all()
            swarm = Timed(lab, programs, tmp_path / "killed", LARGER)
            swarm.begin(*peers)
            had = {}
            for host in random.Random(3).sample(peers, len(peers)):
                swarm.wait_for_bytes(host, 1)
                had[host] = swarm.bytes_of(host)
                swarm.peers[host].kill()
                swarm.start_peer(host)
                pause(0.5)
            took = swarm.complete()
            for host, least in had.items():
                assert swarm.peers[host].event("progress")["bytes"] >= least * 0.9
            assert took < 2 * peace + BUSY, peace
        finally:
            programs.kill_all()


@long
def test_row_6_the_seeder_comes_back_on_another_port(swarm, peace):
    before = swarm.seeder.event("started")["port"]
    swarm.seeder.kill()
    pause(5)
    assert swarm.start_seeder().event("started")["port"] != before
    assert swarm.complete() < peace + 20 + BUSY, peace


@long
def test_row_15_a_swarm_in_two_halves_is_one_again(swarm):
    """The seeder's half gets all; the other, half a minute later or more, goes on within 15 s."""
    swarm.start_peer("web6")
    swarm.wait_for_bytes("web6", 1)
    walls = [
        *cut(swarm.lab, "web5", [TRACKER, SEEDER, "web3", "web4"]),
        *cut(swarm.lab, "web6", [TRACKER, SEEDER, "web3", "web4"]),
    ]
    pause(30)
    swarm.must_complete("web3", "web4", patience=300)
    had = {host: swarm.bytes_of(host) for host in ("web5", "web6")}
    assert max(had.values()) < LARGER
    for wall in walls:
        wall.open()
    healed = time.monotonic()
    for host, least in had.items():
        swarm.wait_for_bytes(host, least + 1)
    assert time.monotonic() - healed < SOON
    swarm.complete()


@long
def test_row_17_of_one_way_only_both_ends_let_go(swarm):
    assert connected(swarm.lab, SEEDER, "web3")
    Firewall(swarm.lab, "web3").drop(f"ip saddr {swarm.lab.address(SEEDER)}")
    began = time.monotonic()
    for end, other in ((SEEDER, "web3"), ("web3", SEEDER)):
        wait_until(lambda: not connected(swarm.lab, end, other), 60, f"{end} still has it")  # noqa: B023
    assert time.monotonic() - began < SOON
    swarm.complete()


@long
def test_row_19_connections_are_reset_again_and_again(swarm, peace):
    """A pair a second of these four, as often for each host as five pairs a second of twenty-one."""
    rng, struck = random.Random(19), 0
    agents = [swarm.seeder, *swarm.peers.values()]
    had = list(map(open_sockets, agents))
    for _ in range(30):
        struck += reset(swarm.lab, *rng.sample([SEEDER, *PEERS], 2))
        pause(1)
    assert struck > 12  # some are not connected just then, the more the longer it goes on
    assert swarm.complete() < 2 * peace + BUSY, peace
    for agent, least in zip(agents, had):
        wait_until(lambda: open_sockets(agent) <= least, SOON, "it has more sockets than before")  # noqa: B023


@long
def test_row_24_a_link_goes_up_and_down(swarm, peace):
    """Twenty times, a second each."""
    link = ("ip", "-n", swarm.lab.prefix + "web3", "link", "set", "eth0")
    for _ in range(20):
        machine.run(*link, "down")
        pause(1)
        machine.run(*link, "up")
        pause(1)
    assert swarm.complete() < 2 * peace + BUSY, peace


@long
def test_row_29_a_host_that_takes_no_connections_makes_its_own(peace, made, lab):
    Firewall(lab, "web3").drop("tcp flags & (syn | ack) == syn")
    swarm = made()
    swarm.begin()
    assert swarm.complete() < 1.2 * peace + BUSY, peace
