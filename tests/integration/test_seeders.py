"""Several seeders, on hosts with a real sshd: any of them may go."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from deploying import Fab, agents, arrived, place, slow_down, wait_until

from demo import tree
from lab import machine, rig

PEERS = ["web1", "web2", "web3"]
SEEDERS = ["web4", "web5"]


@pytest.fixture
def build(lab: rig.Lab, app: str, tmp_path: Path) -> Iterator[Path]:
    """A tree at /srv/build on both seeders, which send slowly."""
    tree.generate(tmp_path / "build", 12_000_000, 60)
    for host in SEEDERS:
        shutil.copytree(tmp_path / "build", lab.host_root(host) / "srv/build", symlinks=True)
        slow_down(lab, host, "24mbit")
    yield tmp_path / "build"
    for host in SEEDERS:
        slow_down(lab, host, None)
        shutil.rmtree(lab.host_root(host) / "srv/build")


def bytes_sent(lab: rig.Lab, host: str) -> int:
    told = json.loads(machine.run("ip", "-n", lab.prefix + host, "-s", "-j", "link", "show", "eth0"))
    return int(told[0]["stats64"]["tx"]["bytes"])


def test_the_first_of_two_seeders_is_killed_and_the_second_brings_the_rest(
    lab: rig.Lab, fab: Fab, app: str, build: Path
) -> None:
    """Row 4, with somebody else who has everything."""
    (fab.directory / "fabric.yaml").write_text('{"murder": {"roles": {"seeder": "web[4-5]"}}}')
    arguments = ("--files-path", "/srv/build", "--on-seeder", "--destination-path", app)
    running = fab.start("web[1-3]", *arguments, "--tag", "v1")
    running.wait_for("stage")
    before = bytes_sent(lab, "web4")
    wait_until(lambda: bytes_sent(lab, "web4") > before + 2_000_000, 30, "web4 seeds")
    for pid in agents(lab, "web4"):
        os.kill(pid, signal.SIGKILL)
    assert running.end() == 0, str(running)
    assert "3 of 3 hosts switched" in str(running)
    assert [arrived(lab, host, app, build) for host in PEERS] == [[]] * 3
    assert not place(lab, "web5", app).exists()
    # A copy that differs serves nobody, and that is said; the other one does.
    tree.change(lab.host_root("web5") / "srv/build")
    slow_down(lab, "web4", None)
    said = fab("web[1-3]", *arguments, "--tag", "v2")
    assert re.search(r"web5: /srv/build is not what the torrent of v2 describes: \d+ of \d+ pieces", said)
    assert [arrived(lab, host, app, build) for host in PEERS] == [[]] * 3
