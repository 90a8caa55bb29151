"""Making a torrent of bytes, and reading it back."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from murder_fabric.errors import MetainfoError
from murder_fabric.metainfo.building import InfoBuilder
from murder_fabric.metainfo.parsing import parse_metainfo
from murder_fabric.metainfo.paths import conflict
from murder_fabric.metainfo.values import Directory, FileEntry, Info, Metainfo

PIECE = 1024
names = st.binary(min_size=1, max_size=4).filter(lambda n: n not in (b".", b"..") and not {0, 47} & set(n))
paths = st.lists(names, min_size=1, max_size=3).map(tuple)
files = st.dictionaries(paths, st.tuples(st.binary(max_size=3 * PIECE), st.integers(0, 0o7777)), min_size=1)
trees = files.filter(lambda found: conflict(found, []) is None)


def build(tree: dict[tuple[bytes, ...], tuple[bytes, int]], cut: int = 1000, **how: Any) -> Info:
    """Feed a tree to a builder, `cut` bytes at a time."""
    builder = InfoBuilder(b"tree", PIECE, **how)
    for path, (content, mode) in sorted(tree.items()):
        builder.begin_file(path, mode)
        for start in range(0, len(content), cut):
            builder.update(content[start : start + cut])
    return builder.build()


@given(trees, st.sampled_from([1, 3, 1023, 5000]))
def test_what_is_built_is_what_is_read_back(tree: dict[Any, Any], cut: int) -> None:
    info = build(tree, cut)
    metainfo = Metainfo(info, "http://tracker/announce", mtimes=tuple(range(len(tree))))
    assert parse_metainfo(metainfo.encode()) == metainfo
    assert info.files == tuple(
        FileEntry(path, len(content), mode & 0o777, hashlib.sha256(content).digest())
        for path, (content, mode) in sorted(tree.items())
    )
    run = b"".join(content for _, (content, _) in sorted(tree.items()))
    pieces = [run[start : start + PIECE] for start in range(0, len(run), PIECE)]
    assert info.pieces_sha1 == b"".join(hashlib.sha1(piece).digest() for piece in pieces)
    assert [info.piece_hash(index) for index in range(len(pieces))] == [
        hashlib.sha256(piece).digest() for piece in pieces
    ]


@given(trees)
def test_how_the_bytes_are_cut_changes_nothing(tree: dict[Any, Any]) -> None:
    assert build(tree, 1).raw == build(tree, 10_000).raw


@given(trees, st.sampled_from([1, 700, 5000]))
def test_bytes_may_follow_all_files_and_each_hash_go_its_own_way(tree: dict[Any, Any], cut: int) -> None:
    builder, run, ends = InfoBuilder(b"tree", PIECE), b"", []
    for path, (content, mode) in sorted(tree.items()):
        builder.add_file(path, mode, len(content))
        run += content
        ends.append(len(run))
    for update in builder.hashes:
        done = 0
        for start in range(0, len(run), cut):
            part = memoryview(run)[start : start + cut]
            here = [end - start for end in ends[done:] if end <= start + len(part)]
            update(part, here)
            done += len(here)
        update(memoryview(b""), [0] * (len(ends) - done))
    assert builder.build() == build(tree)


def test_links_and_directories_are_kept() -> None:
    builder = InfoBuilder(b"tree", PIECE)
    builder.add_directory((b"z",), 0o2755)
    builder.add_directory((), 0o700)
    builder.add_link((b"a", b"short"), b"../b")
    builder.add_link((b"a", b"winding"), b".././b")
    builder.begin_file((b"b",), 0o4711)
    info = builder.build()
    assert info.directories == (Directory((), 0o700), Directory((b"z",), 0o755))
    assert info.files == (
        FileEntry((b"a", b"short"), 0, symlink=b"../b"),
        FileEntry((b"a", b"winding"), 0, symlink=b".././b"),
        FileEntry((b"b",), 0, 0o711, hashlib.sha256().digest()),
    )
    assert info.private
    assert info.geometry.piece_count == 0
    assert info.raw.count(b"murder symlink") == 1
    assert b"4:attr1:x" in info.raw


def test_a_single_file_carries_the_same_at_the_level_of_the_info() -> None:
    info = build({(b"tree",): (b"content", 0o755)}, single_file=True)
    assert info.single_file
    assert info.files == (FileEntry((b"tree",), 7, 0o755, hashlib.sha256(b"content").digest()),)
    assert b"5:files" not in info.raw


@pytest.mark.parametrize("second", [b"a", b"b", b"B"])
def test_files_out_of_order_are_refused(second: bytes) -> None:
    builder = InfoBuilder(b"tree", PIECE)
    builder.begin_file((b"b",), 0o644)
    with pytest.raises(MetainfoError, match="sorted by path"):
        builder.begin_file((second,), 0o644)


@pytest.mark.parametrize("piece_length", [0, 3, -1024, 2**40])
def test_a_piece_length_that_no_reader_takes_is_not_built(piece_length: int) -> None:
    with pytest.raises(MetainfoError, match="piece length"):
        InfoBuilder(b"tree", piece_length)


def test_nothing_is_built_that_would_not_be_read() -> None:
    builder = InfoBuilder(b"tree", PIECE)
    builder.add_link((b"a",), b"../outside")
    with pytest.raises(MetainfoError, match="leads out of the tree"):
        builder.build()
    with pytest.raises(MetainfoError, match="files is empty"):
        InfoBuilder(b"tree", PIECE).build()
