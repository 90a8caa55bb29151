"""`fab murder.deploy` against hosts with a real sshd: what arrives, what is refused, what is left behind."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from deploying import (
    PATIENCE,
    REPOSITORY,
    Fab,
    agents,
    arrived,
    current,
    on_host,
    place,
    slow_down,
    wait_until,
)

from demo import tree
from lab import rig

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(rig.missing() is not None, reason=str(rig.missing())),
]


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree that takes a slow seeder some seconds."""
    root = tmp_path_factory.mktemp("large") / "tree"
    tree.generate(root, 8_000_000, 60)
    return root


@pytest.fixture
def slow_seeder(lab: rig.Lab) -> Iterator[Callable[[str | None], None]]:
    """Makes what web1 sends slow (None: as before), so that things can happen while others fetch it."""

    def slow(rate: str | None) -> None:
        slow_down(lab, "web1", rate)

    yield slow
    slow(None)


# What arrives ---------------------------------------------------------------------------------------------


def test_a_tree_arrives_on_every_host_and_so_does_its_next_version(
    lab: rig.Lab, fab: Fab, app: str, tmp_path: Path
) -> None:
    files = tmp_path / "build"
    tree.generate(files, 600_000, 90)
    said = fab("web[1-8]", "--files-path", "build", "--destination-path", app, "--tag", "v1")
    assert "8 of 8 hosts switched to v1" in said
    assert [current(lab, host, app) for host in lab.names] == ["releases/v1"] * 8
    assert [arrived(lab, host, app, files) for host in lab.names] == [[]] * 8

    tree.change(files)
    fab("web[1-8]", "--files-path", "build", "--destination-path", app, "--tag", "v2")
    assert [current(lab, host, app) for host in lab.names] == ["releases/v2"] * 8
    assert [arrived(lab, host, app, files) for host in lab.names] == [[]] * 8
    assert tree.differences(files, place(lab, "web5", app) / "releases/v1") != []
    receipt = json.loads((place(lab, "web5", app) / ".murder/receipts/v2").read_text())
    assert (receipt["tag"], len(receipt["digest"])) == ("v2", 64)


def test_a_tag_again_moves_nothing_with_the_same_tree_and_is_refused_with_another(
    lab: rig.Lab, fab: Fab, app: str, source: Path, large: Path
) -> None:
    arguments = ("--destination-path", app, "--tag", "v1")
    fab("web[1-3]", "--files-path", str(source), *arguments)
    before = place(lab, "web2", app).joinpath("releases/v1").stat().st_ino
    said = fab("web[1-3]", "--files-path", str(source), *arguments)
    assert re.search(r"swarm +3 hosts complete, 0 B moved", said)
    assert "upload" not in said
    said = fab("web[1-3]", "--files-path", str(large), *arguments, code=4)
    assert "a tag never changes; nothing was changed. Choose another --tag" in said
    assert place(lab, "web2", app).joinpath("releases/v1").stat().st_ino == before
    assert [arrived(lab, host, app, source) for host in ("web1", "web2", "web3")] == [[]] * 3


def beside(lab: rig.Lab, host: str, app: str) -> dict[str, tuple[int, ...]]:
    """Return all that a host has for itself outside of a destination and our own directory."""
    root, found = lab.host_root(host), {}
    ours = {place(lab, host, app), root / "root/.murder", root / "sshd.log"}
    for directory, directories, files in os.walk(root):
        paths = [Path(directory, name) for name in (*directories, *files)]
        for path in set(paths) - ours:
            status = path.lstat()
            # In a directory that was not there before something is new anyhow.
            times = () if path.is_dir() else (status.st_size, status.st_ctime_ns)
            found[str(path)] = (status.st_ino, status.st_mode, status.st_uid, status.st_gid, *times)
        directories[:] = [name for name in directories if Path(directory, name) not in ours]
    return found


