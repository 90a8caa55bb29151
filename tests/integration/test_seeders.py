"""Several seeders, on hosts with a real sshd: any of them may go."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
from collections.abc import Callable, Iterator
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


def test_murders_own_tasks_do_with_the_seeder_that_is_left(
    lab: rig.Lab, fab: Fab, app: str, build: Path
) -> None:
    (fab.directory / "fabric.yaml").write_text('{"murder": {"roles": {"seeder": "web[4-5]"}}}')
    tag = ("--tag", "v1")
    create = ("murder.create-torrent", *tag, "--files-path", "/srv/build")
    said = fab("web[1-2]", "murder.start-tracker", *create, "murder.start-seeding", *tag)
    try:
        assert "the torrent of v1 is on web[4-5] and in " in said
        assert "web4 seeds v1 at " in said
        assert "; web5 seeds v1 at " in said
        for pid in agents(lab, "web4"):
            os.kill(pid, signal.SIGKILL)
        (lab.host_root("web4") / "root/.murder/state/torrents/v1.torrent").write_bytes(b"d4:info")
        said = fab("web[1-2]", "murder.peer", *tag, "--destination-path", app)
        assert "web4: its agent said nonsense: recall: " in said
        assert "web[1-2] (2 hosts) complete with v1" in said
        for host in ("web1", "web2"):
            assert tree.differences(build, place(lab, host, app) / "v1") == []
        said = fab("web[1-2]", "murder.stop-seeding", *tag)
        assert "the seeders of v1 have ended on web5 (1 host); none was running on web4" in said
    finally:
        fab("web[1-2]", "murder.stop-peering", *tag, "murder.stop-tracker", "murder.clean-temp-files", *tag)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    tree.generate(tmp_path / "files", 8_000_000, 60)
    return tmp_path / "files"


def seeding_here(fab: Fab) -> list[str]:
    """Return the agents that run on this machine below a `fab` of ours, or were left by one."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_bytes().split(b"\0")
            if (
                words[1:2] == [b"-c"]
                and words[3:4] == [b"control"]
                and (process / "cwd").resolve() == fab.directory
            ):
                found.append(process.name)
    return found


def test_this_machine_seeds_and_sends_nothing_over_ssh(lab: rig.Lab, fab: Fab, app: str, files: Path) -> None:
    arguments = ("--files-path", str(files), "--destination-path", app, "--seed-here")
    said = fab("web[1-3]", "murder.fetch", *arguments, "--tag", "v1")
    assert "upload " not in said
    assert "3 of 3 hosts have v1" in said
    for host in PEERS:
        assert tree.differences(files, place(lab, host, app) / "releases/v1") == []
    tree.change(files)
    said = fab("web[1-3]", *arguments, "--tag", "v2")
    assert "3 of 3 hosts switched to v2" in said
    assert [arrived(lab, host, app, files) for host in PEERS] == [[]] * 3
    assert seeding_here(fab) == []


def test_ctrl_c_ends_the_seeder_on_this_machine_too(lab: rig.Lab, fab: Fab, app: str, files: Path) -> None:
    for host in PEERS:
        slow_down(lab, host, "2mbit")  # what they send; this machine is slowed down by the acknowledgements
    try:
        arguments = ("--files-path", str(files), "--destination-path", app, "--seed-here", "--tag", "v1")
        running = fab.start("web[1-3]", *arguments)
        running.wait_for("stage")
        assert len(seeding_here(fab)) == 1
        running.interrupt()
        assert running.end() == 130, str(running)
        assert "Traceback" not in str(running)
        wait_until(lambda: not seeding_here(fab), 5, "an agent still runs here")
    finally:
        for host in PEERS:
            slow_down(lab, host, None)


@pytest.fixture
def refuse(lab: rig.Lab) -> Iterator[Callable[[str], None]]:
    """Makes a host's own firewall refuse the peer ports of all others."""
    refusing: list[tuple[str, ...]] = []

    def begin(host: str) -> None:
        nft = ("ip", "netns", "exec", lab.prefix + host, "nft")
        refusing.append(nft)
        rules = (
            "add table inet here",
            "add chain inet here outgoing { type filter hook output priority 0; }",
            f"add rule inet here outgoing ip daddr {operator(lab)} tcp dport 6881-6999 reject",
        )
        machine.run(*nft, "; ".join(rules))

    yield begin
    for nft in refusing:
        machine.run(*nft, "delete table inet here")


def operator(lab: rig.Lab) -> str:
    """Return the address of this machine in the lab's network."""
    return lab.address("web1").rpartition(".")[0] + ".1"


@pytest.mark.skipif(shutil.which("nft") is None, reason="a firewall needs nft (Debian: nftables)")
def test_a_host_that_does_not_reach_this_machine_gets_everything_from_the_others(
    lab: rig.Lab, fab: Fab, app: str, files: Path, refuse: Callable[[str], None]
) -> None:
    arguments = ("--files-path", str(files), "--destination-path", app, "--seed-here")
    refuse("web2")
    said = fab("web[1-3]", *arguments, "--tag", "v1")
    assert f"web2: it does not reach this machine at {operator(lab)}, port " in said
    assert [arrived(lab, host, app, files) for host in PEERS] == [[]] * 3
    refuse("web1")
    refuse("web3")
    said = fab("web[1-3]", *arguments, "--tag", "v2", code=2)
    assert f"no host reaches this machine at {operator(lab)}, port " in said
    assert "leave --seed-here out" in said
