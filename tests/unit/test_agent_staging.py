"""Where payloads are put together, and what of them goes when their agent ends."""

from __future__ import annotations

import pytest

from murder_fabric import control
from murder_fabric.agent import staging
from murder_fabric.agent.staging import discard, finish_and_verify, stage
from murder_fabric.errors import StorageError, VerifyError
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


def test_a_seeder_that_is_no_peer_needs_room_too(tmp_path):
    length = 1 << 62
    with pytest.raises(StorageError, match=f"it needs {length} bytes, .* nothing was written"):
        staging._must_have_room(str(tmp_path / "seeds"), length)
    staging._must_have_room(str(tmp_path / "seeds"), 1)