def test_beside_the_destination_and_our_own_directory_nothing_of_a_host_changes(
    lab: rig.Lab, fab: Fab, app: str, tmp_path: Path
) -> None:
    """With the seeder's host; what sshd writes down is its own. Deployed, deployed again, and taken back."""
    files, hosts = tmp_path / "build", ("web1", "web2", "web3")
    tree.generate(files, 600_000, 90)
    before = [beside(lab, host, app) for host in hosts]
    assert all(str(lab.host_root(host) / "root/.bashrc") in seen for host, seen in zip(hosts, before))
    fab("web[1-3]", "--files-path", "build", "--destination-path", app, "--tag", "v1")
    tree.change(files)
    fab("web[1-3]", "--files-path", "build", "--destination-path", app, "--tag", "v2")
    fab("web[1-3]", "murder.rollback", "--destination-path", app)
    assert [current(lab, host, app) for host in hosts] == ["releases/v1"] * 3
    assert [beside(lab, host, app) for host in hosts] == before


def test_a_release_that_somebody_changed_is_not_called_verified(
    lab: rig.Lab, fab: Fab, app: str, source: Path
) -> None:
    arguments = ("--files-path", str(source), "--destination-path", app, "--tag", "v1")
    fab("web[1-2]", *arguments)
    changed = place(lab, "web2", app) / "releases/v1/bin/big-file.bin"
    changed.write_bytes(b"x" + changed.read_bytes()[1:])
    said = fab("web[1-2]", *arguments, code=3)
    assert re.search(r"web2: \S+/releases/v1 was changed since it was verified: 1 of \d+ pieces", said)
    assert re.search(
        r"^again    fab -S \S+ -H 'web\[1-2\]' murder\.deploy --retry-failed --files-path", said, re.M
    )
    assert changed.read_bytes()[:1] == b"x"


def test_a_tree_that_lies_on_the_seeder(lab: rig.Lab, fab: Fab, app: str, source: Path) -> None:
    files = place(lab, "web1", f"{app}-files")
    shutil.copytree(source, files, symlinks=True)
    fab("web[1-3]", "--on-seeder", "--files-path", f"{app}-files", "--destination-path", app, "--tag", "v1")
    assert [arrived(lab, host, app, source) for host in ("web1", "web2", "web3")] == [[]] * 3
    shutil.rmtree(files)
    said = fab(
        *("web[1-3]", "--on-seeder", "--files-path", f"{app}-files"),
        *("--destination-path", app, "--tag", "v2"),
        code=2,
    )
    assert f"web1: {app}-files cannot be read: No such file or directory" in said


@pytest.mark.parametrize("on_seeder", [False, True])
def test_tracker_and_seeder_may_be_hosts_beside_the_peers(
    lab: rig.Lab, fab: Fab, app: str, source: Path, on_seeder: bool
) -> None:
    (fab.directory / "fabric.yaml").write_text("murder: {roles: {tracker: web7, seeder: web8}}")
    files, more = source, ()
    if on_seeder:
        shutil.copytree(source, place(lab, "web8", f"{app}-files"), symlinks=True)
        files, more = Path(f"{app}-files"), ("--on-seeder",)
    fab("web[1-2]", "--files-path", str(files), "--destination-path", app, "--tag", "v1", *more)
    assert [arrived(lab, host, app, source) for host in ("web1", "web2")] == [[], []]
    assert not place(lab, "web7", app).exists()
    assert not place(lab, "web8", app).exists()
    shutil.rmtree(place(lab, "web8", f"{app}-files"), ignore_errors=True)


def test_a_single_file(lab: rig.Lab, fab: Fab, app: str) -> None:
    (fab.directory / "tool").write_bytes(b"#!/bin/sh\n" * 10_000)
    (fab.directory / "tool").chmod(0o750)
    fab("web[1-2]", "--files-path", "tool", "--destination-path", app, "--tag", "v1")
    for host in ("web1", "web2"):
        assert os.listdir(place(lab, host, app) / "current") == ["tool"]
        copy = place(lab, host, app) / "current/tool"
        assert copy.read_bytes() == b"#!/bin/sh\n" * 10_000
        assert copy.stat().st_mode & 0o7777 == 0o750


