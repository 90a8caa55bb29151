"""Bencoding and torrents: what is valid, and what holds of all that is taken."""

from __future__ import annotations

from typing import Any

from feeding import add_file
from mutating import BENCODING
from parsing import Parser

from murder_fabric.bencoding import decode, encode
from murder_fabric.errors import BencodeError, MetainfoError
from murder_fabric.metainfo.building import InfoBuilder
from murder_fabric.metainfo.parsing import parse_metainfo
from murder_fabric.metainfo.values import Metainfo

#: Bytes of bencoding that are taken; no sample comes near it.
LIMIT = 1 << 20


def torrent_of(tree: dict[tuple[bytes, ...], tuple[bytes, int]]) -> Metainfo:
    """Return the torrent of a tree: the content and mode of each path."""
    builder = InfoBuilder(b"tree", 1024)
    for path, (content, mode) in sorted(tree.items()):
        add_file(builder, path, mode, content)
    return Metainfo(builder.build(), "http://10.0.0.1:8998/announce", mtimes=tuple(range(len(tree))))


def info(**fields: Any) -> bytes:
    """Return a torrent as other makers write it: of one file, but for these *fields*."""
    said = {"name": "tree", "piece length": 1024, "length": 2000, "pieces": b"p" * 40, **fields}
    kept = {name: value for name, value in said.items() if value is not None}
    return encode({
        "announce": "http://10.0.0.1/announce",
        "announce-list": [["http://10.0.0.1/announce", "http://10.0.0.3/announce"], []],
        "info": kept,
        "url-list": ["http://10.0.0.2/f/", ""],
    })  # fmt: skip


def a_tree_is_safe(metainfo: Metainfo, data: bytes) -> None:
    assert parse_metainfo(metainfo.encode()) == metainfo
    assert metainfo.info.raw in data
    for entry in metainfo.info.files:
        assert entry.path
        assert not {b"", b".", b".."} & set(entry.path)
        assert not any(b"/" in name or b"\0" in name for name in entry.path)
        assert entry.mode is None or not entry.mode & ~0o777
        assert entry.symlink is None or not entry.symlink.startswith(b"/")


def is_canonical(found: list[Any], data: bytes) -> None:
    assert encode(found[0]) == data


TREES = (
    {(b"a",): (b"x" * 1500, 0o644)},
    {(b"bin", b"run"): (b"y" * 900, 0o755), (b"empty",): (b"", 0o600), (b"z \xff",): (b"z" * 100, 0o444)},
)
FILES = [{"length": 1000, "path": ["a", "b"]}, {"length": 1000, "path": ["a", "c"], "attr": "x"}]
LINKS = [
    {"path": ["l"], "attr": "l", "symlink path": ["a"], "murder symlink": "./a"},
    {"path": ["m", "n"], "attr": "l", "symlink path": ["l", "b"], "murder symlink": "../l/b"},
    {"length": 0, "path": ["a", "o"], "attr": "l", "symlink path": ["m", "n"]},
]
PADS = [
    {"length": 40, "path": [".pad", "40"], "attr": "p"},
    {"length": 8, "path": ["b"], "murder sha256": b"s" * 32},
]
TORRENTS = (
    *(torrent_of(tree).encode() for tree in TREES),
    info(),
    info(**{"files": [*FILES, *LINKS], "length": None}),
    info(**{"files": [*FILES, *PADS], "length": None}),
    info(**{"private": 1, "murder pieces sha256": b"s" * 64, "file tree": {"tree": {"": {"length": 2000}}}}),
    info(
        **{"files": FILES, "length": None, "murder directories": [{"path": ["d"], "murder mode": 0o755}]},
    ),
)
VALUES = ([b"", b"spam", 0, -1, 2**63], {b"": [], b"a": {b"b": [[]]}, b"z": 7}, b"x" * 30, -(10**18), [])
PARSERS = [
    Parser(
        "bencoding",
        lambda data: [decode(data, LIMIT)],
        BencodeError,
        (*map(encode, VALUES), TORRENTS[3]),
        is_canonical,
        BENCODING,
    ),
    Parser("torrents", parse_metainfo, MetainfoError, TORRENTS, a_tree_is_safe, BENCODING),
]
