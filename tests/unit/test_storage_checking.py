"""Which pieces are there, and whether a finished tree is the one promised (rows 34 and 66)."""

from __future__ import annotations

import os
import pathlib
import shutil
from typing import Callable

import pytest

from murder_fabric.bencoding import decode, encode
from murder_fabric.errors import VerifyError
from murder_fabric.metainfo.parsing import parse_metainfo
from murder_fabric.metainfo.values import Metainfo
from murder_fabric.storage import checking
from murder_fabric.storage.checking import check, digest_at, verify_tree
from murder_fabric.storage.creation import create_metainfo
from murder_fabric.storage.directories import Directories
from murder_fabric.storage.payload import Payload

PIECE = 1024


@pytest.fixture
def tree(tmp_path: pathlib.Path) -> pathlib.Path:
    root = tmp_path / "app"
    (root / "bin").mkdir(parents=True)
    (root / "empty").mkdir()
    (root / "bin" / "run").write_bytes(os.urandom(2500))
    (root / "data").write_bytes(os.urandom(2500))
    (root / "none").touch()
    (root / "link").symlink_to("data")
    (root / "data").chmod(0o644)
    return root


@pytest.fixture
def made(tree: pathlib.Path) -> Metainfo:
    return create_metainfo(str(tree), None, piece_length=PIECE)


def as_stock(made: Metainfo) -> Metainfo:
    """Return the same torrent as another maker would have made it."""
    top = decode(made.encode(), 10**6)
    info = {key: value for key, value in top[b"info"].items() if not key.startswith(b"murder")}
    info[b"files"] = [
        {key: value for key, value in entry.items() if not key.startswith(b"murder")}
        for entry in info[b"files"]
    ]
    return parse_metainfo(encode({b"info": info}))


def flip(path: pathlib.Path, offset: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)
        file.seek(offset)
        file.write(bytes([byte[0] ^ 1]))


@pytest.mark.parametrize("stock", [False, True])
def test_a_whole_payload_has_every_piece(tree: pathlib.Path, made: Metainfo, stock: bool) -> None:
    info = as_stock(made).info if stock else made.info
    told: list[tuple[int, int]] = []
    found = check(info, Payload(info, str(tree)), lambda done, total: told.append((done, total)))
    assert found.complete
    assert told[0] == (PIECE, 5000)
    assert told[-1] == (5000, 5000)


def test_one_wrong_bit_costs_one_piece(tree: pathlib.Path, made: Metainfo) -> None:
    flip(tree / "data", 600)
    assert list(check(made.info, Payload(made.info, str(tree))).missing()) == [3]


def test_missing_and_short_files_cost_the_pieces_they_share(tree: pathlib.Path, made: Metainfo) -> None:
    os.truncate(tree / "data", 600)
    assert list(check(made.info, Payload(made.info, str(tree)))) == [0, 1, 2]
    (tree / "bin" / "run").unlink()
    assert check(made.info, Payload(made.info, str(tree))).have == 0
    assert not (tree / "bin" / "run").exists()


def test_an_empty_place_is_not_read_at_all(tmp_path: pathlib.Path, made: Metainfo) -> None:
    assert check(made.info, Payload(made.info, str(tmp_path / "new"))).have == 0
    assert not (tmp_path / "new").exists()


def test_a_tree_verifies_as_itself(tree: pathlib.Path, made: Metainfo) -> None:
    verify_tree(made.info, str(tree), mtimes=made.mtimes)


def test_a_stock_tree_verifies_when_it_is_finished(tree: pathlib.Path, made: Metainfo) -> None:
    info = as_stock(made).info
    payload = Payload(info, str(tree))
    payload.finish()
    (tree / "empty").rmdir()
    verify_tree(info, str(tree))
    flip(tree / "bin" / "run", 2499)
    with pytest.raises(VerifyError, match=r"bin/run does not hold the bytes that it should \(and 1 more\)"):
        verify_tree(info, str(tree))


