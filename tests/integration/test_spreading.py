"""What hosts get from one of themselves, and over SSH where a firewall is in the way."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from deploying import Fab, arrived

from demo import tree
from lab import machine, rig

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(rig.missing() is not None, reason=str(rig.missing())),
    pytest.mark.skipif(shutil.which("nft") is None, reason="a firewall needs nft (Debian: nftables)"),
]


@pytest.fixture
def one_way_shut(lab: rig.Lab) -> Iterator[str]:
    """A host whose first connection to the tracker is refused, which is that for the torrent."""
    nft = ("ip", "netns", "exec", lab.prefix + "web4", "nft")
    rules = (
        "add table inet spread",
        "add chain inet spread outgoing { type filter hook output priority 0; }",
        "add rule inet spread outgoing tcp dport 8998-9017 tcp flags & (syn | ack) == syn"
        " limit rate 1/hour burst 1 packets reject with tcp reset",
    )
    machine.run(*nft, "; ".join(rules))
    yield "web4"
    machine.run(*nft, "delete table inet spread")


def test_the_torrent_comes_by_the_trackers_host_and_over_ssh_where_that_is_shut(
    lab: rig.Lab, fab: Fab, app: str, one_way_shut: str, tmp_path: Path
) -> None:
    files = tmp_path / "build"
    tree.generate(files, 300_000, 400)
    said = fab("web[1-6]", "--files-path", str(files), "--destination-path", app, "--tag", "v1")
    assert "6 of 6 hosts switched to v1" in said
    assert re.findall(r"(\S+) took the torrent over SSH \(http://\S+ connection refused\)", said) == [
        one_way_shut
    ]
    assert [arrived(lab, f"web{number}", app, files) for number in range(1, 7)] == [[]] * 6
