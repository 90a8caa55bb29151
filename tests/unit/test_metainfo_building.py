"""Making a torrent of bytes, and reading it back."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from feeding import add_file
from hypothesis import given
from hypothesis import strategies as st

from murder_fabric.bencoding import decode, encode
from murder_fabric.errors import MetainfoError
from murder_fabric.metainfo.building import InfoBuilder
from murder_fabric.metainfo.parsing import parse_info, parse_metainfo
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
        add_file(builder, path, mode, content, cut)
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
    add_file(builder, (b"b",), 0o4711)
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


@given(
    st.booleans(),
    st.dictionaries(names, st.sampled_from([None, 0o644, 0o711, 0o755, 0o4100]), min_size=2, max_size=5),
)
def test_the_bytes_that_are_hashed_are_the_dictionary_that_was_checked(
    single_file: bool, made: dict[bytes, Any]
) -> None:
    """`raw` is put together by a template, and what it says is not read out of it."""
    builder = InfoBuilder(b"tree", PIECE, single_file=single_file)
    if single_file:
        add_file(builder, (b"tree",), next(iter(made.values())) or 0o600, b"content")
    else:
        builder.add_directory((), 0o750)
        for name, mode in sorted(made.items()):  # None: links, told in short and in full
            if mode is None:
                builder.add_link((b"d", name, b"plain"), b"../../b")
                builder.add_link((b"d", name, b"winding"), b"../.././b")
            else:
                add_file(builder, (b"d", name), mode, b"x" * mode)
    info = builder.build()
    assert encode(decode(info.raw, len(info.raw))) == info.raw
    assert parse_info(decode(info.raw, len(info.raw)), info.raw) == info


def test_a_single_file_carries_the_same_at_the_level_of_the_info() -> None:
    info = build({(b"tree",): (b"content", 0o755)}, single_file=True)
    assert info.single_file
    assert info.files == (FileEntry((b"tree",), 7, 0o755, hashlib.sha256(b"content").digest()),)
    assert b"5:files" not in info.raw


@pytest.mark.parametrize("second", [b"a", b"b", b"B"])
def test_files_out_of_order_are_refused(second: bytes) -> None:
    builder = InfoBuilder(b"tree", PIECE)
    add_file(builder, (b"b",), 0o644)
    with pytest.raises(MetainfoError, match="sorted by path"):
        builder.add_file((second,), 0o644, 0)


@pytest.mark.parametrize("piece_length", [0, 3, -1024, 2**40])
def test_a_piece_length_that_no_reader_takes_is_not_built(piece_length: int) -> None:
    with pytest.raises(MetainfoError, match="piece length"):
        InfoBuilder(b"tree", piece_length)


@pytest.mark.parametrize(
    "take",
    [
        lambda: InfoBuilder(b"a/b", PIECE),
        lambda: InfoBuilder(b"tree", PIECE).add_directory((b"a", b""), 0o755),
        lambda: InfoBuilder(b"tree", PIECE).add_file((b"a", b".."), 0o644, 0),
        lambda: InfoBuilder(b"tree", PIECE).add_link((b"a/b",), b"c"),
        lambda: InfoBuilder(b"tree", PIECE).add_link((b"a",), b"b" * 256),
    ],
)
def test_a_name_that_no_reader_takes_is_refused_at_once(take: Callable[[], object]) -> None:
    with pytest.raises(MetainfoError, match="no torrent can name"):
        take()


def test_nothing_is_built_that_would_not_be_read() -> None:
    builder = InfoBuilder(b"tree", PIECE)
    builder.add_link((b"a",), b"../outside")
    with pytest.raises(MetainfoError, match="leads out of the tree"):
        builder.build()
    with pytest.raises(MetainfoError, match="files is empty"):
        InfoBuilder(b"tree", PIECE).build()
    builder = InfoBuilder(b"tree", PIECE)
    for name in (b"a", b"b"):
        builder.add_file((name,), 0o644, 2**52 + 1)
        builder.hashes[-1](memoryview(b""), [0])
    with pytest.raises(MetainfoError, match="files come to 9007199254740994 bytes"):
        builder.build()
