"""Row 52: thousands of connections to a seeder's port that never say anything, while it serves a peer."""

from __future__ import annotations

import json
import resource
import shutil
import sys
from pathlib import Path

import pytest
from deploying import slow_down, wait_until
from extent import so_many
from programs import REPOSITORY
from swarm import PEERS, SEEDER, Swarm

from lab import rig

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(rig.missing() is not None, reason=str(rig.missing())),
]

#: Connections, how often a copy is fetched with and without them, its bytes, and what stays of the rate.
COUNT, TURNS, SIZE, SHARE = so_many((1000, 1, 6_000_000, 0.4), (10_000, 3, 30_000_000, 0.8))
FLOOD = "web6"


def memory(pid: int) -> int:
    """Return the bytes of a process that are in memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


def fetching(swarm: Swarm) -> float:
    """Return the seconds that a peer who has nothing takes for all of it."""
    peer = swarm.start_peer(PEERS[0])
    took = float(peer.event("completed", timeout=120)["seconds"])
    peer.kill()
    shutil.rmtree(swarm.home(PEERS[0]))
    return took


def test_row_52_thousands_of_idle_connections_leave_a_peer_its_rate(lab, programs, tmp_path):
    """With and without them in turn; the best of each counts, on a machine that others use too."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most < COUNT + 100:
        pytest.skip(f"a process may have no more than {most} files open here")
    swarm = Swarm(lab, programs, tmp_path / "swarm", SIZE, "50mbit")
    try:
        swarm.start_tracker()
        seeder = swarm.start_seeder()
        port, inside = seeder.event("started")["port"], ("ip", "netns", "exec", lab.prefix + FLOOD)
        flood_of = (sys.executable, REPOSITORY / "tests/flood.py", lab.address(FLOOD), lab.address(SEEDER))
        took: dict[bool, list[float]] = {False: [], True: []}
        for _ in range(TURNS):
            took[False].append(fetching(swarm))
            had = memory(seeder.process.pid)
            flood = programs.start(*inside, *flood_of, str(port), str(COUNT))
            wait_until(lambda: closed(flood) > COUNT, 60, "the flood does not stand")  # noqa: B023
            took[True].append(fetching(swarm))
            assert memory(seeder.process.pid) - had < 32 << 20
            flood.kill()
        assert min(took[True]) * SHARE < min(took[False]), took
        assert (seeder.process.poll(), seeder.err) == (None, "")
    finally:
        slow_down(lab, SEEDER, None)


def closed(flood) -> int:
    """Return how many connections of the flood have been closed so far."""
    told = [json.loads(line) for line in flood.out.splitlines(keepends=True) if line.endswith("\n")]
    return int(told[-1]["closed"]) if told else 0
