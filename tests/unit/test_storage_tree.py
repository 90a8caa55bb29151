"""Which trees become torrents, and what is refused with its path (rows 39, 63 and 64 of the fault matrix)."""

from __future__ import annotations

import hashlib
import os
import pathlib
import socket
import threading
from collections.abc import Iterable

import pytest
from vanishing import vanishes_once_listed

from murder_fabric.errors import BadInput, TreeError
from murder_fabric.metainfo.parsing import parse_metainfo
from murder_fabric.metainfo.values import Directory
from murder_fabric.storage import creation
from murder_fabric.storage.creation import create_metainfo
from murder_fabric.storage.excludes import Excludes
from murder_fabric.storage.tree import Tree, is_unchanged, scan


@pytest.fixture
def tree(tmp_path: pathlib.Path) -> pathlib.Path:
    root = tmp_path / "app"
    (root / "bin").mkdir(parents=True)
    (root / "empty").mkdir()
    (root / "bin" / "run").write_bytes(b"#!/bin/sh\n")
    (root / "bin" / "run").chmod(0o4755)
    (root / "data").write_bytes(os.urandom(3_000_000))
    (root / "data").chmod(0o640)
    (root / "none").touch()
    (root / "link").symlink_to("bin/./run")
    (root / "bin").chmod(0o2750)
    root.chmod(0o755)
    return root


def paths(root: pathlib.Path, *exclude: str) -> list[str]:
    return [os.fsdecode(b"/".join(file.path)) for file in scan(str(root), exclude).files]


def test_files_links_and_directories_are_found_with_their_modes(tree: pathlib.Path) -> None:
    found = scan(str(tree))
    assert found.name == b"app"
    assert [(b"/".join(file.path), file.length, file.symlink) for file in found.files] == [
        (b"bin/run", 10, None),
        (b"data", 3_000_000, None),
        (b"link", 0, b"bin/./run"),
        (b"none", 0, None),
    ]
    assert [oct(file.mode) for file in found.files if file.symlink is None] == ["0o755", "0o640", "0o644"]
    assert [directory.path for directory in found.directories] == [(), (b"bin",), (b"empty",)]
    assert Directory((b"bin",), 0o750) in found.directories