def test_odd_paths_are_taken_at_their_word(lab: rig.Lab, fab: Fab, app: str, source: Path) -> None:
    odd = "a b $(touch canary) `id` ;'\"*"
    (fab.directory / odd).symlink_to(source)
    fab("web[1-2]", "--files-path", f"./{odd}", "--destination-path", f"{app}/{odd}", "--tag", "v1")
    assert [arrived(lab, host, f"{app}/{odd}", source) for host in ("web1", "web2")] == [[], []]
    assert not (lab.host_root("web1") / "root/canary").exists()
    assert not (fab.directory / "canary").exists()


def test_the_hosts_umask_and_a_noisy_shell_change_nothing(
    lab: rig.Lab, fab: Fab, app: str, source: Path
) -> None:
    bashrc = lab.host_root("web2") / "root/.bashrc"
    bashrc.write_text("umask 077\necho 'Welcome!' {}; seq 2000\necho 'be careful' >&2\n")
    try:
        fab("web[1-2]", "--files-path", str(source), "--destination-path", app, "--tag", "v1")
    finally:
        bashrc.write_text("")
    assert arrived(lab, "web2", app, source) == []
    for directory in ("", "releases", "current/", "current/part-00"):
        modes = {(place(lab, host, app) / directory).stat().st_mode for host in ("web1", "web2")}
        assert {mode & 0o777 for mode in modes} == {0o755}


def test_two_names_of_one_host_are_deployed_to_once(lab: rig.Lab, fab: Fab, app: str, source: Path) -> None:
    hosts = "web1,web2,root@web2"
    said = fab(hosts, "--files-path", str(source), "--destination-path", app, "--tag", "v1")
    assert "root@web2 is another name of web2: deployed once" in said
    assert [arrived(lab, host, app, source) for host in ("web1", "web2")] == [[], []]


# What is refused ------------------------------------------------------------------------------------------


def test_hosts_that_are_down_hold_back_the_switch_unless_they_may(
    lab: rig.Lab, fab: Fab, app: str, source: Path
) -> None:
    """The first of them would be tracker and seeder; nobody named it for that, so the next one is."""
    arguments = ("--files-path", str(source), "--destination-path", app, "--tag", "v1")
    for host in ("web1", "web4"):
        lab.stop_sshd(host)
    try:
        said = fab("web[1-4]", *arguments, code=3)
        assert "web[1,4]: refused the connection to port 22" in said
        assert "nothing was switched; v1 lies ready on web[2-3]" in said
        assert [current(lab, host, app) for host in ("web2", "web3")] == [None, None]
        assert tree.differences(source, place(lab, "web2", app) / "releases/v1") == []

        said = fab("web[1-4]", *arguments, "--allow-failures", "50%", code=3)
        assert "2 of 4 hosts switched to v1" in said
        assert "web[1,4] failed, as was allowed" in said
        assert [arrived(lab, host, app, source) for host in ("web2", "web3")] == [[], []]

        said = fab("web[1,4]", *arguments, code=4)
        assert "all 2 hosts failed; nothing was switched" in said
    finally:
        for host in ("web1", "web4"):
            lab.start_sshd(host)
            lab.wait_for_ssh(host)


