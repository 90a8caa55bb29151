"""Staging beside older releases: whose files are taken over, what is still stored, what is told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from murder_fabric import control
from murder_fabric.agent.destination import Destination
from murder_fabric.agent.formers import MOST_FORMERS, formers
from murder_fabric.agent.removal import untouched_since
from murder_fabric.agent.staging import Staged, stage, store, told, verify_staged
from murder_fabric.errors import VerifyError
from murder_fabric.metainfo.holdings import Holdings
from murder_fabric.metainfo.values import Metainfo
from murder_fabric.storage.creation import create_metainfo

PIECE = 16_384


@pytest.fixture
def app(tmp_path: Path) -> Destination:
    made = Destination(str(tmp_path / "srv" / "app"))
    made.prepare()
    return made


@pytest.fixture
def source(tmp_path: Path) -> Path:
    root = tmp_path / "source"
    root.mkdir()
    for name, size in (("a", 20_000), ("b", 5_000), ("c", 40_000)):
        (root / name).write_bytes(name.encode() * size)
    return root


def torrent(source: Path) -> Metainfo:
    return create_metainfo(str(source), None, piece_length=PIECE)


def staged(app: Destination, tree: Path, tag: str, **more: object) -> Staged:
    metainfo = torrent(tree)
    request = control.Stage(tag, metainfo.info.digest.hex(), app.path, **more)  # type: ignore[arg-type]
    return stage(request, metainfo.encode())


def release(app: Destination, source: Path, tag: str) -> Path:
    """Make a release of *source*, and return where it lies."""
    taken = staged(app, source, tag, source=str(source))
    verify_staged(taken, control.Verify(tag))
    taken.payload.close()
    return Path(app.release(tag))


def bring(taken: Staged, source: Path) -> list[int]:
    """Store what is lacking, as the operator's upload does; return how many bytes came with each piece."""
    content = b"".join((source / name).read_bytes() for name in sorted(os.listdir(source)))
    sizes = []
    for index in list(taken.holdings.pieces.missing()):
        start = index * PIECE
        parts = [content[start + run.begin :][: run.length] for run in taken.holdings.lacking(index)]
        assert store(taken, index, b"".join(parts))
        sizes.append(len(b"".join(parts)))
    return sizes


def test_only_what_is_lacking_of_a_piece_is_stored_and_the_release_is_right(
    app: Destination, source: Path
) -> None:
    v1 = release(app, source, "v1")
    before = {path.name: (path.stat().st_ino, path.read_bytes()) for path in v1.iterdir()}
    (source / "b").write_bytes(b"B" * 5_000)
    taken = staged(app, source, "v2")
    assert taken.reused.bytes_of == {"v1": 60_000}
    assert bring(taken, source) == [5_000]
    verify_staged(taken, control.Verify("v2"))
    v2 = Path(app.release("v2"))
    assert (v2 / "b").read_bytes() == b"B" * 5_000
    assert {path.name: (path.stat().st_ino, path.read_bytes()) for path in v1.iterdir()} == before
    taken.payload.close()


def test_bytes_that_do_not_make_the_piece_right_are_not_stored(app: Destination, source: Path) -> None:
    release(app, source, "v1")
    (source / "b").write_bytes(b"B" * 5_000)
    taken = staged(app, source, "v2")
    (index,) = taken.holdings.pieces.missing()
    for data in (b"X" * 5_000, b"B" * 4_999, b"B" * PIECE, b""):
        assert not store(taken, index, data)
    assert not store(taken, 99, b"")
    assert not (Path(taken.root) / "b").exists()
    assert store(taken, index, b"B" * 5_000)
    taken.payload.close()


def test_a_payload_on_the_host_itself_fills_the_rest(app: Destination, source: Path) -> None:
    release(app, source, "v1")
    (source / "b").write_bytes(b"B" * 5_000)
    taken = staged(app, source, "v2", source=str(source))
    assert taken.holdings.pieces.complete
    assert (Path(taken.root) / "b").read_bytes() == b"B" * 5_000
    taken.payload.close()


