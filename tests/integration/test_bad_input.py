"""What `fab` refuses, as a user sees it: one sentence that says what to do, before anything is touched."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from deploying import FABFILE, PATIENCE, REPOSITORY, Fab, agents, current, on_host, place

from lab import rig

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(rig.missing() is not None, reason=str(rig.missing())),
]
#: Root without these reads only what it may, as anybody else does.
UNPRIVILEGED = ("setpriv", "--inh-caps=-all", "--bounding-set=-dac_override,-dac_read_search")


# Trees that cannot be deployed ----------------------------------------------------------------------------


def with_fifo(files: Path) -> None:
    os.mkfifo(files / "queue")


def with_socket(files: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(files / "control"))


def with_device(files: Path) -> None:
    os.mknod(files / "null", 0o20600, os.makedev(1, 3))


def with_link_out(files: Path) -> None:
    (files / "config").symlink_to("../../etc/passwd")


def with_absolute_link(files: Path) -> None:
    (files / "config").symlink_to("/etc/passwd")


def with_closed_file(files: Path) -> None:
    (files / "secret").write_text("secret")
    (files / "secret").chmod(0)


def with_closed_directory(files: Path) -> None:
    (files / "private").mkdir(mode=0)


def emptied(files: Path) -> None:
    (files / "index").unlink()


def unsettled(files: Path) -> None:
    """Nothing yet: a thread writes to it from the moment it is looked at."""
    (files / "big").write_bytes(bytes(20_000_000))


TREES = {
    "FIFO": (with_fifo, r"/build/queue is a FIFO, which no release may hold: remove it or exclude it"),
    "socket": (with_socket, r"/build/control is a socket, which no release may hold"),
    "device": (with_device, r"/build/null is a device, which no release may hold"),
    "link out": (with_link_out, r"/build, .*config.*: change it or exclude it"),
    "absolute link": (with_absolute_link, r"/build, .*config.*: change it or exclude it"),
    "closed file": (with_closed_file, r"/build/secret cannot be read: Permission denied"),
    "closed directory": (with_closed_directory, r"/build\S* cannot be read: Permission denied"),
    "empty": (emptied, r"/build is empty, but for what \.git\* and --exclude leave out"),
    "changing": (
        unsettled,
        r"source changed: \S+/build/big was changed while its tree was read; no torrent was made",
    ),
}


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    """A port where nobody may connect."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        yield server
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.mark.parametrize(("spoil", "reason"), TREES.values(), ids=TREES)
def test_a_tree_that_cannot_be_deployed_is_named_and_nobody_is_connected_to(
    tmp_path: Path, listening: socket.socket, spoil: Callable[[Path], None], reason: str
) -> None:
    files = tmp_path / "build"
    files.mkdir()
    (files / "index").write_text("index")
    spoil(files)
    (tmp_path / "fabfile.py").write_text(FABFILE)
    stop = threading.Event()

    def write() -> None:
        while not stop.wait(0.002):
            with (files / "big").open("ab") as big:
                big.write(b"x")

    if spoil is unsettled:
        threading.Thread(target=write, daemon=True).start()
    host = f"127.0.0.1:{listening.getsockname()[1]}"
    arguments = ["--files-path", "build", "--destination-path", "/srv/app", "--tag", "v1"]
    done = subprocess.run(
        [*UNPRIVILEGED, sys.executable, "-m", "fabric", "-H", host, "murder.deploy", *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    stop.set()
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(f"murder: .*{reason}.*\n", done.stderr), done.stderr


# Hosts that cannot take part ------------------------------------------------------------------------------


def set_python(lab: rig.Lab, host: str, version: str | None) -> None:
    """Have *host* find a `python3` of that version; None: its own again."""
    python = lab.host_root(host) / "bin/python3"
    python.unlink()
    if version is None:
        python.symlink_to(lab.python)
        return
    told = ", ".join(version.split("."))
    # Started as `python3 -I -X utf8 -c PROGRAM`.
    python.write_text(
        f'#!/bin/sh\nexec {lab.python} -I -X utf8 -c "import sys; sys.version_info = ({told})\n$5"\n'
    )
    python.chmod(0o755)


def test_each_host_that_is_not_fit_says_what_to_do_and_nothing_moves_there(
    lab: rig.Lab, fab: Fab, app: str, source: Path
) -> None:
    set_python(lab, "web2", "3.8.10")
    (lab.host_root("web3") / "bin/python3").unlink()
    bashrc = lab.host_root("web3") / "root/.bashrc"
    bashrc.write_text(f"PATH={lab.host_root('web3')}/bin\n")
    place(lab, "web4", app).mkdir()
    on_host(lab, "web4", f"mount -t tmpfs -o nr_inodes=60 tmpfs {app}")
    own = place(lab, "web5", app) / ".murder"
    own.parent.mkdir(mode=0o777)
    own.parent.chmod(0o777)
    try:
        said = fab("web[1-5]", "--files-path", str(source), "--destination-path", app, "--tag", "v1", code=3)
    finally:
        on_host(lab, "web4", f"umount {app}")
        bashrc.write_text("")
        (lab.host_root("web3") / "bin/python3").symlink_to(lab.python)
        set_python(lab, "web2", None)
    why = {
        "web2": r"python\S* here is 3\.8\.10; the agent needs 3\.9 or newer: set murder\.python",
        "web3": r".*python3.*; install Python 3\.9 or newer there, or set murder\.python",
        "web4": rf"no inodes left for {app}: it needs \d+, \d+ are free; nothing was written",
        "web5": rf"{app} can be written by everybody; nothing was changed\. chmod o-w {app}",
    }
    for host, sentence in why.items():
        assert re.search(f"^{host}: {sentence}$", said, re.MULTILINE), said
    assert "nothing was switched; v1 lies ready on web1, current there is as it was" in said
    assert [current(lab, f"web{number}", app) for number in range(1, 6)] == [None] * 5
    assert not own.exists()
    assert not place(lab, "web2", app).exists()


# Ports ----------------------------------------------------------------------------------------------------

TAKE = """\
import socket, sys, time
taken = [socket.create_server((sys.argv[1], port)) for port in range(int(sys.argv[2]), int(sys.argv[3]) + 1)]
print("taken", flush=True)
time.sleep(600)
"""


@pytest.fixture
def take(lab: rig.Lab) -> Iterator[Callable[[str, int, int], int]]:
    """Takes all ports of a range on a host; returns the pid of who has them."""
    running = []

    def taking(host: str, first: int, last: int) -> int:
        argv = [lab.python, "-c", TAKE, lab.address(host), str(first), str(last)]
        holder = lab.run_in(host, argv, stdout=subprocess.PIPE, text=True)
        running.append(holder)
        assert holder.stdout is not None
        assert holder.stdout.readline() == "taken\n"
        return int(holder.pid)

    yield taking
    for holder in running:
        holder.kill()
        holder.wait()
        holder.stdout.close()


def test_where_all_ports_are_taken_it_is_said_who_has_them_and_which_setting_names_others(
    lab: rig.Lab, fab: Fab, app: str, source: Path, take: Callable[[str, int, int], int]
) -> None:
    """Fault row 58."""
    arguments = ("--files-path", str(source), "--destination-path", app, "--tag", "v1")
    settings = {"tracker_port": 9100, "peer_ports": "7001-7003"}
    (fab.directory / "fabric.yaml").write_text(json.dumps({"murder": settings}))
    pid = take("web2", 7001, 7003)
    name = Path(f"/proc/{pid}/comm").read_text().strip()
    said = fab("web[1-2]", *arguments, code=3)
    taken, choose = "Address already in use", "free a port there, or choose others with"
    peer = f"{taken} (7003 by process {pid}, {name}); {choose} murder.peer_ports"
    assert f"web2: cannot listen on {lab.address('web2')}:7001-7003: {peer}" in said
    assert "nothing was switched; v1 lies ready on web1, current there is as it was" in said

    pid = take("web1", 9100, 9119)
    why = f"{taken} (9119 by process {pid}, {name}); {choose} murder.tracker_port"
    tracker = f"cannot listen on {lab.address('web1')}:9100-9119: {why}"
    said = fab("web[1-2]", *arguments, code=4)  # web2 can track, and do no more
    assert f"web1: {tracker}" in said
    named = {"murder": {**settings, "roles": {"tracker": "web1"}}}
    (fab.directory / "fabric.yaml").write_text(json.dumps(named))
    said = fab("web[1-2]", *arguments, code=4)
    assert f"the tracker web1 failed: {tracker}; nothing was switched" in said
    assert [current(lab, host, app) for host in ("web1", "web2")] == [None, None]
    said = fab("web1", "murder.start-tracker", code=4)
    assert said.splitlines()[-1] == f"murder: nothing can be done without web1: {tracker}"
    deadline = time.monotonic() + 10
    while agents(lab, "web1"):
        assert time.monotonic() < deadline, "an agent that has no port to listen on stays"
        time.sleep(0.1)
