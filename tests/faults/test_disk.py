"""Rows 2, 30 to 33, 38, 72: hosts whose disk fills up, fails or is mounted oddly; agents killed at steps."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest
from deploying import agents, arrived, current, on_host, place, wait_until
from extent import long
from injecting import injected

from demo import tree
from lab import rig

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(rig.missing() is not None, reason=str(rig.missing())),
]
#: The host that suffers.
HOST = "web3"
NUMBERS = itertools.count(1)


@pytest.fixture
def small_disk(lab, app):
    """The destination of one host is a file system of its own, with little room beside a release."""
    place(lab, HOST, app).mkdir(parents=True)
    on_host(lab, HOST, f"mount -t tmpfs -o size=32m,nr_inodes=600 tmpfs {app}")
    yield
    wait_until(lambda: not agents(lab, HOST), 15, "an agent still runs")
    on_host(lab, HOST, f"umount {app}")


FILLED = {
    "bytes": "head -c 60000000 /dev/zero >balloon || true",
    "inodes": "mkdir balloon && cd balloon && for n in $(seq 700); do touch $n || break; done",
}


@long
@pytest.mark.parametrize("kind", FILLED)
def test_rows_30_to_32_a_disk_that_fills_up_meanwhile_fails_its_host_alone(
    lab, fab, app, source, large, slow_seeder, small_disk, kind
):
    fab("web[1-3]", "--files-path", str(source), "--destination-path", app, "--tag", "v0")
    arguments = ("--files-path", str(large), "--destination-path", app, "--tag", "v1")
    running = fab.start("web[1-3]", *arguments)
    running.wait_for("stage")
    on_host(lab, HOST, f"cd {app} && {FILLED[kind]}")
    if kind == "bytes":  # without inodes it has no file to begin with
        running.wait_for(f"{HOST}: No space left on device")
        assert on_host(lab, HOST, "ss -Hltn | grep -c -v :22").strip() == "1"  # others get what it has
    assert running.end() == 3, str(running)
    lacking = {"bytes": "space", "inodes": "inodes"}[kind]
    assert re.search(rf"{HOST}: No {lacking} left on device", str(running)), str(running)
    assert "nothing was switched; v1 lies ready on web[1-2]" in str(running)
    assert on_host(lab, HOST, f"readlink {app}/current") == "releases/v0\n"
    on_host(lab, HOST, f"rm -rf {app}/balloon")
    fab("web[1-3]", *arguments)
    on_host(lab, HOST, f"cp -a {app}/current/. {app}-seen")
    assert tree.differences(large, place(lab, HOST, f"{app}-seen")) == []
    on_host(lab, HOST, f"rm -rf {app}-seen")


@long
@pytest.mark.parametrize("call", ["pwrite64", "fsync", "syncfs", "/^rename"])
def test_row_33_a_disk_that_fails_fails_its_host_alone(lab, fab, app, source, call):
    arguments = ("--files-path", str(source), "--destination-path", app, "--tag", "v1")
    running = fab.start("web[1-3]", *arguments)
    running.wait_for("connect")
    with injected(lab, HOST, running, f"{call}:error=EIO"):
        assert running.end() == 3, str(running)
    assert re.search(rf"{HOST}: .*Input/output error", str(running)), str(running)
    assert "Traceback" not in str(running)
    assert current(lab, HOST, app) is None
    assert not (place(lab, HOST, app) / "releases/v1").exists()
    fab("web[1-3]", *arguments)
    assert [arrived(lab, host, app, source) for host in ("web1", "web2", HOST)] == [[]] * 3


@long
@pytest.mark.parametrize("mount", ["-t tmpfs -o mode=755 tmpfs", "--bind /srv/mounted-twice"])
def test_row_38_where_a_release_could_not_be_moved_in_one_step_nothing_begins(lab, fab, app, source, mount):
    """Also where it is the same file system, mounted once more: the kernel moves nothing between mounts."""
    place(lab, HOST, f"{app}/releases").mkdir(parents=True)
    place(lab, HOST, "/srv/mounted-twice").mkdir(exist_ok=True)
    on_host(lab, HOST, f"mount {mount} {app}/releases")
    try:
        said = fab("web[1-3]", "--files-path", str(source), "--destination-path", app, "--tag", "v1", code=3)
    finally:
        on_host(lab, HOST, f"umount {app}/releases")
    assert f"{HOST}: {app}/releases is on another file system than {app}/.murder" in said
    assert list(place(lab, HOST, app).rglob("*")) == [place(lab, HOST, f"{app}/releases")]


@long
def test_row_72_where_nothing_may_be_executed_a_release_arrives_all_the_same(lab, fab, app, source):
    """The agent is read by Python, and nothing of it is executed."""
    mounted = (app, "/root/.murder")
    for path in mounted:
        on_host(lab, HOST, f"mkdir -p {path} && mount -t tmpfs -o noexec,mode=755 tmpfs {path}")
    try:
        fab("web[1-3]", "--files-path", str(source), "--destination-path", app, "--tag", "v1")
        assert on_host(lab, HOST, f"readlink {app}/current") == "releases/v1\n"
        assert "agent-" in on_host(lab, HOST, "ls /root/.murder")
        on_host(lab, HOST, f"cp -a {app}/current/. {app}-seen")
        assert tree.differences(source, place(lab, HOST, f"{app}-seen")) == []
    finally:
        wait_until(lambda: not agents(lab, HOST), 15, "an agent still runs")
        for path in mounted:
            on_host(lab, HOST, f"umount {path}")
        on_host(lab, HOST, f"rm -rf {app}-seen")


@pytest.fixture(scope="module")
def lasting(lab):
    """A destination for all of the tests that kill an agent there: what one leaves the next one finds."""
    yield "/srv/killed-at-each-step"
    wait_until(lambda: not agents(lab), 15, "agents still run")


#: After which line of `fab`, and which of the calls of a thread the agent does not live to make.
STEPS = [
    ("connect", "/^mkdir:when=1"),
    ("connect", "pwrite64:when=1"),
    ("connect", "pwrite64:when=4"),
    ("connect", "/^symlink:when=1"),
    ("connect", "/^utime:when=20"),
    ("connect", "/chmod:when=20"),
    ("connect", "syncfs:when=1"),
    ("connect", "fsync:when=1"),
    ("connect", "/^rename:when=1"),
    ("connect", "fsync:when=2"),
    ("connect", "/^rename:when=2"),
    ("connect", "fsync:when=4"),
    ("connect", "/^rename:when=3"),
    ("connect", "fsync:when=5"),
    ("verify", "/^symlink:when=1"),
    ("verify", "/^rename:when=1"),
    ("verify", "fsync:when=1"),
]


@long
@pytest.mark.parametrize(("line", "call"), STEPS)
def test_row_2_killed_at_any_step_of_a_deploy_a_host_is_old_or_new(lab, fab, lasting, tmp_path, line, call):
    number = next(NUMBERS)
    files = tmp_path / "build"
    tree.generate(files, 200_000, 60, seed=number)
    arguments = ("--files-path", str(files), "--destination-path", lasting, "--tag", f"v{number}")
    before = current(lab, HOST, lasting)
    fab.environment["FABRIC_MURDER_SWITCH_DELAY"] = "3"
    running = fab.start("web[1-3]", *arguments)
    running.wait_for(line)
    with injected(lab, HOST, running, call.replace(":", ":signal=KILL:")):
        code = running.end()
    assert "Traceback" not in str(running)
    found = current(lab, HOST, lasting)
    assert found in (before, f"releases/v{number}")
    assert code == 3, str(running)  # it was killed, and nobody switched alone
    if found is not None and found != before:
        assert arrived(lab, HOST, lasting, files) == []
    wait_until(lambda: not agents(lab), 15, "agents still run")
    fab.environment["FABRIC_MURDER_SWITCH_DELAY"] = "0"
    fab("web[1-3]", *arguments)
    assert [arrived(lab, host, lasting, files) for host in ("web1", "web2", HOST)] == [[]] * 3
    left = [
        path.name for path in Path(place(lab, HOST, lasting)).iterdir() if path.name.startswith(".current")
    ]
    assert left == []
