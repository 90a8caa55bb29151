"""The next release beside the last: what is not moved again, how it lies there, and what stays as it is."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import signal
import stat
from pathlib import Path

import pytest
from deploying import Fab, agents, arrived, current, place, wait_until

from demo import tree
from lab import rig
from murder_fabric.storage.replicas import FICLONE

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(rig.missing() is not None, reason=str(rig.missing())),
]

HOSTS = ("web1", "web2")


@pytest.fixture
def build(fab: Fab) -> Path:
    """A tree to deploy, as its next versions will be made from it; nobody waits for a moment to switch."""
    (fab.directory / "fabric.yaml").write_text("murder: {switch_delay: 0}")
    files = fab.directory / "build"
    tree.generate(files, 1_500_000, 150)
    return files


def files_of(root: Path) -> dict[str, os.stat_result]:
    found = {str(path.relative_to(root)): path.lstat() for path in sorted(root.rglob("*"))}
    return {name: status for name, status in found.items() if stat.S_ISREG(status.st_mode)}


def facts(root: Path) -> dict[str, tuple[int, ...]]:
    """Return what nobody may change about the files of a live release, their bytes included."""
    return {
        name: (s.st_ino, s.st_mode, s.st_mtime_ns, s.st_size, int(digest(root / name), 16))
        for name, s in files_of(root).items()
    }


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def contents(root: Path) -> dict[str, int]:
    return {digest(root / name): status.st_size for name, status in files_of(root).items()}


def clones(directory: Path) -> bool:
    """Say whether the file system clones, so that nothing needs to be linked."""
    with open(directory / "one", "wb+") as one, open(directory / "two", "wb+") as two:
        one.write(b"x")
        one.flush()
        try:
            fcntl.ioctl(two.fileno(), FICLONE, one.fileno())
        except OSError:
            return False
        return True


def amount(pattern: str, said: str) -> float:
    """Return the bytes that a line of the report speaks of."""
    found = re.search(pattern.replace("SIZE", r"([0-9.]+) (B|kB|MB)"), said)
    assert found is not None, said
    return float(found[1]) * {"B": 1, "kB": 1e3, "MB": 1e6}[found[2]]


def tamper(path: Path) -> None:
    """Change a byte, and leave size and time as they are."""
    status = path.stat()
    path.write_bytes(b"X" + path.read_bytes()[1:])
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_only_what_is_new_is_moved_and_the_live_release_stays_as_it_is(
    lab: rig.Lab, fab: Fab, app: str, build: Path
) -> None:
    (fab.directory / "fabric.yaml").write_text("murder: {switch_delay: 0, keep_releases: 1}")
    arguments = ("--files-path", "build", "--destination-path", app, "--tag")
    fab("web[1-2]", *arguments, "v1")
    first = fab.directory / "first"
    shutil.copytree(build, first, symlinks=True)
    live = [place(lab, host, app) / "releases/v1" for host in HOSTS]
    before = [facts(root) for root in live]

    tree.change(build)
    (build / "part-03/3").rename(build / "part-03/moved")
    said = fab("web[1-2]", *arguments, "v2")
    new = sum(size for one, size in contents(build).items() if one not in contents(first))
    assert "reused from v1" in said
    assert amount(r"upload +SIZE to web1", said) <= 1.1 * new
    assert amount(r"SIZE moved among them", said) <= 1.5 * new * (len(HOSTS) - 1)
    assert [current(lab, host, app) for host in HOSTS] == ["releases/v2"] * 2
    assert [arrived(lab, host, app, build) for host in HOSTS] == [[]] * 2
    assert [facts(root) for root in live] == before
    assert {name: s.st_mtime_ns for name, s in files_of(live[1].parent / "v2").items()} == {
        name: s.st_mtime_ns for name, s in files_of(build).items()
    }
    if not clones(lab.host_root("web2")):
        alike = {
            name
            for name, s in files_of(build).items()
            if s.st_size and (was := files_of(first).get(name)) and was.st_mode == s.st_mode
            if was.st_mtime_ns == s.st_mtime_ns
        }
        v1, v2 = files_of(live[1]), files_of(live[1].parent / "v2")
        assert len(alike) > 80
        assert {name for name in alike if v1[name].st_ino != v2[name].st_ino} == set()

    # What goes takes nothing along of what stays.
    second = fab.directory / "second"
    shutil.copytree(build, second, symlinks=True)
    (build / "bin/big-file.bin").write_bytes(b"new")
    fab("web[1-2]", *arguments, "v3")
    assert sorted(os.listdir(live[1].parent)) == ["v2", "v3"]
    assert [arrived(lab, host, app, build) for host in HOSTS] == [[]] * 2
    assert [tree.differences(second, root.parent / "v2") for root in live] == [[]] * 2


def test_what_was_tampered_with_is_fetched_and_what_fast_did_not_see_fails_its_host_once(
    lab: rig.Lab, fab: Fab, app: str, build: Path
) -> None:
    arguments = ("--files-path", "build", "--destination-path", app, "--tag")
    fab("web[1-2]", *arguments, "v1")
    tampered = place(lab, "web2", app) / "releases/v1/bin/tool-0003"
    tamper(tampered)
    (build / "bin/tool-0004").write_bytes(b"#!/bin/sh\n# another one\n")
    said = fab("web[1-2]", *arguments, "v2")
    assert "1 file of former releases not as they were on web2, so not reused" in said
    assert [arrived(lab, host, app, build) for host in HOSTS] == [[]] * 2
    assert tampered.read_bytes()[:1] == b"X"

    (fab.directory / "fabric.yaml").write_text("murder: {switch_delay: 0, verify: fast}")
    far = next(path for path in (build / "part-07").rglob("*.dat") if path.stat().st_size > 1000)
    name = str(far.relative_to(build))
    tamper(place(lab, "web2", app) / "releases/v2" / name)
    (build / "bin/tool-0004").write_bytes(b"#!/bin/sh\n# yet another one\n")
    said = fab("web[1-2]", *arguments, "v3", code=3)
    assert re.search(rf"web2: \S+/v3/{name} does not hold the bytes that it should", said)
    assert [current(lab, host, app) for host in HOSTS] == ["releases/v2"] * 2
    fab("web[1-2]", *arguments, "v3")
    assert [arrived(lab, host, app, build) for host in HOSTS] == [[]] * 2


def test_a_host_that_is_killed_on_the_way_keeps_its_live_release_and_goes_on_from_there(
    lab: rig.Lab, fab: Fab, app: str, build: Path
) -> None:
    arguments = ("--files-path", "build", "--destination-path", app, "--tag")
    fab("web[1-2]", *arguments, "v1")
    live = place(lab, "web2", app) / "releases/v1"
    before = facts(live)
    tree.change(build)
    (build / "bin/new.bin").write_bytes(os.urandom(8_000_000))
    running = fab.start("web[1-2]", *arguments, "v2")
    running.wait_for("stage")
    for pid in agents(lab, "web2"):
        os.kill(pid, signal.SIGKILL)
    assert running.end() == 3, str(running)
    assert current(lab, "web2", app) == "releases/v1"
    assert facts(live) == before
    wait_until(lambda: not agents(lab), 15, "agents still run")
    said = fab("web[1-2]", *arguments, "v2")
    assert "reused" not in said, "it lies in the staging release already"
    assert [arrived(lab, host, app, build) for host in HOSTS] == [[]] * 2
    assert facts(live) == before