def test_each_host_that_is_not_fit_says_why_and_the_others_have_it_verified(
    lab: rig.Lab, fab: Fab, app: str, source: Path
) -> None:
    for host in ("web2", "web3"):
        place(lab, host, app).mkdir()
    on_host(lab, "web2", f"mount -t tmpfs -o ro tmpfs {app}")
    on_host(lab, "web3", f"mount -t tmpfs -o size=512k tmpfs {app}")
    (place(lab, "web4", app) / "current").mkdir(parents=True)
    place(lab, "web5", app).mkdir()
    (place(lab, "web5", app) / "current").symlink_to("/opt/other")
    place(lab, "web6", app).write_text("a file")
    try:
        said = fab("web[1-7]", "--files-path", str(source), "--destination-path", app, "--tag", "v1", code=3)
    finally:
        for host in ("web2", "web3"):
            on_host(lab, host, f"umount {app}")
    assert re.search(rf"web2: {app}\S*: Read-only file system", said)
    assert re.search(rf"web3: no space left for {app}: it needs \S+ MB, \S+ [kM]?B are free", said)
    assert f"web4: {app}/current is a directory or file of its own" in said
    assert f"To keep it as a release: mv {app}/current {app}/releases/before-murder" in said
    assert f"web5: {app}/current points at /opt/other, outside {app}/releases; nothing was changed" in said
    assert f"web6: {app} is no directory, or lies below a file" in said
    assert (place(lab, "web4", app) / "current").is_dir()
    assert current(lab, "web5", app) == "/opt/other"
    place(lab, "web6", app).unlink()
    for host in ("web1", "web7"):
        assert current(lab, host, app) is None
        assert tree.differences(source, place(lab, host, app) / "releases/v1") == []


def test_a_destination_that_another_run_has_is_busy(lab: rig.Lab, fab: Fab, app: str, source: Path) -> None:
    own = place(lab, "web2", app) / ".murder"
    own.mkdir(parents=True)
    holder = {"run": "0" * 16, "operator": "ann@desk", "since": "2026-11-21 10:00:00 +0000"}
    with (own / "lock").open("w") as lock:
        json.dump(holder, lock)
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        said = fab("web[1-2]", "--files-path", str(source), "--destination-path", app, "--tag", "v1", code=3)
    assert f"web2: busy: {app} is being deployed to by ann@desk since 2026-11-21 10:00:00 +0000" in said
    assert json.loads((own / "lock").read_text()) == holder
    # A lock is held by a process: what a killed run wrote into the file holds up nobody.
    fab("web[1-2]", "--files-path", str(source), "--destination-path", app, "--tag", "v1")
    assert arrived(lab, "web2", app, source) == []


def test_a_host_without_python_says_what_to_do(lab: rig.Lab, fab: Fab, app: str, source: Path) -> None:
    bashrc = lab.host_root("web2") / "root/.bashrc"
    bashrc.write_text("PATH=/nowhere\n")
    try:
        said = fab("web[1-2]", "--files-path", str(source), "--destination-path", app, "--tag", "v1", code=3)
    finally:
        bashrc.write_text("")
    assert re.search(r"web2: .*python3.*; install Python 3\.9 or newer there, or set murder\.python", said)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--tag", "v1;touch canary"], "a tag: letters, digits"),
        (["--tag", "$(touch canary)"], "a tag: letters, digits"),
        (["--tag", "../v1"], "a tag: letters, digits"),
        (["--tag", "-rf"], "a tag: letters, digits"),
        (["--tag", "v" * 101], "a tag: letters, digits"),
        (["--tag", "v1", "--destination-path", "/"], "must be an absolute path"),
        (["--tag", "v1", "--destination-path", "/srv/../etc"], "must be an absolute path"),
        (["--tag", "v1", "--destination-path", "srv/app"], "must be an absolute path"),
        (["--tag", "v1", "--destination-path", "/srv"], "at least two directories deep, such as /srv/app"),
        (["--tag", "v1", "--files-path", "missing"], "missing cannot be read: No such file or directory"),
        (["--tag", "v1", "--files-path", "/dev/null"], "is neither a directory nor a file"),
        (["--tag", "v1", "--allow-failures", "many"], "--allow-failures is 'many'"),
        (["--tag", "v1", "--no-destination"], "--destination-path is missing"),
        (["--tag", "v1", "--no-files"], "--files-path is missing"),
    ],
)
def test_what_is_wrong_without_any_host_is_one_sentence_and_no_connection(
    fab: Fab, source: Path, arguments: list[str], reason: str
) -> None:
    given = {"--files-path": str(source), "--destination-path": "/srv/app"}
    for flag, name in (("--no-destination", "--destination-path"), ("--no-files", "--files-path")):
        if flag in arguments:
            arguments = [one for one in arguments if one != flag]
            del given[name]
    defaults = [f"{name}={value}" for name, value in given.items() if name not in arguments]
    arguments = [f"{a}={b}" for a, b in zip(arguments[::2], arguments[1::2])]
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0)
        said = fab(f"127.0.0.1:{listening.getsockname()[1]}", *defaults, *arguments, code=2)
        with pytest.raises(BlockingIOError):
            listening.accept()
    assert reason in said
    assert said.count("\n") == 0
    assert not (fab.directory / "canary").exists()


