"""The lab itself: its hosts are apart, reach each other, are shaped, and leave nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab import machine, rig

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(rig.missing() is not None, reason=str(rig.missing())),
]


def ssh(lab: rig.Lab, name: str, command: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    argv = ["ssh", "-F", str(lab.ssh_config), name, command]
    return subprocess.run(argv, input=stdin, capture_output=True, timeout=60)


def neighbour_limit() -> int:
    return int(Path("/proc/sys/net/ipv4/neigh/default/gc_thresh3").read_text())


def test_ssh_reaches_a_host_under_its_own_name(lab: rig.Lab) -> None:
    done = ssh(lab, "web3", "hostname")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"web3\n", b"")


def test_hosts_reach_each_other_by_name(lab: rig.Lab) -> None:
    ask = "import socket; print(socket.create_connection(('web8', 22), 5).recv(4))"
    assert ssh(lab, "web1", f'python3 -c "{ask}"').stdout == b"b'SSH-'\n"


def test_the_disk_corners_and_the_home_are_a_hosts_own_and_seen_from_outside(lab: rig.Lab) -> None:
    done = ssh(lab, "web1", "for at in /srv /var/tmp ~; do echo mine > $at/mark; done")
    assert done.returncode == 0
    for corner in ("srv", "var/tmp", "root"):
        assert (lab.host_root("web1") / corner / "mark").read_text() == "mine\n"
    assert ssh(lab, "web2", "ls /srv/mark /var/tmp/mark ~/mark 2>&1; true").stdout.count(b"No such file") == 3
    assert not Path("/srv/mark").exists()


def test_a_program_started_in_a_host_is_the_process_popen_names(lab: rig.Lab) -> None:
    ask = "import os, socket; print(os.getpid(), socket.gethostname(), os.getcwd())"
    child = lab.run_in("web4", [sys.executable, "-c", ask], stdout=subprocess.PIPE, text=True)
    assert child.communicate(timeout=30)[0].split() == [str(child.pid), "web4", str(lab.home)]


def test_a_host_whose_sshd_is_stopped_refuses_and_comes_back(lab: rig.Lab) -> None:
    lab.stop_sshd("web5")
    assert (
        b"Connection refused"
        in subprocess.run(
            ["ssh", "-F", str(lab.ssh_config), "-o", "LogLevel=INFO", "web5", "true"],
            capture_output=True,
            timeout=30,
        ).stderr
    )
    lab.start_sshd("web5")
    lab.wait_for_ssh("web5")
    assert ssh(lab, "web5", "true").returncode == 0


def test_links_are_shaped_both_ways(tmp_path: Path) -> None:
    length = 5_000_000  # 1 s at 40 Mbit/s, less the burst
    with rig.Lab(tmp_path / "run", hosts=1, rate="40mbit") as shaped:
        began = time.monotonic()
        assert ssh(shaped, "web1", "cat > /dev/null", bytes(length)).returncode == 0
        sent = time.monotonic()
        assert len(ssh(shaped, "web1", f"head -c {length} /dev/zero").stdout) == length
        received = time.monotonic()
    assert 0.8 < sent - began < 3
    assert 0.8 < received - sent < 3


def test_two_labs_stand_side_by_side_and_the_last_one_restores_the_neighbour_table(tmp_path: Path) -> None:
    limit = neighbour_limit()
    links = set(os.listdir("/sys/class/net"))
    with rig.Lab(tmp_path / "a", hosts=2) as first:
        with rig.Lab(tmp_path / "b", hosts=2) as second:
            assert first.address("web1") != second.address("web1")
            assert ssh(second, "web2", "true").returncode == 0
        assert neighbour_limit() >= 32768
        assert ssh(first, "web2", "true").returncode == 0
        assert len(set(os.listdir("/sys/class/net")) - links) == 1
    assert machine.namespaces(first.prefix) == machine.namespaces(second.prefix) == []
    assert neighbour_limit() == limit
    assert set(os.listdir("/sys/class/net")) == links
    assert list(tmp_path.iterdir()) == []


def test_a_lab_that_is_up_is_not_put_up_again_but_can_be_used_and_taken_down_by_another_process(
    tmp_path: Path,
) -> None:
    first = rig.Lab(tmp_path / "run", hosts=2)
    with first:
        agent = first.run_in("web1", ["sleep", "1000"], start_new_session=True)
        with pytest.raises(machine.LabError, match=r"run inv lab\.down first"):
            rig.Lab(tmp_path / "run", hosts=2).up()
        other = rig.Lab.standing(tmp_path / "run")
        child = other.run_in("web2", ["hostname"], stdout=subprocess.PIPE)
        assert child.communicate(timeout=10)[0] == b"web2\n"
        other.down()
        assert agent.wait(timeout=10) == -15
    assert not (tmp_path / "run").exists()


def test_down_removes_what_a_crash_left_half_built(tmp_path: Path) -> None:
    class Crash(BaseException):
        """What a killed process leaves is what this leaves, `down` being out of reach."""

    class Crashing(rig.Lab):
        def wait_for_ssh(self, name: str, patience: float = 30.0) -> None:
            super().wait_for_ssh(name, patience)  # or the last sshd may not be in its namespace yet
            if name == self.names[-1]:
                raise Crash

        def down(self) -> None:
            raise Crash

    crashing = Crashing(tmp_path / "run", hosts=2)
    with pytest.raises(Crash):
        crashing.up()
    mine = machine.processes_in(machine.namespaces(crashing.prefix))
    assert len(mine) >= 4  # a keeper and an sshd a host; a connection may not have ended
    rig.Lab(tmp_path / "run").down()
    assert machine.namespaces(crashing.prefix) == []
    assert not any(machine.same_namespace(pid, f"{crashing.prefix}web1") for pid in mine)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("rate", ["fast", "10", "-1mbit", "10mbit; true"])
def test_a_rate_that_tc_would_not_take_is_refused(tmp_path: Path, rate: str) -> None:
    with pytest.raises(machine.LabError, match="is no rate"):
        rig.Lab(tmp_path, rate=rate)


def test_a_directory_with_other_things_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(machine.LabError, match="not empty"):
        rig.Lab(tmp_path).up()
    assert (tmp_path / "thesis.txt").read_text() == "years of work"
