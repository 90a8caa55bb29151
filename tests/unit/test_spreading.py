"""When hosts have the torrent from one of themselves, and what becomes of those that cannot."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import pytest
from fake_channels import FakeChannels

from murder_fabric.control import Message
from murder_fabric.deploy.muster import SILENCE_LIMIT, Muster
from murder_fabric.deploy.outcome import HostState
from murder_fabric.deploy.preflight import Ready
from murder_fabric.deploy.roles import Roles
from murder_fabric.deploy.run import Run
from murder_fabric.deploy.settings import Settings
from murder_fabric.deploy.spreading import (
    FEW_HOSTS,
    LONGEST_PATIENCE,
    PATIENCE,
    SMALL_LENGTH,
    offer_of_torrent,
    patience_for,
    pays,
)
from murder_fabric.deploy.swarming import swarm
from murder_fabric.deploy.wanted import Wanted
from murder_fabric.deploy.watching.view import View
from murder_fabric.metainfo.holdings import Holdings
from murder_fabric.metainfo.values import Metainfo
from murder_fabric.storage.creation import create_metainfo
from murder_fabric.tracker.keys import torrent_path

MANY = [f"web{number}" for number in range(1, FEW_HOSTS + 3)]
TOKEN = bytes(range(16))


@pytest.mark.parametrize(
    ("hosts", "length", "expected"),
    [
        (FEW_HOSTS, 10_000_000, False),
        (FEW_HOSTS + 1, 10_000_000, True),
        (500, SMALL_LENGTH, False),
        (500, SMALL_LENGTH + 1, True),
    ],
)
def test_it_pays_with_more_than_a_few_hosts_and_more_than_little(
    hosts: int, length: int, expected: bool
) -> None:
    assert pays(hosts, length) is expected


def test_more_hosts_may_take_longer_and_none_so_long_as_to_seem_lost() -> None:
    assert patience_for(5, 40_000) < PATIENCE + 1
    assert patience_for(500, 200_000) == PATIENCE + 8
    assert patience_for(1000, 10_000_000) == LONGEST_PATIENCE < SILENCE_LIMIT


def test_an_offer_says_all_that_a_host_needs_to_know() -> None:
    offer = offer_of_torrent(b"torrent", b"h" * 20, 6, "10.0.0.1", 8998, TOKEN)
    assert offer.fields() == {
        "torrent_url": f"http://10.0.0.1:8998{torrent_path(b'h' * 20, TOKEN)}",
        "torrent_sha256": hashlib.sha256(b"torrent").hexdigest(),
        "torrent_length": 7,
        "patience": patience_for(6, 7),
    }


class Fleet:
    """Hosts that take part in a swarm of the files at *root*; those of *cut_off* get no torrent by HTTP."""

    def __init__(self, root: Path, hosts: list[str], cut_off: str = "", **settings: Any) -> None:
        self.metainfo: Metainfo = create_metainfo(str(root), None, piece_length=16384)
        self.raw = self.metainfo.encode()
        self.cut_off = cut_off.split()
        self.staging: list[tuple[str, dict[str, Any]]] = []
        self.channels = FakeChannels(
            {"start_tracker": {"port": 8998}, "stage": self.staged, "join": {"bytes_downloaded": 1}}
        )
        self.stream = io.StringIO()
        muster = Muster(self.channels, hosts, View(self.stream))  # type: ignore[arg-type]
        for host in hosts:
            muster.outcome.reached(host, HostState.READY)
        wanted = Wanted("v1", "/srv/app", str(root), self.metainfo)
        self.run = Run(muster, Roles(hosts[0], hosts[:1], hosts), Settings(**settings), wanted, TOKEN.hex())
        addresses = {host: f"10.0.0.{number}" for number, host in enumerate(hosts, 1)}
        swarm(self.run, Ready(addresses, {}, {}), self.metainfo, self.raw)

    def staged(self, host: str, fields: dict[str, Any]) -> Message:
        self.staging.append((host, fields))
        nothing = {"event": "done", "released": False, "removed": 0, "bytes_reused": {}, "files_changed": 0}
        if fields["torrent_url"] and host in self.cut_off:
            return Message({**nothing, "unfetched": "http://10.0.0.1:8998/...: no \x1b answer"})
        return Message(nothing, Holdings.all(self.metainfo.info).to_bytes())

    def attached(self, request: str) -> dict[str, list[bytes]]:
        """Return what came with each such request, by host."""
        found: dict[str, list[bytes]] = {}
        for (host, _, asked), data in zip(self.channels.asked, self.channels.attached):
            if asked == request:
                found.setdefault(host, []).append(data)
        return found


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree whose torrent is no small one."""
    root = tmp_path_factory.mktemp("many")
    for number in range(300):
        (root / f"a-file-with-a-name-{number}").write_bytes(b"%d" % number)
    return root


def test_the_torrent_of_many_hosts_leaves_once(files: Path) -> None:
    fleet = Fleet(files, MANY)
    assert len(fleet.raw) > SMALL_LENGTH
    assert fleet.attached("track") == {"web1": [fleet.raw]}
    assert fleet.attached("stage") == {host: [b""] for host in MANY}
    path = torrent_path(fleet.metainfo.info.info_hash, TOKEN)
    assert {fields["torrent_url"] for _, fields in fleet.staging} == {f"http://10.0.0.1:8998{path}"}
    assert "over SSH" not in fleet.stream.getvalue()


def test_a_host_that_cannot_fetch_it_is_sent_it_and_has_not_failed(files: Path) -> None:
    fleet = Fleet(files, MANY, cut_off="web3 web4")
    assert fleet.attached("stage") == {
        host: [b"", fleet.raw] if host in fleet.cut_off else [b""] for host in MANY
    }
    assert fleet.run.outcome.going == MANY
    (line,) = [line for line in fleet.stream.getvalue().splitlines() if "over SSH" in line]
    assert "web[3-4] took the torrent over SSH (http://10.0.0.1:8998/...: no " in line
    assert "\x1b" not in line
    assert "of 1 pieces" not in line


@pytest.mark.parametrize(
    ("hosts", "settings"), [(MANY[:FEW_HOSTS], {}), (MANY, {"tracker_url": "http://10.9.9.9/announce"})]
)
def test_few_hosts_and_those_of_another_tracker_are_each_sent_it(
    files: Path, hosts: list[str], settings: dict[str, Any]
) -> None:
    fleet = Fleet(files, hosts, **settings)
    assert fleet.attached("stage") == {host: [fleet.raw] for host in hosts}
    assert not any(any(data) for data in fleet.attached("track").values())
    assert {fields["torrent_url"] for _, fields in fleet.staging} == {None}
