"""`fab murder.doctor` on hosts with a real sshd: firewalls, a full disk, a host that is down."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from deploying import PATIENCE, REPOSITORY, Fab, on_host, place
from programs import FAB

from lab import machine, rig

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(rig.missing() is not None, reason=str(rig.missing())),
    pytest.mark.skipif(shutil.which("nft") is None, reason="a firewall needs nft (Debian: nftables)"),
]


def firewall(lab: rig.Lab, host: str, verdict: str) -> None:
    """Let nobody in at the ports of peers on *host*."""
    rules = (
        "add table inet doctor",
        "add chain inet doctor incoming { type filter hook input priority 0; }",
        f"add rule inet doctor incoming tcp dport 6881-6999 {verdict}",
    )
    machine.run("ip", "netns", "exec", lab.prefix + host, "nft", "; ".join(rules))


@pytest.fixture
def ill(lab: rig.Lab, app: str) -> Iterator[None]:
    """Something is wrong with each of web2 to web6."""
    firewall(lab, "web2", "drop")
    firewall(lab, "web3", "reject")
    place(lab, "web4", app).mkdir()
    on_host(lab, "web4", f"mount -t tmpfs -o size=512k tmpfs {app}")
    lab.stop_sshd("web5")
    (place(lab, "web6", app) / "current").mkdir(parents=True)
    yield
    for host in ("web2", "web3"):
        machine.run("ip", "netns", "exec", lab.prefix + host, "nft", "delete table inet doctor")
    on_host(lab, "web4", f"umount {app}")
    lab.start_sshd("web5")
    lab.wait_for_ssh("web5")


def lying_below(lab: rig.Lab, app: str) -> list[str]:
    return [str(path) for host in lab.names for path in place(lab, host, app).rglob("*")]


def test_each_host_is_told_what_is_wrong_with_it_and_nothing_is_changed(
    lab: rig.Lab, fab: Fab, app: str, source: Path, ill: None
) -> None:
    before = lying_below(lab, app)
    arguments = ("--destination-path", app, "--files-path", str(source))
    said = fab("web[1-8]", "murder.doctor", *arguments, code=3)
    why = {
        "web2": r"web\[\S+\] cannot reach web2 at \S+:6881 \(timed out: a firewall\?\)",
        "web3": r"web\[\S+\] cannot reach web3 at \S+:6881 \(refused, though it listens there",
        "web4": rf"no space left for {app}: it needs \S+ MB, \S+ kB are free; nothing was written",
        "web5": "refused the connection to port 22",
        "web6": f"{app}/current is a directory or file of its own",
    }
    for host, sentence in why.items():
        assert re.search(f"^{host}: {sentence}", said, re.MULTILINE), said
    assert "3 of 8 hosts are fit for a deploy" in said
    assert "web[2-6] failed" in said
    assert lying_below(lab, app) == before
    assert not place(lab, "web1", app).exists()


def test_hosts_that_are_well_are_reported_as_one_and_to_programs_one_by_one(
    lab: rig.Lab, fab: Fab, app: str, source: Path
) -> None:
    fab("web[1-2]", "--files-path", str(source), "--destination-path", app, "--tag", "v1")
    argv = [FAB, "-S", str(lab.ssh_config), "-H", "web[1-2]", "murder.doctor"]
    done = subprocess.run(
        [*argv, "--destination-path", app, "--json"],
        cwd=fab.directory,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "HOME": str(fab.directory)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    facts = document["hosts"]["web2"]["facts"]
    assert (facts["agent"], facts["current"], facts["address"]) == ("present", "v1", lab.address("web2"))
    assert facts["free_bytes"] > 0
    assert abs(facts["clock_offset"]) < 1
    said = fab("web[1-2]", "murder.doctor", "--destination-path", app)
    assert re.search(
        r"web\[1-2\] \(2 hosts\): Python \S+, current is v1, \S+ GB free or more, clock right", said
    )


def test_a_tree_that_cannot_be_deployed_is_told_before_any_host_is_asked(fab: Fab) -> None:
    (fab.directory / "empty").mkdir()
    said = fab("web1", "murder.doctor", "--destination-path", "/srv/app", "--files-path", "empty", code=2)
    assert said.startswith(f"murder: {fab.directory}/empty is empty, but for what .git* and --exclude leave")
