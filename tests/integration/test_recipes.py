"""Murder's own tasks against real sshd hosts, each a `fab` of its own, and what they leave running there."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from programs import FAB, REPOSITORY, Programs, contents, make_tree, snapshot, wait_until

from lab import machine, rig

FABFILE = """
from invoke import Collection
from murder_fabric import murder
ns = Collection(murder)
"""
ALL = "web[1-8]"
#: Of the tree that is moved.
SIZE = 3_000_000
#: Seconds within which a tracker is started, on a busy machine too; the tracker itself stays for hours.
STARTED = 30.0

Fab = Callable[..., subprocess.CompletedProcess[str]]


class Hosts:
    """The lab as these tests see it: their directory on each host, and the agents that stay there."""

    def __init__(self, lab: rig.Lab, name: str) -> None:
        self.names = lab.names
        self.place = f"/srv/{name}"
        self._lab = lab

    def path(self, host: str, below: str = "") -> Path:
        """Return where `place` on a host is seen from outside."""
        return self._lab.host_root(host) / self.place.lstrip("/") / below

    def agents(self, host: str) -> dict[str, int]:
        """Return the pid of each agent that says it stays on a host, and does."""
        state = self._lab.host_root(host) / "root/.murder/state"
        records = [json.loads(path.read_text()) for path in state.glob("*.json")]
        return {
            record["name"]: record["pid"] for record in records if Path(f"/proc/{record['pid']}").exists()
        }

    def processes(self) -> list[bytes]:
        """Return the command line of every process of ours on any host."""
        found = []
        for pid in machine.processes_in(self._lab.prefix + name for name in self.names):
            try:
                command = Path(f"/proc/{pid}/cmdline").read_bytes()
            except OSError:
                continue
            if b"python" in command:
                found.append(command)
        return found


@pytest.fixture
def hosts(lab: rig.Lab, request: pytest.FixtureRequest, fab: Fab) -> Iterator[Hosts]:
    """The hosts, with a tree on web1; whatever a failed test left running there is ended."""
    found = Hosts(lab, request.node.name.replace("[", "-").replace("]", ""))
    make_tree(found.path("web1", "build"), SIZE)
    os.chmod(found.path("web1", "build/a/b/one"), 0o711)
    found.path("web1", "build/link").symlink_to("a/middle")
    yield found
    for host in found.names:
        for pid in found.agents(host).values():
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def directory(lab: rig.Lab, tmp_path: Path) -> Path:
    """Where fab runs."""
    (tmp_path / "fabfile.py").write_text(FABFILE)
    return tmp_path


@pytest.fixture
def command(lab: rig.Lab) -> list[str]:
    return [FAB, "-S", str(lab.ssh_config)]


@pytest.fixture
def fab(directory: Path, command: list[str]) -> Fab:
    """Run fab on hosts; returns how it ended."""

    def run(on: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, *(["-H", on] if on else []), *arguments],
            cwd=directory,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), "TMPDIR": str(directory)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


def done(ended: subprocess.CompletedProcess[str]) -> str:
    """Return what a task that must have succeeded said last."""
    assert ended.returncode == 0, ended.stderr
    return ended.stderr.splitlines()[-1]


def refused(ended: subprocess.CompletedProcess[str], code: int, reason: str) -> None:
    assert (ended.returncode, "Traceback" in ended.stderr) == (code, False), ended.stderr
    assert reason in ended.stderr


def seeded(fab: Fab, hosts: Hosts, *tags: str, on: str = ALL) -> None:
    """Come as far as a tracker and a seeder of each tag."""
    done(fab(on, "murder.start-tracker"))
    for tag in tags:
        done(fab(on, "murder.create-torrent", "--tag", tag, "--files-path", f"{hosts.place}/build"))
        done(fab(on, "murder.start-seeding", "--tag", tag))


def detached(name: str, pid: int) -> None:
    """Check that an agent has nothing of the login that started it, which would wait for that."""
    assert os.getsid(pid) == pid
    log = f"/root/.murder/state/{name}.log"
    assert [os.readlink(f"/proc/{pid}/fd/{number}") for number in range(3)] == ["/dev/null", log, log]


def test_murders_manual_sequence(fab: Fab, hosts: Hosts, directory: Path) -> None:
    began = time.monotonic()
    said = done(fab(ALL, "murder.start-tracker"))
    assert time.monotonic() - began < STARTED
    assert said.startswith("murder: the tracker runs on web1, address ")
    tracker = hosts.agents("web1")
    assert done(fab(ALL, "murder.start-tracker")) == said.replace("tracker runs", "tracker already runs")
    assert hosts.agents("web1") == tracker

    said = done(fab(ALL, "murder.create-torrent", "--tag", "foo", "--files-path", f"{hosts.place}/build"))
    torrent = directory / "foo.torrent"
    assert str(torrent) in said
    assert stat.S_IMODE(torrent.stat().st_mode) == 0o600
    assert "web1 seeds foo at " in done(fab(ALL, "murder.start-seeding", "--tag", "foo"))
    assert "already" in done(fab(ALL, "murder.start-seeding", "--tag", "foo"))

    said = done(fab(ALL, "murder.peer", "--tag", "foo", "--destination-path", f"{hosts.place}/data"))
    assert said.startswith("murder: web[1-8] (8 hosts) complete with foo")
    source = snapshot(hosts.path("web1", "build"))
    for host in hosts.names:
        assert snapshot(hosts.path(host, "data/foo")) == source
        assert "peer-foo" in hosts.agents(host)
        for name, pid in hosts.agents(host).items():
            detached(name, pid)

    done(fab(ALL, "murder.stop-seeding", "--tag", "foo"))
    assert set(hosts.agents("web1")) == {"tracker", "peer-foo"}
    done(fab(ALL, "murder.stop-peering", "--tag", "foo"))
    done(fab(ALL, "murder.stop-tracker"))
    wait_until(lambda: not hosts.processes(), "no process of ours is left")
    assert [hosts.agents(host) for host in hosts.names] == [{}] * 8


def test_what_does_not_run_cannot_be_stopped_or_used(fab: Fab, hosts: Hosts) -> None:
    two = "web[1-2]"
    refused(fab(two, "murder.stop-tracker"), 2, "murder: web1: no tracker is running here")
    refused(
        fab(two, "murder.stop-seeding", "--tag", "foo"), 2, "no seeder of foo is running on web1 (1 host)"
    )
    refused(
        fab(two, "murder.stop-peers", "--tag", "foo"), 2, "no peer of foo is running on web[1-2] (2 hosts)"
    )
    refused(fab(two, "murder.start-seeding", "--tag", "foo"), 2, "no tracker runs on web1")
    done(fab(two, "murder.start-tracker"))
    refused(fab(two, "murder.start-seeding", "--tag", "nope"), 2, "no torrent of nope is kept here")
    done(fab(two, "murder.create-torrent", "--tag", "foo", "--files-path", f"{hosts.place}/build"))
    ended = fab(two, "murder.peer", "--tag", "foo", "--destination-path", f"{hosts.place}/data")
    refused(ended, 2, "murder.start-seeding --tag foo starts the seeder")
    assert set(hosts.agents("web1")) == {"tracker"}
    assert not hosts.path("web1", "data").exists()


def test_foo_is_not_foobar(fab: Fab, hosts: Hosts) -> None:
    two = "web[1-2]"
    others = ("foobar", "foo-2", "xfoo")
    seeded(fab, hosts, "foo", *others, on=two)
    for tag in ("foo", *others):
        done(fab(two, "murder.peer", "--tag", tag, "--destination-path", f"{hosts.place}/data"))
    done(fab(two, "murder.stop-seeding", "--tag", "foo"))
    done(fab(two, "murder.stop-peering", "--tag", "foo"))
    peers = {f"peer-{tag}" for tag in others}
    assert set(hosts.agents("web1")) == {"tracker", *peers, *(f"seeder-{tag}" for tag in others)}
    assert set(hosts.agents("web2")) == peers


def test_a_host_that_cannot_take_it_keeps_no_agent_and_the_others_have_it(fab: Fab, hosts: Hosts) -> None:
    four = "web[1-4]"
    seeded(fab, hosts, "foo", on=four)
    precious = hosts.path("web3", "data/foo/precious")
    precious.parent.mkdir(parents=True)
    precious.write_text("mine")
    ended = fab(four, "murder.peer", "--tag", "foo", "--destination-path", f"{hosts.place}/data")
    refused(ended, 3, f"web3: {hosts.place}/data/foo is there already and not empty; nothing was changed")
    assert snapshot(hosts.path("web4", "data/foo")) == snapshot(hosts.path("web1", "build"))
    assert contents(hosts.path("web3", "data")) == {"foo/precious": b"mine"}
    assert [set(hosts.agents(host)) for host in ("web3", "web4")] == [set(), {"peer-foo"}]


def test_a_payload_that_has_changed_is_not_seeded(fab: Fab, hosts: Hosts) -> None:
    done(fab("web1", "murder.start-tracker"))
    done(fab("web1", "murder.create-torrent", "--tag", "foo", "--files-path", f"{hosts.place}/build"))
    hosts.path("web1", "build/a/middle").write_bytes(b"other")
    refused(
        fab("web1", "murder.start-seeding", "--tag", "foo"), 4, "is not what the torrent of foo describes"
    )
    assert set(hosts.agents("web1")) == {"tracker"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_run_leaves_no_peer_and_no_part_of_the_payload(
    fab: Fab, hosts: Hosts, directory: Path, command: list[str], programs: Programs, number: signal.Signals
) -> None:
    """web1 is no peer here, only tracker and seeder; killed, fab can tell nobody to stop."""
    (directory / "fabric.yaml").write_text("murder: {roles: {tracker: web1, seeder: web1}}")
    seeded(fab, hosts, "foo", on="web2")
    seeder = hosts.agents("web1")["seeder-foo"]
    arguments = ["murder.peer", "--tag", "foo", "--destination-path", f"{hosts.place}/data"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    # A shell that runs the tests in the background has SIGINT ignored, and that is inherited.
    hearing = ("env", "--default-signal=INT", *command)
    peer = programs.start(*hearing, "-H", "web2", *arguments, cwd=directory, env=environment)
    wait_until(lambda: "peer-foo" in hosts.agents("web2"), "web2 has an agent")
    os.kill(seeder, signal.SIGSTOP)  # there is nothing to be had for web2 now
    try:
        wait_until(lambda: hosts.path("web2", "data/foo").exists(), "web2 makes ready")
        peer.process.send_signal(number)
        assert peer.wait() == (130 if number is signal.SIGINT else -signal.SIGKILL)
        wait_until(lambda: hosts.agents("web2") == {}, "the agent on web2 has ended")
        assert not hosts.path("web2", "data/foo").exists()
    finally:
        os.kill(seeder, signal.SIGCONT)
    done(fab("web2", *arguments))
    assert snapshot(hosts.path("web2", "data/foo")) == snapshot(hosts.path("web1", "build"))


def test_a_seeder_of_a_tracker_that_is_no_more_is_no_seeder(fab: Fab, hosts: Hosts, directory: Path) -> None:
    """The next tracker has another token, and is at another URL; nobody could meet that seeder."""
    (directory / "fabric.yaml").write_text("murder: {roles: {tracker: web1, seeder: web1}}")
    seeded(fab, hosts, "foo", on="web2")
    tracker = hosts.agents("web1")["tracker"]
    os.kill(tracker, signal.SIGKILL)
    wait_until(lambda: "tracker" not in hosts.agents("web1"), "the tracker has gone")
    done(fab("web2", "murder.start-tracker"))
    fetch = ("murder.peer", "--tag", "foo", "--destination-path", f"{hosts.place}/data")
    for arguments in (fetch, ("murder.start-seeding", "--tag", "foo")):
        refused(fab("web2", *arguments), 2, "foo is being served here for another tracker than runs now")
    assert hosts.agents("web2") == {}
    done(fab("web2", "murder.stop-seeding", "--tag", "foo"))
    done(fab("web2", "murder.start-seeding", "--tag", "foo"))
    done(fab("web2", *fetch))
    assert snapshot(hosts.path("web2", "data/foo")) == snapshot(hosts.path("web1", "build"))


def test_of_three_who_start_the_tracker_at_once_one_does(
    hosts: Hosts, directory: Path, command: list[str], programs: Programs
) -> None:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    starting = [
        programs.start(*command, "-H", "web1", "murder.start-tracker", cwd=directory, env=environment)
        for _ in range(3)
    ]
    assert [one.wait() for one in starting] == [0, 0, 0]
    assert sorted("already runs" in one.err for one in starting) == [False, True, True]
    wait_until(lambda: len(hosts.processes()) == 1, "only the tracker is left of all that was started")


def test_a_single_file_goes_straight_into_the_destination(fab: Fab, hosts: Hosts) -> None:
    two = "web[1-2]"
    done(fab(two, "murder.start-tracker"))
    done(fab(two, "murder.create-torrent", "--tag", "big", "--files-path", f"{hosts.place}/build/big"))
    done(fab(two, "murder.start-seeding", "--tag", "big"))
    where = ("--destination-path", f"{hosts.place}/data", "--no-tag-directory")
    done(fab(two, "murder.peer", "--tag", "big", *where))
    big = hosts.path("web1", "build/big").read_bytes()
    assert [contents(hosts.path(host, "data")) for host in ("web1", "web2")] == [{"big": big}] * 2


def test_peers_end_by_themselves_when_their_time_is_over(fab: Fab, hosts: Hosts, directory: Path) -> None:
    (directory / "fabric.yaml").write_text("murder: {seed_for: 0}")
    seeded(fab, hosts, "foo", on="web[1-2]")
    done(fab("web[1-2]", "murder.peer", "--tag", "foo", "--destination-path", f"{hosts.place}/data"))
    wait_until(lambda: hosts.agents("web2") == {}, "the peer on web2 has ended")
    wait_until(lambda: set(hosts.agents("web1")) == {"tracker", "seeder-foo"}, "the peer on web1 has ended")
    assert snapshot(hosts.path("web2", "data/foo")) == snapshot(hosts.path("web1", "build"))


def test_a_destination_is_emptied_where_that_is_asked_for_and_nothing_else_is(fab: Fab, hosts: Hosts) -> None:
    two = "web[1-2]"
    seeded(fab, hosts, "foo", on=two)
    for name in ("foo/old", "foobar/mine"):
        path = hosts.path("web2", f"data/{name}")
        path.parent.mkdir(parents=True)
        path.write_text("old")
    where = ("murder.peer", "--tag", "foo", "--destination-path", f"{hosts.place}/data")
    refused(fab(two, *where), 3, "not empty")
    done(fab(two, "murder.stop-peering", "--tag", "foo"))
    ended = fab("web2", *where, "--unsafe-please-delete")
    refused(ended, 2, "no tracker runs on web2")
    assert contents(hosts.path("web2", "data")) == {"foo/old": b"old", "foobar/mine": b"old"}
    ended = fab(two, *where, "--unsafe-please-delete")
    assert done(ended).startswith("murder: web[1-2] (2 hosts) complete with foo")
    assert f"6 entries of {hosts.place}/data/foo deleted on web[1-2] (2 hosts)" in ended.stderr
    assert snapshot(hosts.path("web2", "data/foo")) == snapshot(hosts.path("web1", "build"))
    assert contents(hosts.path("web2", "data/foobar")) == {"mine": b"old"}


def test_all_end_and_nothing_is_left_of_a_tag(fab: Fab, hosts: Hosts, directory: Path, lab: rig.Lab) -> None:
    two = "web[1-2]"
    seeded(fab, hosts, "foo", "bar", on=two)
    for tag in ("foo", "bar"):
        done(fab(two, "murder.peer", "--tag", tag, "--destination-path", f"{hosts.place}/data"))
    said = done(fab(two, "murder.clean-temp-files", "--tag", "foo"))
    assert "agents of foo still run on web[1-2] (2 hosts)" in said
    assert not (directory / "foo.torrent").exists()
    said = done(fab(two, "murder.download-torrent", "--tag", "foo"))
    assert f"{directory}/foo.torrent" in said
    assert (directory / "foo.torrent").read_bytes()[:1] == b"d"
    said = done(fab(two, "murder.stop-all-peering"))
    assert said == (
        "murder: the peers of bar have ended on web[1-2] (2 hosts); the peers of foo have ended on web[1-2]"
        " (2 hosts)"
    )
    said = done(fab(two, "murder.stop-all-seeding"))
    assert "the seeders of foo have ended on web1 (1 host)" in said
    refused(fab(two, "murder.stop-all-seeding"), 2, "no seeder is running on web1 (1 host)")
    assert set(hosts.agents("web1")) == {"tracker"}
    assert "files of foo removed from web[1-2] (2 hosts)" in done(
        fab(two, "murder.clean-temp-files", "--tag", "foo")
    )
    state = lab.host_root("web1") / "root/.murder/state"
    # Of `foo` and of no other tag: tests before this one leave notes of `foobar` and `foo-2`.
    assert [path for path in state.rglob("*") if re.search(r"(^|-)foo(\.|$)", path.name)] == []
    assert (state / "torrents/bar.torrent").exists()
    assert snapshot(hosts.path("web2", "data/foo")) == snapshot(hosts.path("web1", "build"))
    refused(fab(two, "murder.start-seeding", "--tag", "foo"), 2, "no torrent of foo is kept here")


def test_a_path_that_must_be_a_file_and_a_torrent_that_stays(fab: Fab, hosts: Hosts, directory: Path) -> None:
    make = ("murder.create-torrent", "--tag", "big", "--path-is-file", "--do-not-download-torrent")
    refused(fab("web1", *make, "--files-path", f"{hosts.place}/build"), 2, "build is a directory")
    said = done(fab("web1", *make, "--files-path", f"{hosts.place}/build/big"))
    assert said.startswith("murder: the torrent of big is on web1: 1 files")
    assert not (directory / "big.torrent").exists()


def test_the_agent_is_distributed_once(fab: Fab, lab: rig.Lab) -> None:
    done(fab("web[1-3]", "murder.distribute-files"))
    said = done(fab("web[1-3]", "murder.distribute-files"))
    assert said == "murder: the agent is on web[1-3] (3 hosts): 0 took it in, 3 had it"


def test_a_dry_run_touches_no_host(fab: Fab, hosts: Hosts) -> None:
    ended = fab("nowhere[1-3]", "--dry", "murder.start-tracker")
    assert done(ended) == "dry run: no host was touched"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["murder.peer", "--destination-path", "/srv/x"], "--tag is missing"),
        (["murder.peer", "--tag", "foo"], "--destination-path is missing"),
        (["murder.create-torrent", "--tag", "foo"], "--files-path is missing"),
        (["murder.peer", "--tag", "a/b"], "--tag is 'a/b', but must be a tag"),
        (
            ["murder.peer", "--tag", "foo", "--destination-path", "/data", "--no-tag-directory"],
            "/data: a destination is at least two directories deep",
        ),
        (["murder.switch", "--tag", "foo", "--destination-path", "/srv"], "at least two directories deep"),
        (
            ["murder.create-torrent", "--tag", "foo", "--files-path", "here"],
            "--files-path is 'here', but must",
        ),
    ],
)
def test_a_mistake_is_told_before_any_host_is_touched(fab: Fab, arguments: list[str], reason: str) -> None:
    refused(fab("nowhere1", *arguments), 2, reason)
