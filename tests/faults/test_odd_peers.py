"""Rows 18, 22 and 23: connections that are as good as dead, and peers that make them so."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from deploying import slow_down, wait_until
from extent import long
from swarm import PEERS, SEEDER, connected, cut

from lab import rig

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(rig.missing() is not None, reason=str(rig.missing())),
]
#: Where the odd one is.
ODD = "web6"
#: Seconds after which it should be over, and what a busy machine may add.
GIVEN_UP, BUSY = 10, 10


def memory(pid: int) -> int:
    """Return the bytes of a process that are in memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


@long
def test_row_18_a_connection_that_is_dead_is_let_go_by_the_kernels_of_both_ends(swarm):
    slow_down(swarm.lab, SEEDER, "1mbit")
    host = PEERS[0]
    assert connected(swarm.lab, SEEDER, host)
    cut(swarm.lab, host, [SEEDER])
    began = time.monotonic()
    for end, other in ((SEEDER, host), (host, SEEDER)):
        wait_until(lambda: not connected(swarm.lab, end, other), 60, f"{end} still has it")  # noqa: B023
    assert time.monotonic() - began < GIVEN_UP + BUSY
    swarm.must_complete()


@long
def test_row_22_who_sends_a_byte_a_second_is_hung_up_on_and_holds_nobody_up(calm):
    calm.start_tracker()
    odd = calm.start_odd_peer(ODD, "trickle")
    calm.start_seeder()
    slow_down(calm.lab, SEEDER, "1mbit")
    for host in PEERS:
        calm.start_peer(host)
    wait_until(lambda: "lasted" in odd.out, 60, "nobody hung up on the one that trickles")
    calm.must_complete()
    lasted = [float(seconds) for seconds in re.findall(r"lasted ([0-9.]+)", odd.out)]
    assert max(lasted) < GIVEN_UP + BUSY
    assert [peer.process.poll() for peer in calm.peers.values()] == [None] * len(PEERS)


@long
def test_row_23_who_reads_nothing_is_dropped_and_costs_no_memory(calm):
    calm.start_tracker()
    calm.start_seeder()
    giver = calm.start_peer(PEERS[0])
    calm.must_complete()
    had = memory(giver.process.pid)
    where = f"{calm.lab.address(PEERS[0])}:{giver.event('started')['port']}"
    odd = calm.start_odd_peer(ODD, "deaf", where)
    port = int(odd.out)
    assert connected(calm.lab, PEERS[0], ODD, port)
    waited = GIVEN_UP + BUSY
    wait_until(lambda: not connected(calm.lab, PEERS[0], ODD, port), waited, "it still waits to be read")
    assert memory(giver.process.pid) - had < 8 << 20
    assert giver.process.poll() is None
