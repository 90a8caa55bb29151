"""A host that gives its release to hosts that lack it is lost in the middle of that."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from deploying import Fab, Running, agents, arrived, current, place, slow_down, wait_until

from demo import tree
from lab import machine, rig

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(rig.missing() is not None, reason=str(rig.missing())),
]
SIZE = 2_000_000


@pytest.fixture
def build(lab: rig.Lab, fab: Fab) -> Iterator[Path]:
    """A tree of which hosts that are made slow have some seconds' work."""
    tree.generate(fab.directory / "build", SIZE, 20)
    yield fab.directory / "build"
    for host in lab.names:
        slow_down(lab, host, None)


def bytes_received(lab: rig.Lab, host: str) -> int:
    told = json.loads(machine.run("ip", "-n", lab.prefix + host, "-s", "-j", "link", "show", "eth0"))
    return int(told[0]["stats64"]["rx"]["bytes"])


def catch_up(lab: rig.Lab, fab: Fab, app: str, having: str, hosts: str) -> Running:
    """Deploy to those *having* it, let all *hosts* begin to catch up, and kill web1's agent as it gives."""
    fab(having, "--files-path", "build", "--destination-path", app, "--tag", "v1")
    for host in ("web1", "web2"):
        slow_down(lab, host, "4mbit")
    running = fab.start(hosts, "murder.catch-up", "--destination-path", app)
    running.wait_for("connect")
    before = bytes_received(lab, "web3")
    wait_until(lambda: bytes_received(lab, "web3") > before + SIZE // 5, 60, "nothing is given")
    for pid in agents(lab, "web1"):
        os.kill(pid, signal.SIGKILL)
    return running


def test_of_two_hosts_that_give_a_release_one_is_lost_and_the_other_brings_the_rest(
    lab: rig.Lab, fab: Fab, app: str, build: Path
) -> None:
    """The tracker is lost with it."""
    running = catch_up(lab, fab, app, "web[1-2]", "web[1-4]")
    assert running.end() == 0, str(running)
    assert "web[3-4] (2 hosts) caught up with v1" in str(running)
    assert [arrived(lab, host, app, build) for host in ("web1", "web2", "web3", "web4")] == [[]] * 4
    # Where an agent was killed, what it had under way goes with whoever has the lock next.
    fab("web[1-4]", "murder.cleanup", "--destination-path", app)


def test_the_only_host_that_has_a_release_is_lost_and_the_others_say_how_much_with_it(
    lab: rig.Lab, fab: Fab, app: str, build: Path
) -> None:
    running = catch_up(lab, fab, app, "web1", "web[1-3]")
    assert running.end() == 3, str(running)
    assert "Traceback" not in str(running)
    (why,) = [line for line in running.lines if line.startswith("web[2-3]: ")]
    assert re.fullmatch(
        r"web\[2-3\]: the seeder web1 failed, and \d+ of \d+ pieces with it; what is here is kept\. .*", why
    )
    wait_until(lambda: not agents(lab), 15, "agents still run")
    slow_down(lab, "web1", None)
    assert current(lab, "web1", app) == "releases/v1"
    for host in ("web2", "web3"):
        assert current(lab, host, app) is None
        assert os.listdir(place(lab, host, app) / "releases") == []
        assert os.listdir(place(lab, host, app) / ".murder/runs") == []
    fab("web[1-3]", "murder.catch-up", "--destination-path", app)
    assert [arrived(lab, host, app, build) for host in ("web1", "web2", "web3")] == [[]] * 3