def test_the_operator_is_told_what_is_there_and_from_where(app: Destination, source: Path) -> None:
    v1 = release(app, source, "v1")
    (v1 / "a").write_bytes(b"!" * 20_000)
    taken = staged(app, source, "v2")
    answer = told(taken)
    assert answer.fields == {
        "released": False,
        "removed": 0,
        "bytes_reused": {"v1": 45_000},
        "files_changed": 1,
    }
    holdings = Holdings.from_bytes(taken.metainfo.info, answer.attached)
    assert (list(holdings.files), holdings.bytes_lacking) == ([1, 2], 20_000)
    taken.payload.close()


def test_fast_is_what_the_operator_says(app: Destination, source: Path) -> None:
    """And what it lets pass is found when the new release is read."""
    v1 = release(app, source, "v1")
    time_then = (v1 / "a").stat().st_mtime_ns
    (v1 / "a").write_bytes(b"!" * 20_000)
    os.utime(v1 / "a", ns=(time_then, time_then))
    (source / "b").write_bytes(b"B" * 5_000)
    for mode, size in (("full", 25_000), ("fast", 5_000)):
        taken = staged(app, source, f"v2-{mode}", verify=mode)
        assert taken.holdings.bytes_lacking == size
        taken.payload.close()
    taken = staged(app, source, "v2-full")
    bring(taken, source)
    verify_staged(taken, control.Verify("v2-full"))
    taken.payload.close()


def test_what_fast_let_pass_is_fetched_by_the_next_try(app: Destination, source: Path) -> None:
    v1 = release(app, source, "v1")
    time_then = (v1 / "c").stat().st_mtime_ns
    (v1 / "c").write_bytes(b"c" * 39_999 + b"!")
    os.utime(v1 / "c", ns=(time_then, time_then))
    (source / "a").write_bytes(b"A" * 5)
    taken = staged(app, source, "v2", verify="fast")
    bring(taken, source)
    with pytest.raises(VerifyError, match="v2/c does not hold the bytes"):
        verify_staged(taken, control.Verify("v2"))
    taken.payload.close()
    taken = staged(app, source, "v2", verify="fast")
    assert bring(taken, source) != []
    verify_staged(taken, control.Verify("v2"))
    assert (Path(app.release("v2")) / "c").read_bytes() == b"c" * 40_000
    assert (v1 / "c").read_bytes()[-1:] == b"!"
    taken.payload.close()


def test_current_is_asked_first_then_the_newest_and_not_all(app: Destination, source: Path) -> None:
    tags = [f"v{number}" for number in range(1, MOST_FORMERS + 3)]
    for number, tag in enumerate(tags):
        (source / "b").write_bytes(b"%d" % number)
        release(app, source, tag)
    app.switch("v2")
    assert next(former.tag for former in formers(app, "v9")) == "v2"
    assert len(list(formers(app, "v9"))) == MOST_FORMERS
    os.unlink(Path(app.own) / "torrents/v2")
    assert "v2" not in [former.tag for former in formers(app, "v9")]


def test_a_release_of_somebody_else_is_not_asked(app: Destination, source: Path) -> None:
    (Path(app.path) / "releases/20240101000000").mkdir()
    assert list(formers(app, "v9")) == []


def test_a_single_file_is_taken_over_too(app: Destination, source: Path) -> None:
    release(app, source / "c", "v1")
    taken = staged(app, source / "c", "v2")
    assert taken.holdings.pieces.complete
    verify_staged(taken, control.Verify("v2"))
    assert os.listdir(app.release("v2")) == ["c"]
    taken.payload.close()


def test_a_file_that_releases_share_does_not_keep_an_abandoned_tree(tmp_path: Path) -> None:
    """Each release that links to a file gives it a new time of change."""
    abandoned, live = tmp_path / "abandoned", tmp_path / "live"
    abandoned.mkdir()
    for path in (live, abandoned / "own"):
        path.touch()
    os.link(live, abandoned / "shared")
    last = max(path.lstat().st_ctime for path in (abandoned, abandoned / "own"))
    while live.stat().st_ctime <= last:
        live.chmod(0o600)
    assert untouched_since(str(abandoned), live.stat().st_ctime)
    assert not untouched_since(str(abandoned), last)
