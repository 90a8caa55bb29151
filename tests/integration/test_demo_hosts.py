"""The demonstration's hosts behave as sshd does, as far as a deploy can tell."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("twisted.conch.ssh.keys", reason="needs the extra [demo]")
REPOSITORY = Path(__file__).resolve().parent.parent.parent
MEGABYTE = 1 << 20


class Serving:
    """Two demonstration hosts in a process of their own."""

    def __init__(self, run: Path) -> None:
        self.run = run
        argv = [sys.executable, "-m", "demo.hosts", "--hosts", "2", "--run", str(run)]
        self.process = subprocess.Popen(
            argv,
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline().startswith("2 hosts are up")

    def ssh(self, name: str, command: str) -> list[str]:
        return ["ssh", "-F", str(self.run / "ssh_config"), name, command]

    def do(self, name: str, command: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(self.ssh(name, command), input=stdin, capture_output=True, timeout=60)

    def home(self, name: str) -> Path:
        return self.run / "hosts" / name

    def resident(self) -> int:
        """Return the most memory the process ever had, in bytes."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        raise AssertionError("no VmHWM")

    def end(self) -> int:
        assert self.process.stdin is not None
        self.process.stdin.close()
        code = self.process.wait(timeout=20)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    if shutil.which("ssh") is None:
        pytest.skip("needs OpenSSH's ssh")
    serving = Serving(tmp_path_factory.mktemp("demo") / "run")
    yield serving
    serving.end()


def wait_until(true: object, patience: float = 10.0) -> None:
    assert callable(true)
    deadline = time.monotonic() + patience
    while not true():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def test_a_command_finds_its_own_home_and_what_sshd_would_set(hosts: Serving) -> None:
    done = hosts.do("web2", 'pwd; echo "$HOME"; echo "$SSH_CONNECTION"; command -v python3')
    here, home, connection, python = done.stdout.decode().splitlines()
    assert here == home == str(hosts.home("web2"))
    client, client_port, server, server_port = connection.split()
    assert client == server == "127.0.0.1"
    assert f"Port {server_port}\n" in (hosts.run / "ssh_config").read_text()
    assert client_port.isdigit()
    assert python == str(hosts.run / "bin" / "python3")


def test_exit_codes_and_standard_error_come_back_apart(hosts: Serving) -> None:
    done = hosts.do("web1", "echo out; echo err >&2; exit 7")
    assert (done.returncode, done.stdout, done.stderr) == (7, b"out\n", b"err\n")


def test_the_hosts_python_has_nothing_installed(hosts: Serving) -> None:
    done = hosts.do("web1", "python3 -I -c 'import sys; print(sys.prefix == sys.base_prefix)'")
    assert done.stdout == b"True\n"


def test_a_stranger_is_not_let_in(hosts: Serving, tmp_path: Path) -> None:
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    config = (hosts.run / "ssh_config").read_text().replace(str(hosts.run / "key"), str(key))
    (tmp_path / "config").write_text(config)
    argv = ["ssh", "-F", str(tmp_path / "config"), "-o", "BatchMode=yes", "web1", "echo in"]
    done = subprocess.run(argv, capture_output=True, timeout=30)
    assert done.returncode == 255
    assert done.stdout == b""
    assert b"Permission denied" in done.stderr


def test_fab_runs_a_command_on_each(hosts: Serving) -> None:
    fab = Path(sys.executable).with_name("fab")
    argv = [str(fab), "-S", str(hosts.run / "ssh_config"), "-H", "web1,web2", "--", "echo hi"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, cwd=hosts.run)
    assert done.stdout.split() == ["hi", "hi"], done.stderr


def test_large_input_and_output_arrive_whole(hosts: Serving) -> None:
    data = os.urandom(MEGABYTE) * 20
    done = hosts.do("web1", "cat", data)
    assert hashlib.sha256(done.stdout).digest() == hashlib.sha256(data).digest()


def test_a_slow_reader_on_either_side_costs_no_memory(hosts: Serving) -> None:
    before = hosts.resident()
    done = hosts.do("web1", "sleep 1; wc -c", bytes(100 * MEGABYTE))
    assert int(done.stdout) == 100 * MEGABYTE
    argv = hosts.ssh("web1", f"head -c {100 * MEGABYTE} /dev/zero")
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as reading:
        assert reading.stdout is not None
        time.sleep(1)
        received = 0
        while block := reading.stdout.read(MEGABYTE):
            received += len(block)
    assert received == 100 * MEGABYTE
    assert hosts.resident() - before < 20 * MEGABYTE


def test_input_to_a_program_that_closed_its_own_is_thrown_away(hosts: Serving) -> None:
    done = hosts.do("web1", "exec <&-; echo closed; sleep 0.3; exit 3", bytes(10 * MEGABYTE))
    assert (done.returncode, done.stdout) == (3, b"closed\n")


def test_when_the_client_goes_away_the_program_sees_the_end_of_its_input(hosts: Serving) -> None:
    client = subprocess.Popen(
        hosts.ssh("web1", "cat; echo over > over"), stdin=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert client.stdin is not None
    client.stdin.write(b"x")
    client.stdin.flush()
    time.sleep(0.5)
    assert not (hosts.home("web1") / "over").exists()
    client.kill()
    client.communicate()
    wait_until((hosts.home("web1") / "over").exists)


def test_a_detached_program_outlives_its_session_and_a_session_waits_for_its_output(hosts: Serving) -> None:
    home = hosts.home("web2")
    assert hosts.do("web2", "(sleep 0.5; echo late) & echo soon").stdout == b"soon\nlate\n"
    began = time.monotonic()
    hosts.do("web2", "(sleep 1; touch detached) </dev/null >/dev/null 2>&1 &")
    assert time.monotonic() - began < 0.9
    wait_until((home / "detached").exists)


def test_many_sessions_at_once(hosts: Serving) -> None:
    answers: list[bytes] = []
    asking = [
        threading.Thread(target=lambda: answers.append(hosts.do("web1", "cat", b"x" * 100_000).stdout))
        for _ in range(10)
    ]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    assert answers == [b"x" * 100_000] * 10


def test_the_hosts_end_with_their_input_and_hang_up_on_what_still_runs(tmp_path: Path) -> None:
    serving = Serving(tmp_path / "run")
    client = subprocess.Popen(
        # The pipes close in the same moment, and the shell would die of telling what became of `sleep`.
        serving.ssh("web1", "trap '' PIPE; trap '>word; exit' HUP; echo on; while :; do sleep 0.05; done"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert client.stdout is not None
    assert client.stdout.readline() == b"on\n"
    assert serving.end() == 0
    client.communicate(timeout=20)
    wait_until((serving.home("web1") / "word").exists)


def test_a_signal_ends_the_hosts_too(tmp_path: Path) -> None:
    serving = Serving(tmp_path / "run")
    serving.process.send_signal(signal.SIGTERM)
    assert serving.end() in (0, -signal.SIGTERM)  # newer Twisted dies of the signal once it has tidied up
    assert (
        b"Connection refused"
        in subprocess.run(
            ["ssh", "-o", "LogLevel=INFO", *serving.ssh("web1", "true")[1:]], capture_output=True, timeout=20
        ).stderr
    )
