"""Row 66: other bytes of the same SHA-1 in the place of those that were deployed."""

from __future__ import annotations

import hashlib

import pytest
from collision import FIRST, SECOND
from host_life import HostLife, write_tree
from programs import contents, create

from murder_fabric import control
from murder_fabric.agent.destination import Destination
from murder_fabric.agent.drift import drift_of
from murder_fabric.agent.removal import remove_tree
from murder_fabric.agent.staging import store, verify_staged
from murder_fabric.errors import VerifyError

#: What follows is the same, and so is the SHA-1 of each of the two pieces.
REST = b"and so on " * 3000
TRUE, FALSE = FIRST + REST, SECOND + REST


@pytest.fixture
def host(tmp_path):
    """A host that may have a tree, and one that is the same to SHA-1."""
    trees = {
        tag: write_tree(tmp_path / tag, {"big": content, "deep/small": b"1"})
        for tag, content in (("v1", TRUE), ("v2", FALSE))
    }
    yield HostLife(tmp_path / "app", trees)
    for tree in tmp_path.iterdir():
        remove_tree(str(tree))


def test_row_66_two_trees_that_sha1_takes_for_one_are_two_releases(host):
    first, second = (host.torrents[tag].info for tag in ("v1", "v2"))
    assert hashlib.sha1(TRUE).digest() == hashlib.sha1(FALSE).digest()
    assert first.pieces_sha1 == second.pieces_sha1
    assert first.digest != second.digest
    host.deploy("v1")
    host.deploy("v2")
    assert host.current() == "v2"
    assert (host.app / "current/big").read_bytes() == FALSE


def test_row_66_a_piece_of_the_same_sha1_is_a_wrong_one(host):
    staged = host.stage("v1")
    assert not store(staged, 0, FALSE[:16384])
    assert store(staged, 0, TRUE[:16384])
    host.fill(staged, "v1")
    path = host.app / ".murder/staging/v1/big"
    path.write_bytes(FALSE)
    with pytest.raises(VerifyError, match="big does not hold the bytes that it should"):
        verify_staged(staged, control.Verify("v1", ["log"]))
    staged.payload.close()


def test_row_66_a_file_of_the_same_sha1_is_another_file(host):
    host.deploy("v1")
    (host.app / "releases/v1/big").write_bytes(FALSE)
    (fault,) = drift_of(Destination(str(host.app)), "v1").faults
    assert fault.endswith("big does not hold the bytes that it should")


def test_row_66_a_seeder_of_other_bytes_of_the_same_sha1_is_found_out(programs, tmp_path):
    """Real processes: it has not looked what it serves, and everybody else has."""
    for place, content in (("true", TRUE), ("false", FALSE)):
        (tmp_path / place / "app").mkdir(parents=True)
        (tmp_path / place / "app/big").write_bytes(content)
    torrent = tmp_path / "app.torrent"
    create(tmp_path / "true/app", torrent, "--piece-length", "16384")
    tracker = programs.tracker()
    programs.seeder(torrent, tmp_path / "false/app", tracker, "--trust", "--plain")
    peer = programs.peer(torrent, tmp_path / "web1", tracker, "--seed-for", "0")
    # It is right about the second piece, and asked for the first until it is banned.
    peer.event("progress", lambda said: said["bytes_downloaded"] >= len(TRUE))
    assert peer.events[-1]["event"] != "completed"
    programs.seeder(torrent, tmp_path / "true/app", tracker)
    assert peer.wait() == 0, peer.told()
    assert contents(tmp_path / "web1") == contents(tmp_path / "true")
