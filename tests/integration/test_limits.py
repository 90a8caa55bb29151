"""Upload and download limits of real agents on loopback, alone and of several connections together."""

from __future__ import annotations

from pathlib import Path

import pytest
from origins import serving
from programs import Programs, create, make_tree, snapshot

SIZE = 3_000_000
LIMIT = 2_000_000


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return make_tree(tmp_path / "www" / "app", SIZE)


@pytest.fixture
def torrent(tree: Path, tmp_path: Path) -> Path:
    create(tree, tmp_path / "torrent")
    return tmp_path / "torrent"


def must_be_at_the_limit(seconds: float, length: int) -> None:
    """The lower bound holds on any machine; the upper one leaves a busy one time to start and to connect."""
    assert 0.75 * length / LIMIT < seconds < 2 * length / LIMIT + 20


def test_a_seeder_sends_no_more_than_it_may(
    programs: Programs, tree: Path, torrent: Path, tmp_path: Path
) -> None:
    tracker = programs.tracker()
    programs.seeder(torrent, tree, tracker, "--upload-limit", "2MB", "--dscp", "8")
    peer = programs.peer(torrent, tmp_path / "host", tracker, "--seed-for", "0")
    done = peer.event("completed")
    assert peer.wait() == 0
    assert snapshot(tmp_path / "host/app") == snapshot(tree)
    must_be_at_the_limit(done["seconds"], done["bytes_downloaded"])


def test_what_a_peer_takes_in_from_several_is_limited_together(
    programs: Programs, tree: Path, torrent: Path, tmp_path: Path
) -> None:
    tracker = programs.tracker()
    programs.seeder(torrent, tree, tracker, "--plain")
    first = programs.peer(torrent, tmp_path / "first", tracker, "--seed-for", "60")
    first.event("completed")
    with serving(tmp_path / "www") as origin:
        arguments = ("--download-limit", "16Mbit", "--web-seed", origin.url, "--seed-for", "0")
        peer = programs.peer(torrent, tmp_path / "second", tracker, *arguments, address="127.0.0.4")
        done = peer.event("completed")
        assert peer.wait() == 0
    assert snapshot(tmp_path / "second/app") == snapshot(tree)
    must_be_at_the_limit(done["seconds"], SIZE)
    assert first.process.poll() is None


def test_an_origin_alone_is_limited_too(
    programs: Programs, tree: Path, torrent: Path, tmp_path: Path
) -> None:
    with serving(tmp_path / "www") as origin:
        where = ("--listen", "127.0.0.3:0", "--seed-for", "0", "--web-seed", origin.url)
        peer = programs.agent("peer", torrent, tmp_path / "host", *where, "--download-limit", "2MB")
        done = peer.event("completed")
        assert peer.wait() == 0
    must_be_at_the_limit(done["seconds"], done["bytes_of_web_seeds"])