@pytest.mark.parametrize("limit", ["MOST_FILES", "LONGEST_TORRENT"])
def test_a_tree_of_more_files_than_a_torrent_may_name_makes_none(
    tree: pathlib.Path, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    """Fault row 62: what hosts would refuse is refused before anybody is asked to take it."""
    monkeypatch.setattr(creation, limit, 3)
    with pytest.raises(TreeError, match="holds 4 files, more than go into one torrent"):
        create_metainfo(str(tree), None)


def test_what_git_keeps_beside_a_tree_stays_at_home(tree: pathlib.Path) -> None:
    (tree / ".git" / "objects").mkdir(parents=True)
    (tree / ".git" / "HEAD").touch()
    (tree / "bin" / ".gitignore").touch()
    (tree / ".env").touch()
    assert paths(tree) == [".env", "bin/run", "data", "link", "none"]


@pytest.mark.parametrize(
    ("patterns", "path", "is_directory", "excluded"),
    [
        ([], ".git", True, True),
        ([], "a/.gitignore", False, True),
        ([], "a/git", False, False),
        (["*.pyc"], "a/b/c.pyc", False, True),
        (["log/*.log"], "log/a.log", False, True),
        (["log/*.log"], "log/a/b.log", False, False),
        (["log/*.log"], "x/log/a.log", False, False),
        (["log/**/*.log"], "log/a/b/c.log", False, True),
        (["**/cache"], "a/b/cache", True, True),
        (["/build"], "build", True, True),
        (["/build"], "a/build", True, False),
        (["tmp/"], "a/tmp", True, True),
        (["tmp/"], "a/tmp", False, False),
        (["*.log", "!keep.log"], "keep.log", False, False),
        (["!.git*"], ".gitignore", False, False),
        (["", "/", "!"], "a", False, False),
        (["[ab]?"], "b1", False, True),
    ],
)
def test_patterns_mean_what_they_mean_in_gitignore(
    patterns: list[str], path: str, is_directory: bool, excluded: bool
) -> None:
    assert Excludes(patterns)(tuple(os.fsencode(path).split(b"/")), is_directory) is excluded


def test_excluded_directories_are_not_even_read(tree: pathlib.Path) -> None:
    (tree / "cache").mkdir()
    os.mkfifo(tree / "cache" / "pipe")
    assert paths(tree, "cache/", "data") == ["bin/run", "link", "none"]


@pytest.mark.parametrize("text", ["nothing", ".", "bin/../data", "loop", "../app-not"])
def test_links_are_kept_only_if_they_stay_inside(tree: pathlib.Path, text: str) -> None:
    (tree / "loop").symlink_to(text)
    if text.startswith(".."):
        with pytest.raises(TreeError, match=r"the link loop -> \.\./app-not leads out of the tree"):
            scan(str(tree))
    else:
        assert "loop" in paths(tree)


def test_an_absolute_link_is_refused_even_if_it_points_inside(tree: pathlib.Path) -> None:
    (tree / "bin" / "abs").symlink_to(tree / "data")
    with pytest.raises(TreeError, match=r"the link bin/abs -> .* is absolute"):
        scan(str(tree))


def test_what_is_no_file_is_refused_by_its_kind(tree: pathlib.Path) -> None:
    os.mkfifo(tree / "bin" / "pipe")
    with pytest.raises(TreeError, match="bin/pipe is a FIFO"):
        scan(str(tree))
    (tree / "bin" / "pipe").unlink()
    with socket.socket(socket.AF_UNIX) as listener:
        here = pathlib.Path.cwd()
        os.chdir(tree)  # a socket's whole path must be shorter than a temporary directory may be
        listener.bind("sock")
        os.chdir(here)
        with pytest.raises(TreeError, match="sock is a socket"):
            scan(str(tree))


def test_hard_links_become_files_of_their_own(tree: pathlib.Path) -> None:
    os.link(tree / "data", tree / "twin")
    assert [
        file.sha256 for file in create_metainfo(str(tree), None).info.files if file.length == 3_000_000
    ] == ([create_metainfo(str(tree / "data"), None).info.files[0].sha256] * 2)


def test_odd_names_are_kept_byte_for_byte(tree: pathlib.Path) -> None:
    odd = [b"\xff\xfe", b"new\nline", b"-rf", b"$(x)", b"a\\b", b"~root", b"x" * 255]
    for name in odd:
        (pathlib.Path(os.fsdecode(os.fsencode(tree) + b"/" + name))).touch()
    names = [entry.path[-1] for entry in create_metainfo(str(tree), None).info.files]
    assert set(odd) <= set(names)
    assert names == sorted(names, key=lambda name: (b"bin", name) if name == b"run" else (name,))


@pytest.mark.parametrize("where", ["nowhere", "none/below", "pipe"])
def test_a_path_to_nothing_useful_is_refused_in_one_sentence(tree: pathlib.Path, where: str) -> None:
    os.mkfifo(tree / "pipe")
    with pytest.raises(TreeError, match=where):
        scan(str(tree / where))


def test_a_tree_of_directories_alone_is_one_and_an_empty_one_is_refused(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    info = create_metainfo(str(tmp_path / "a"), None).info
    assert (info.files, info.geometry.piece_count) == ((), 0)
    assert [directory.path for directory in info.directories] == [(), (b"b",)]
    for exclude, root in (((), "a/b"), (("b",), "a")):
        with pytest.raises(TreeError, match=f"{root} is empty, but for what .* leave out"):
            scan(str(tmp_path / root), exclude)


def test_where_releases_are_put_is_no_release(tree: pathlib.Path) -> None:
    (tree / "data-of-the-app").mkdir()
    (tree / "data-of-the-app" / ".murder").mkdir()
    scan(str(tree))
    (tree / ".murder").mkdir()
    with pytest.raises(TreeError, match=r"holds \.murder, so it is where releases are put.*/current"):
        scan(str(tree))
    assert (b".murder",) not in {one.path for one in scan(str(tree), ["/.murder"]).directories}


def test_the_same_tree_has_the_same_info_hash_whatever_its_dates(
    tree: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    first = create_metainfo(str(tree), "http://one/announce")
    os.utime(tree / "data", ns=(1, 1))
    (tree / "bin" / "again").touch()
    (tree / "bin" / "again").unlink()
    second = create_metainfo(f"{tree}/", "http://two/announce")
    assert second.info == first.info
    assert first.mtimes is not None
    assert second.mtimes is not None
    assert second.mtimes[1] == 1 != first.mtimes[1]
    moved = tree.rename(tmp_path / "other")
    assert create_metainfo(str(moved), None).info.info_hash != first.info.info_hash
    assert create_metainfo(str(moved), None, name=b"app").info == first.info


def test_a_single_file_is_named_like_itself_and_not_like_a_link_to_it(tree: pathlib.Path) -> None:
    info = create_metainfo(str(tree / "link"), None).info
    assert (info.name, info.single_file, info.files[0].mode) == (b"run", True, 0o755)


def test_a_single_file_may_be_given_another_name(tree: pathlib.Path) -> None:
    metainfo = create_metainfo(str(tree / "data"), None, name=b"other")
    assert metainfo.info.files[0].path == (b"other",)
    assert parse_metainfo(metainfo.encode()) == metainfo


@pytest.mark.parametrize("worth_a_thread", [0, 20, 10**9])
@pytest.mark.parametrize("buffer", [1, 7, 64, 100_000])
def test_pieces_are_the_same_however_files_lie_in_the_buffers(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, buffer: int, worth_a_thread: int
) -> None:
    monkeypatch.setattr(creation, "READ_SIZE", buffer)
    monkeypatch.setattr(creation, "WORTH_A_THREAD", worth_a_thread)
    contents = [
        bytes([number]) * length for number, length in enumerate((0, 1, 63, 64, 65, 0, 500, 16384, 7))
    ]
    for number, content in enumerate(contents):
        (tmp_path / f"file-{number}").write_bytes(content)
    info = create_metainfo(str(tmp_path), None, piece_length=16384).info
    assert [file.sha256 for file in info.files] == [hashlib.sha256(content).digest() for content in contents]
    run = b"".join(contents)
    assert info.pieces_sha1 == b"".join(hashlib.sha1(run[at : at + 16384]).digest() for at in (0, 16384))


@pytest.mark.parametrize(("length", "threads"), [(100, 1), (4000, 3)])
def test_the_hashes_of_small_files_are_told_where_they_are_read(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, length: int, threads: int
) -> None:
    """In a thread each of them would wait for the interpreter; those of pieces do, some hundred times."""
    for number in range(20):
        (tmp_path / f"file-{number}").write_bytes(bytes([number]) * length)
    expected = create_metainfo(str(tmp_path), None, piece_length=1024).info
    start, started = threading.Thread.start, []

    def counted(thread: threading.Thread) -> None:
        started.append(thread)
        start(thread)

    monkeypatch.setattr(creation, "READ_SIZE", 1000)
    monkeypatch.setattr(creation, "WORTH_A_THREAD", 500)
    monkeypatch.setattr(threading.Thread, "start", counted)
    assert create_metainfo(str(tmp_path), None, piece_length=1024).info == expected
    assert len(started) == threads


def test_where_no_thread_can_be_started_a_tree_is_hashed_in_the_one_there_is(
    tree: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def refuse(thread: threading.Thread) -> None:
        tried.append(thread)
        raise RuntimeError("can't start new thread")

    expected = create_metainfo(str(tree), None).info
    monkeypatch.setattr(creation, "WORTH_A_THREAD", 0)
    monkeypatch.setattr(creation, "READ_SIZE", 1 << 20)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert create_metainfo(str(tree), None).info == expected
    assert len(tried) == 3  # one for each hash, and none a second time


def test_progress_ends_at_the_whole(tree: pathlib.Path) -> None:
    told: list[tuple[int, int]] = []
    create_metainfo(str(tree), None, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (3_000_010, 3_000_010)
    assert told == sorted(told)


def _append(tree: pathlib.Path) -> None:
    with (tree / "bin" / "run").open("ab") as file:
        file.write(b"more")


def _rewrite_with_the_old_time(tree: pathlib.Path) -> None:
    status = (tree / "bin" / "run").stat()
    (tree / "bin" / "run").write_bytes(b"#!/bin/ah\n")
    os.utime(tree / "bin" / "run", ns=(status.st_atime_ns, status.st_mtime_ns))


def _turn_the_link(tree: pathlib.Path) -> None:
    (tree / "link").unlink()
    (tree / "link").symlink_to("none")


def test_what_comes_and_goes_and_what_stays_at_home_changes_no_tree(
    tree: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tree / "log").touch()
    found = scan(str(tree), ["log"])
    scans: list[str] = []

    def counted(path: str, exclude: Iterable[str]) -> Tree:
        scans.append(path)
        return scan(path, exclude)

    monkeypatch.setattr(creation, "scan", counted)
    with (tree / "log").open("a") as log:
        create_metainfo(
            str(tree), None, exclude=["log"], progress=lambda done, total: print(done, file=log, flush=True)
        )
    assert len(scans) == 1
    assert is_unchanged(found, ["log"])
    assert not is_unchanged(found)
    (tree / "later").touch()
    assert not is_unchanged(found, ["log"])
    (tree / "later").unlink()
    assert is_unchanged(found, ["log"])
    tree.rename(tree.with_name("gone"))
    assert not is_unchanged(found, ["log"])


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (_append, "bin/run"),
        (_rewrite_with_the_old_time, "bin/run"),
        (lambda tree: (tree / "data").unlink(), "data"),
        (lambda tree: (tree / "none").unlink(), "none"),
        (lambda tree: (tree / "none").rename(tree / "bin" / "none"), "none"),
        (lambda tree: os.truncate(tree / "data", 2_000_000), "data"),
        (lambda tree: (tree / "later").touch(), "later"),
        (lambda tree: (tree / "later").mkdir(), "later"),
        (lambda tree: (tree / "bin").chmod(0o700), "bin"),
        (lambda tree: tree.chmod(0o711), ""),
        (_turn_the_link, "link"),
    ],
)
def test_a_tree_that_changes_while_it_is_read_makes_no_torrent(
    tree: pathlib.Path, change: object, path: str
) -> None:
    """The change comes between the first block that is read and the next."""
    pending = [change]

    def progress(done: int, total: int) -> None:
        while pending:
            pending.pop()(tree)  # type: ignore[operator]

    with pytest.raises(TreeError, match=f"source changed: .*/app/?{path} "):
        create_metainfo(str(tree), None, progress=progress)


def test_what_goes_between_its_directory_and_itself_is_a_change_too(
    tree: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vanishes_once_listed(monkeypatch, tree / "none")
    with pytest.raises(TreeError, match=r"source changed: .*/app was changed while its tree was read"):
        scan(str(tree))


def test_a_piece_length_nobody_takes_is_bad_input(tree: pathlib.Path) -> None:
    with pytest.raises(BadInput, match="piece length"):
        create_metainfo(str(tree), None, piece_length=7)
