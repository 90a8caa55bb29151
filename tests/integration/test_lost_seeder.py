"""The only seeder goes in the middle of a swarm: what it has given away is enough for all others."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from deploying import Fab, agents, arrived, current, place, slow_down, wait_until

from demo import tree
from lab import rig

SIZE = 4_000_000
PEERS = ["web1", "web2", "web3"]
#: Bytes of a file that some host has, or nobody: no piece is told from its neighbours more closely.
BLOCK = 4096


@pytest.fixture
def build(lab: rig.Lab, app: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A tree, and links so slow that the seeder has given one copy away long before a peer has one."""
    seeder = request.node.callspec.params["seeder"]
    tree.generate(tmp_path / "build", SIZE, 20)
    for host in (*PEERS, seeder):
        slow_down(lab, host, "24mbit" if host == seeder else "4mbit")
    yield tmp_path / "build"
    for host in (*PEERS, seeder):
        slow_down(lab, host, None)
    # As whoever uses the host next would find out that nobody waits for it any more.
    shutil.rmtree(place(lab, seeder, app) / ".murder", ignore_errors=True)
    shutil.rmtree(lab.host_root(seeder) / "root/.murder/state/seeds", ignore_errors=True)


@pytest.mark.parametrize(("seeder", "code"), [("web4", 0), ("web1", 3)])
def test_a_seeder_that_has_given_one_copy_away_is_not_needed_any_more(
    lab: rig.Lab, fab: Fab, app: str, build: Path, seeder: str, code: int
) -> None:
    """Row 5. Where it is a peer, and the tracker too, it is one host that failed, and the others switch."""
    if seeder not in PEERS:
        (fab.directory / "fabric.yaml").write_text('{"murder": {"roles": {"seeder": "web4"}}}')
    arguments = ("--files-path", str(build), "--destination-path", app, "--tag", "v1")
    running = fab.start("web[1-3]", *arguments, "--allow-failures", "1" if code else "0")
    running.wait_for("upload")
    left = [host for host in PEERS if host != seeder]
    stagings = [place(lab, host, app) / ".murder/staging/v1" for host in left]
    wait_until(lambda: is_among(stagings, build), 60, f"{seeder} gives a copy away")
    assert not all(is_among([staging], build) for staging in stagings), "nobody lacks anything"
    for pid in agents(lab, seeder):
        os.kill(pid, signal.SIGKILL)
    assert running.end() == code, str(running)
    assert [arrived(lab, host, app, build) for host in left] == [[]] * len(left)
    assert current(lab, seeder, app) is None


def is_among(copies: list[Path], build: Path) -> bool:
    """Say whether each block of each file of *build* is in one of the *copies*."""
    for path in (path for path in build.rglob("*") if path.is_file() and not path.is_symlink()):
        has = [at.read_bytes() for copy in copies if (at := copy / path.relative_to(build)).is_file()]
        content = path.read_bytes()
        blocks = [slice(begin, begin + BLOCK) for begin in range(0, len(content), BLOCK)]
        if not all(any(one[block] == content[block] for one in has) for block in blocks):
            return False
    return True
