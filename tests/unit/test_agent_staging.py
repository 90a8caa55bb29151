"""Where payloads are put together, and what of them goes when their agent ends."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest

from murder_fabric import control
from murder_fabric.agent.destination import Destination
from murder_fabric.agent.files import move_directory
from murder_fabric.agent.staging import discard, finish_and_verify, stage, verify_staged
from murder_fabric.errors import StorageError, UnfitError, VerifyError
from murder_fabric.storage.creation import create_metainfo


@pytest.fixture
def source(tmp_path):
    tree = tmp_path / "source"
    (tree / "deep").mkdir(parents=True)
    (tree / "deep/file").write_bytes(b"x" * 70_000)
    (tree / "empty").touch()
    return tree


@pytest.fixture
def staged(source):
    """Stage a payload plainly at a path; copied from the source unless told otherwise."""
    metainfo = create_metainfo(str(source), None)

    def run(path, copy=True):
        request = control.Stage(
            "foo", metainfo.info.digest.hex(), str(path), "plain", str(source) if copy else None
        )
        return stage(request, metainfo.encode())

    return run


def test_a_plain_payload_that_was_not_verified_goes_with_its_directory(staged, tmp_path):
    place = tmp_path / "data/foo"
    taken = staged(place)
    assert (place / "deep/file").exists()
    taken.payload.close()
    discard(taken)
    assert not place.exists()


def test_a_directory_that_was_there_before_stays_empty_as_it_was(staged, tmp_path):
    place = tmp_path / "data"
    place.mkdir()
    taken = staged(place)
    taken.payload.close()
    discard(taken)
    assert list(place.iterdir()) == []


def test_what_is_verified_stays(staged, tmp_path):
    taken = staged(tmp_path / "data")
    finish_and_verify(taken)
    taken.released = True
    taken.payload.close()
    discard(taken)
    assert (tmp_path / "data/deep/file").stat().st_size == 70_000


@pytest.mark.parametrize("kind", ["file", "full"])
def test_a_destination_that_is_not_empty_is_left_alone(staged, tmp_path, kind):
    place = tmp_path / "data"
    if kind == "file":
        place.write_text("mine")
    else:
        place.mkdir()
        (place / "precious").write_text("mine")
    with pytest.raises(StorageError, match="not empty; nothing was changed"):
        staged(place)
    assert (place if kind == "file" else place / "precious").read_text() == "mine"


def test_a_source_that_has_changed_leaves_nothing_behind(staged, source, tmp_path):
    (source / "deep/file").write_bytes(b"y" * 70_000)
    with pytest.raises(VerifyError, match="has changed since its torrent was made"):
        staged(tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_a_peer_starts_with_nothing(staged, tmp_path):
    taken = staged(tmp_path / "data", copy=False)
    taken.payload.close()
    assert taken.holdings.pieces.have == 0


@pytest.mark.parametrize(
    ("room", "why"),
    [
        (
            {"f_bavail": 17},
            r"no space left for \S+/data: it needs 70\.0 kB, 69\.6 kB are free; nothing was written",
        ),
        ({"f_favail": 3}, r"no inodes left for \S+/data: it needs 4, 3 are free; nothing was written"),
        ({"f_favail": 0, "f_files": 0}, None),
        ({}, None),
    ],
)
def test_what_is_no_release_needs_room_too(staged, tmp_path, monkeypatch, room, why):
    """A release had it before; this is said before a directory is made, wherever the nearest one is."""
    found = {"f_bavail": 1000, "f_frsize": 4096, "f_files": 100, "f_favail": 50, **room}
    asked = []
    monkeypatch.setattr(os, "statvfs", lambda path: asked.append(path) or SimpleNamespace(**found))
    if why is None:
        staged(tmp_path / "data").payload.close()
    else:
        with pytest.raises(StorageError, match=why):
            staged(tmp_path / "data")
        assert not (tmp_path / "data").exists()
    assert asked == [str(tmp_path)]


def test_a_release_that_was_killed_on_its_way_there_is_closed_by_the_next_try(source, tmp_path):
    """Row 2: a tree that is closed to its owner's writing is open while it is moved to where releases lie."""
    source.chmod(0o555)
    metainfo = create_metainfo(str(source), None)
    app = tmp_path / "app"
    Destination(str(app)).prepare()
    digest = metainfo.info.digest.hex()

    def deploy():
        taken = stage(
            control.Stage("v1", digest, str(app), "release", str(source), verify="full"), metainfo.encode()
        )
        verify_staged(taken, control.Verify("v1"))
        taken.payload.close()

    deploy()
    release = app / "releases" / "v1"
    assert release.stat().st_mode & 0o777 == 0o555
    release.chmod(0o755)
    deploy()
    assert release.stat().st_mode & 0o777 == 0o555
    release.chmod(0o775)
    with pytest.raises(VerifyError, match="has the mode 775, and should have 555"):
        deploy()


def test_a_tag_that_is_there_with_other_contents_is_refused_for_good(source, tmp_path):
    metainfo, app = create_metainfo(str(source), None), str(tmp_path / "app")
    Destination(app).prepare()
    digest = metainfo.info.digest.hex()
    taken = stage(control.Stage("v1", digest, app, "release", str(source)), metainfo.encode())
    verify_staged(taken, control.Verify("v1"))
    taken.payload.close()
    (source / "empty").write_text("no more")
    other = create_metainfo(str(source), None)
    with pytest.raises(UnfitError, match="with other contents") as caught:
        stage(control.Stage("v1", other.info.digest.hex(), app, "release"), other.encode())
    assert caught.value.exit_code == 2


def test_a_directory_that_is_closed_is_moved_and_closed_again(tmp_path, monkeypatch):
    """Root may move anything, so the refusal is the kernel's in name only."""
    (tmp_path / "closed").mkdir(mode=0o555)
    rename = os.rename

    def refuse_closed(path, target):
        if not os.stat(path).st_mode & 0o200:
            raise PermissionError(13, "Permission denied")
        rename(path, target)

    monkeypatch.setattr(os, "rename", refuse_closed)
    move_directory(str(tmp_path / "closed"), str(tmp_path / "moved"))
    assert (tmp_path / "moved").stat().st_mode & 0o777 == 0o555
    (tmp_path / "in-the-way").touch()
    with pytest.raises(NotADirectoryError):
        move_directory(str(tmp_path / "moved"), str(tmp_path / "in-the-way"))
    assert (tmp_path / "moved").stat().st_mode & 0o777 == 0o555
