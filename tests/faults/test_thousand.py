"""Row 74: a thousand hosts for a `fab` that may have 1,024 files open, each a login to a real sshd."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest
import sshd as sshds
from deploying import FABFILE
from extent import so_many
from programs import FAB, REPOSITORY
from swarm import group

from murder_fabric.control import VERSION, encode_message

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(sshds.missing() is not None, reason=str(sshds.missing())),
]
HOSTS = so_many(60, 1000)
#: What `fab` may have open besides: with a thousand hosts that comes to 1,024.
BESIDES = 24
#: Seconds for a task that does nothing, and bytes of memory.
PATIENCE, MEMORY = 120.0, 512 << 20
#: Threads besides one for each host: those that connect (32), write (8), read, draw, and the first.
THREADS = 50


@pytest.fixture
def sshd(tmp_path):
    """One for a thousand names; who speaks there is no agent, but says what one says first."""
    hello = encode_message({"event": "hello", "version": VERSION, "agent": "none", "pid": 1})
    (tmp_path / "hello").write_bytes(hello)
    settings = [
        f"ForceCommand cat {tmp_path}/hello; exec cat >/dev/null",
        "MaxStartups 2000:30:4000",
    ]
    made = sshds.prepare(tmp_path, ["127.0.0.1"], ["127.0.0.1"], "\n".join(settings))
    with made.ssh_config.open("a") as config:
        config.write("    HostName 127.0.0.1\n")
    (tmp_path / "fabfile.py").write_text(FABFILE)
    with made.running():
        yield made


def begin(sshd: sshds.Sshd, files: int, *prefix: str) -> subprocess.Popen[str]:
    """Let `fab` do what takes no time on any host, with so many open files."""
    names = ",".join(f"127.0.{number // 250 + 1}.{number % 250 + 1}" for number in range(HOSTS))
    limited = ["prlimit", f"--nofile={files}:{files}"]
    return subprocess.Popen(
        [*prefix, *limited, FAB, "-S", str(sshd.ssh_config), "-H", names, "murder.distribute-files"],
        cwd=sshd.directory,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "HOME": str(sshd.directory)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_row_74_a_thousand_hosts_take_a_file_and_a_thread_each(sshd):
    running = begin(sshd, HOSTS + BESIDES)
    most: dict[str, int] = {"Threads": 0, "VmHWM": 0}
    end = time.monotonic() + PATIENCE
    try:
        while running.poll() is None and time.monotonic() < end:
            for line in Path(f"/proc/{running.pid}/status").read_text().splitlines():
                name, _, value = line.partition(":")
                if name in most:
                    most[name] = max(most[name], int(value.split()[0]))
            time.sleep(0.1)
    finally:
        running.kill()
        said = running.communicate()[0]
    assert running.returncode == 0, said
    assert f"({HOSTS} hosts): 0 took it in, {HOSTS} had it" in said
    assert most["Threads"] <= HOSTS + THREADS
    assert 0 < most["VmHWM"] * 1024 < MEMORY


def test_row_74_where_fewer_files_may_be_open_no_host_is_touched(sshd):
    running = begin(sshd, HOSTS)
    try:
        said = running.communicate(timeout=PATIENCE)[0]
    finally:
        running.kill()
    assert running.returncode == 2, said
    assert f"of which {HOSTS} are allowed (ulimit -Hn); raise that limit or name fewer hosts" in said
    assert "Traceback" not in said
    assert "Accepted" not in (sshd.directory / "sshd.log").read_text()


@pytest.mark.parametrize("threads", [HOSTS // 6, HOSTS // 2, HOSTS])
def test_row_90_where_fewer_threads_may_run_that_is_told_of_this_machine(sshd, threads):
    """Too few for those that connect, then for those of Paramiko, one for each host."""
    with group("pids", pids__max=str(threads)) as limited:
        running = begin(sshd, HOSTS + BESIDES, *limited.prefix)
        try:
            said = running.communicate(timeout=PATIENCE)[0]
        finally:
            running.kill()
    assert running.returncode in (2, 3, 4), said
    assert "this machine allows no further thread (ulimit -u, or pids.max of a container)" in said
    assert "Traceback" not in said