def _become(path: str, make: Callable[[pathlib.Path], object]) -> Callable[[pathlib.Path], object]:
    def change(tree: pathlib.Path) -> None:
        target = tree / path
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target)
        else:
            target.unlink(missing_ok=True)
        make(target)

    return change


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda tree: flip(tree / "data", 2499), "data does not hold the bytes"),
        (lambda tree: os.truncate(tree / "data", 10), "data is 10 bytes long, and should be 2500"),
        (lambda tree: (tree / "data").chmod(0o4644), "data has the mode 4644, and should have 644"),
        (lambda tree: (tree / "empty").chmod(0o711), "empty has the mode 711"),
        (lambda tree: tree.chmod(0o711), "app has the mode 711"),
        (lambda tree: (tree / "none").unlink(), "none is missing"),
        (lambda tree: (tree / "empty").rmdir(), "empty is missing"),
        (lambda tree: (tree / "more").touch(), "more does not belong there"),
        (lambda tree: (tree / "bin" / ".git").mkdir(), "bin/.git does not belong there"),
        (lambda tree: os.mkfifo(tree / "pipe"), "pipe does not belong there"),
        (_become("link", lambda path: path.symlink_to("none")), "link is a link to something else"),
        (_become("link", lambda path: path.touch()), "link is not a link"),
        (_become("none", lambda path: path.symlink_to("data")), "none is not a file"),
        (_become("none", os.mkfifo), "none is not a file"),
        (_become("empty", lambda path: path.symlink_to("bin")), "empty is not a directory"),
        (_become("bin", lambda path: path.touch()), r"bin is not a directory \(and 1 more\)"),
    ],
)
def test_whatever_differs_is_named(
    tree: pathlib.Path, made: Metainfo, change: Callable[[pathlib.Path], object], sentence: str
) -> None:
    change(tree)
    with pytest.raises(VerifyError, match=f"{tree.parent}.*{sentence}"):
        verify_tree(made.info, str(tree))


@pytest.mark.parametrize("read_size", [1, 999, 2500, 2501])
def test_a_file_is_read_to_its_last_byte_however_much_is_read_at_once(
    tree: pathlib.Path, made: Metainfo, monkeypatch: pytest.MonkeyPatch, read_size: int
) -> None:
    monkeypatch.setattr(checking, "READ_SIZE", read_size)
    verify_tree(made.info, str(tree))
    flip(tree / "data", 2499)
    with pytest.raises(VerifyError, match=r"data does not hold the bytes that it should$"):
        verify_tree(made.info, str(tree))


def test_times_count_where_they_are_given(tree: pathlib.Path, made: Metainfo) -> None:
    os.utime(tree / "data", ns=(9, 9))
    verify_tree(made.info, str(tree))
    with pytest.raises(VerifyError, match="data has another time than the torrent says"):
        verify_tree(made.info, str(tree), mtimes=made.mtimes)


def test_a_tree_that_is_not_there_fails_with_its_path(tmp_path: pathlib.Path, made: Metainfo) -> None:
    with pytest.raises(Exception, match=f"No such file or directory: {tmp_path}/nowhere"):
        verify_tree(made.info, str(tmp_path / "nowhere"))


def test_around_a_single_file_other_things_may_lie(tree: pathlib.Path) -> None:
    made = create_metainfo(str(tree / "data"), None, piece_length=PIECE)
    verify_tree(made.info, str(tree), mtimes=made.mtimes)
    (tree / "data").unlink()
    with pytest.raises(VerifyError, match="data is missing"):
        verify_tree(made.info, str(tree))


def test_a_pipe_that_takes_the_place_of_an_empty_file_has_no_hash(tmp_path: pathlib.Path) -> None:
    """As swapped in between the look at its kind and the reading."""
    os.mkfifo(tmp_path / "none")
    directories = Directories(str(tmp_path))
    with pytest.raises(OSError, match="not a file is in the place of a file"):
        digest_at(directories, (b"none",))
    directories.close()