def test_a_dry_run_says_what_it_would_do_and_connects_to_nobody(fab: Fab, source: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0)
        host = f"127.0.0.1:{listening.getsockname()[1]}"
        done = subprocess.run(
            [
                *(sys.executable, "-m", "fabric", "--dry", "-H", host, "murder.deploy"),
                *("--files-path", str(source), "--destination-path", "/srv/app", "--tag", "v1"),
            ],
            cwd=fab.directory,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        with pytest.raises(BlockingIOError):
            listening.accept()
    assert done.returncode == 0
    assert "dry run: no host was touched" in done.stderr
    assert f"  roles    tracker and seeder {host}; peers {host}\n" in done.stderr


# What is left behind --------------------------------------------------------------------------------------


@pytest.mark.parametrize("moment", ["murder:", "connect", "prepare", "upload", "swarm"])
def test_ctrl_c_leaves_every_host_as_it_was(
    lab: rig.Lab, fab: Fab, app: str, large: Path, slow_seeder: Callable[[str | None], None], moment: str
) -> None:
    slow_seeder("60mbit" if moment == "swarm" else "8mbit")
    running = fab.start("web[1-3]", "--files-path", str(large), "--destination-path", app, "--tag", "v1")
    running.wait_for(moment)
    running.interrupt()
    began = time.monotonic()
    assert running.end() == 130, str(running)
    assert time.monotonic() - began < 15
    assert re.match("(murder|fab): interrupted", running.lines[-1])
    assert "Traceback" not in str(running)
    wait_until(lambda: not agents(lab), 15, "agents still run")
    assert [current(lab, host, app) for host in ("web1", "web2", "web3")] == [None] * 3


@contextlib.contextmanager
def hanging(lab: rig.Lab, host: str) -> Iterator[None]:
    """Let the agents of a host stand still meanwhile."""
    stopped = list(agents(lab, host))
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)


def test_a_second_ctrl_c_leaves_at_once(lab: rig.Lab, fab: Fab, app: str, large: Path) -> None:
    """One agent hangs, so that cleaning up would have to wait for it."""
    running = fab.start("web[1-3]", "--files-path", str(large), "--destination-path", app, "--tag", "v1")
    running.wait_for("stage")
    with hanging(lab, "web3"):
        running.wait_for("upload")
        running.interrupt()
        running.wait_for("stopping: 3 hosts")
        running.interrupt()
        began = time.monotonic()
        assert running.end() == 130, str(running)
        assert time.monotonic() - began < 1
    assert "interrupted twice; what runs on the hosts ends by itself within 60 s" in running.lines[-1]
    cleaning = f"fab -S {lab.ssh_config} -H 'web[1-3]' murder.clean-temp-files --tag v1"
    assert f"clean up {cleaning}" in running.lines
    assert "Traceback" not in str(running)
    wait_until(lambda: not agents(lab), 10, "agents still run")
    assert [current(lab, host, app) for host in ("web1", "web2", "web3")] == [None] * 3
    assert "v1 had left nothing" in fab("web[1-3]", *shlex.split(cleaning)[5:])


def test_ctrl_c_does_not_wait_for_a_host_that_hangs_in_the_middle_of_the_switch(
    lab: rig.Lab, fab: Fab, app: str, source: Path
) -> None:
    """All have switched, and their hooks are at work; the one that hangs goes back when it wakes up."""
    hooks = "{after_switch: [sleep 60], before_switch_back: [sleep 60]}"
    (fab.directory / "fabric.yaml").write_text(f"murder: {{hooks: {hooks}}}\n")
    hosts = ("web1", "web2", "web3")
    running = fab.start("web[1-3]", "--files-path", str(source), "--destination-path", app, "--tag", "v1")
    running.wait_for("switch")
    assert [current(lab, host, app) for host in hosts] == ["releases/v1"] * 3
    with hanging(lab, "web3"):
        running.interrupt()
        began = time.monotonic()
        assert running.end() == 130, str(running)
        assert time.monotonic() - began < 15
    assert "interrupted; web3 may have been switched: run the same command again;" in running.lines[-1]
    assert "web3 did not answer, and what was started there ends by itself in 60 s" in running.lines[-1]
    wait_until(lambda: not agents(lab), 15, "agents still run")
    assert [current(lab, host, app) for host in hosts] == [None] * 3


def test_agents_end_when_fab_is_killed_and_the_next_run_goes_on_from_there(
    lab: rig.Lab, fab: Fab, app: str, large: Path, slow_seeder: Callable[[str | None], None]
) -> None:
    slow_seeder("16mbit")
    arguments = ("--files-path", str(large), "--destination-path", app, "--tag", "v1")
    running = fab.start("web[1-3]", *arguments)
    running.wait_for("upload")
    os.killpg(running.process.pid, signal.SIGKILL)
    running.end()
    wait_until(lambda: not agents(lab), 10, "agents still run")
    assert [current(lab, host, app) for host in ("web1", "web2", "web3")] == [None] * 3
    said = fab("web[1-3]", *arguments)
    assert "upload" not in said
    assert [arrived(lab, host, app, large) for host in ("web1", "web2", "web3")] == [[]] * 3


def test_an_agent_that_is_killed_fails_its_host_alone(
    lab: rig.Lab, fab: Fab, app: str, large: Path, slow_seeder: Callable[[str | None], None]
) -> None:
    slow_seeder("24mbit")
    arguments = ("--files-path", str(large), "--destination-path", app, "--tag", "v1")
    running = fab.start("web[1-3]", *arguments)
    running.wait_for("upload")
    for pid in agents(lab, "web3"):
        os.kill(pid, signal.SIGKILL)
    assert running.end() == 3, str(running)
    assert "web3: its SSH connection was lost" in running.lines
    assert "nothing was switched; v1 lies ready on web[1-2]" in str(running)
    assert [current(lab, host, app) for host in ("web1", "web2", "web3")] == [None] * 3
    slow_seeder(None)
    fab("web[1-3]", *arguments)
    assert [arrived(lab, host, app, large) for host in ("web1", "web2", "web3")] == [[]] * 3


def test_a_seeder_that_dies_before_one_copy_is_out_ends_the_run(
    lab: rig.Lab, fab: Fab, app: str, large: Path, slow_seeder: Callable[[str | None], None]
) -> None:
    """Row 4; and what is half there does not stand in the way of another tree under the same tag."""
    files = fab.directory / "build"
    shutil.copytree(large, files, symlinks=True)
    arguments = ("--files-path", "build", "--destination-path", app, "--tag", "v1")
    slow_seeder("4mbit")
    running = fab.start("web[1-3]", *arguments)
    running.wait_for("upload")
    for pid in agents(lab, "web1"):
        os.kill(pid, signal.SIGKILL)
    began = time.monotonic()
    assert running.end() == 4, str(running)
    assert time.monotonic() - began < 30
    assert re.search(r"web\[2-3\]: the seeder web1 failed, and \d+ of \d+ pieces with it", str(running))
    assert [current(lab, host, app) for host in ("web1", "web2", "web3")] == [None] * 3
    slow_seeder(None)
    tree.change(files)
    fab("web[1-3]", *arguments)
    assert [arrived(lab, host, app, files) for host in ("web1", "web2", "web3")] == [[]] * 3
