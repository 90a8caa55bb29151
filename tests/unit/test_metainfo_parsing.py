"""What a torrent may say, and which sentence refuses the rest (rows 59 to 64 of the fault matrix)."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from murder_fabric.bencoding import encode
from murder_fabric.errors import MetainfoError
from murder_fabric.metainfo.parsing import LONGEST_TORRENT, parse_metainfo
from murder_fabric.metainfo.values import Directory, FileEntry

KIB = 1024
ONE = {b"length": 3, b"path": [b"one"]}


def torrent(*files: Any, **changes: Any) -> bytes:
    """Encode a stock torrent of these files; a keyword sets an info key (`_` for a space), None drops it."""
    info: dict[bytes, Any] = {b"name": b"tree", b"piece length": 16 * KIB, b"files": list(files)}
    lengths = [entry.get(b"length", 0) for entry in files if isinstance(entry, dict)]
    total = sum(length for length in lengths if isinstance(length, int) and length > 0)
    info[b"pieces"] = b"h" * (20 * min(-(-total // (16 * KIB)), 10))
    info.update((key.replace("_", " ").encode(), value) for key, value in changes.items())
    return encode({b"info": {key: value for key, value in info.items() if value is not None}})


def path(*names: bytes) -> dict[bytes, Any]:
    return {b"length": 1, b"path": list(names)}


def link(text: bytes, *names: bytes) -> dict[bytes, Any]:
    """Encode a link whose text need not be the shortest."""
    target: list[bytes] = list(names[:-1])
    for name in text.split(b"/"):
        if name == b"..":
            del target[-1:]
        elif name not in (b"", b"."):
            target.append(name)
    symlink = {b"symlink path": target, b"murder symlink": text}
    return {b"attr": b"l", b"length": 0, b"path": list(names), **symlink}


def refusal(data: bytes) -> str:
    with pytest.raises(MetainfoError) as caught:
        parse_metainfo(data)
    sentence = str(caught.value)
    assert "\n" not in sentence
    return sentence


def test_a_stock_torrent_of_many_files_is_taken_as_it_is() -> None:
    data = torrent(ONE, {b"attr": b"xh", b"length": 16 * KIB, b"path": [b"bin", b"two"]})
    info = parse_metainfo(data).info
    assert info.files == (FileEntry((b"one",), 3), FileEntry((b"bin", b"two"), 16 * KIB, 0o755))
    assert (info.single_file, info.private, info.pieces_sha256, info.directories) == (False, False, None, ())
    assert info.info_hash == hashlib.sha1(data[len("d4:info") : -1]).digest()
    assert info.digest == hashlib.sha256(data[len("d4:info") : -1]).digest()
    assert info.hasher().digest() == hashlib.sha1().digest()
    assert info.piece_hash(1) == b"h" * 20


def test_a_stock_torrent_of_one_file_is_named_like_its_file() -> None:
    info = parse_metainfo(torrent(files=None, length=5, pieces=b"h" * 20, name=b"disk.img")).info
    assert info.single_file
    assert info.files == (FileEntry((b"disk.img",), 5),)


def test_what_stands_beside_the_info_dictionary_is_read_and_does_not_change_the_hash() -> None:
    info = {b"name": b"t", b"piece length": 16 * KIB, b"files": [ONE], b"pieces": b"h" * 20}
    beside = {
        b"announce": b"http://a/announce",
        b"announce-list": [[b"http://a/announce", b"http://b/announce"], [], [b"udp://c:1"]],
        b"comment": b"x",
        b"info": info,
        b"murder mtimes": [-1],
        b"url-list": [b"http://seed"],
    }
    found, bare = parse_metainfo(encode(beside)), parse_metainfo(encode({b"info": info}))
    assert found.announce == "http://a/announce"
    assert found.announce_list == (("http://a/announce", "http://b/announce"), ("udp://c:1",))
    assert found.mtimes == (-1,)
    assert found.info == bare.info
    assert found.info.raw == encode(info)
    assert parse_metainfo(found.encode()) == found


def test_a_hybrid_torrent_is_taken_as_version_1() -> None:
    pad = {b"attr": b"p", b"length": 16 * KIB - 3, b"path": [b".pad", b"16381"]}
    data = torrent(ONE, pad, path(b"two"), pad, **{"meta_version": 2, "file_tree": {b"one": {}}})
    files = parse_metainfo(data).info.files
    assert [entry.padding for entry in files] == [False, True, False, True]


def test_a_torrent_of_version_2_alone_is_refused_by_that_name() -> None:
    assert "v2 only" in refusal(torrent(files=None, pieces=None, **{"meta_version": 2, "file_tree": {}}))


@pytest.mark.parametrize(
    "name",
    [
        b".env",
        b".git",
        b"a b",
        "\N{SNOWMAN}".encode(),
        b"$(x)",
        b"-rf",
        b"~root",
        b"back\\slash",
        b"new\nline",
        b"\xff\xfe",
        b"...",
        b"x" * 255,
        b"*",
        b"%s",
    ],
)
def test_legal_odd_names_arrive_byte_for_byte(name: bytes) -> None:
    assert parse_metainfo(torrent(path(name, name))).info.files[0].path == (name, name)


@pytest.mark.parametrize(
    ("names", "word"),
    [
        ([], "path is empty"),
        ([b""], "is empty"),
        ([b"a", b""], "is empty"),
        ([b".."], '".."'),
        ([b"a", b"..", b"..", b"b"], '".."'),
        ([b"."], '"."'),
        ([b"/etc", b"passwd"], "slash"),
        ([b"a/../../b"], "slash"),
        ([b"a\0b"], "NUL"),
        ([b"x" * 256], "255"),
        ([b"x" * 250] * 20, "4095"),
    ],
)
def test_a_path_that_is_not_names_alone_is_refused(names: list[bytes], word: str) -> None:
    sentence = refusal(torrent(ONE, path(*names)))
    assert "info.files[1] path" in sentence
    assert word in sentence


@pytest.mark.parametrize("name", [b"", b".", b"..", b"a/b", b"/abs", b"a\0", b"x" * 256])
def test_a_name_that_is_no_name_is_refused(name: bytes) -> None:
    assert "info name" in refusal(torrent(ONE, name=name))
    assert "info name" in refusal(torrent(files=None, length=1, pieces=b"h" * 20, name=name))


@pytest.mark.parametrize(
    ("files", "word"),
    [
        ([path(b"a"), path(b"a")], "a is there twice"),
        ([path(b"a", b"b"), path(b"a")], "a is a file, and a/b would be below it"),
        ([path(b"a"), path(b"a!"), path(b"a", b"b")], "a is a file, and a/b would be below it"),
        ([link(b"b", b"a"), path(b"a", b"x")], "a is a file, and a/x would be below it"),
    ],
)
def test_paths_in_each_others_way_are_refused(files: list[Any], word: str) -> None:
    assert word in refusal(torrent(*files))


def test_case_twins_are_two_files() -> None:
    assert len(parse_metainfo(torrent(path(b"Readme"), path(b"README"))).info.files) == 2


def test_directories_may_hold_files_but_not_be_files() -> None:
    listed = [{b"path": [], b"murder mode": 0o750}, {b"path": [b"a"], b"murder mode": 0o700}]
    found = parse_metainfo(torrent(path(b"a", b"b"), murder_directories=listed)).info
    assert found.directories == (Directory((), 0o750), Directory((b"a",), 0o700))
    assert "a is there twice" in refusal(torrent(path(b"a"), murder_directories=listed))
    assert "'a'" not in refusal(torrent(path(b"b"), murder_directories=[*listed, listed[1]]))
    below = [{b"path": [b"b", b"c"], b"murder mode": 0o700}]
    assert "b is a file" in refusal(torrent(path(b"b"), murder_directories=below))
    escaping = [{b"path": [b".."], b"murder mode": 0o700}]
    assert 'path is ".."' in refusal(torrent(path(b"b"), murder_directories=escaping))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (b"../shared/x", (b"a", b"l")),
        (b"nothing", (b"l",)),
        (b"l", (b"l",)),
        (b".", (b"a", b"l")),
        (b"..", (b"a", b"l")),
        (b"./b//c/", (b"l",)),
        (b"a/../b", (b"l",)),
    ],
)
def test_links_that_stay_inside_keep_their_text(text: bytes, names: tuple[bytes, ...]) -> None:
    (entry, _) = parse_metainfo(torrent(link(text, *names), path(b"z"))).info.files
    assert entry == FileEntry(names, 0, symlink=text)


def test_a_link_of_another_maker_gets_the_shortest_text() -> None:
    stock = {b"attr": b"l", b"path": [b"a", b"b", b"l"], b"symlink path": [b"a", b"c", b"x"]}
    assert parse_metainfo(torrent(stock, path(b"z"))).info.files[0].symlink == b"../c/x"


@pytest.mark.parametrize(
    ("links", "word"),
    [
        ([link(b"/etc/passwd", b"l")], "l -> /etc/passwd is absolute"),
        ([link(b"..", b"l")], "l -> .. leads out of the tree"),
        ([link(b"../../x", b"a", b"l")], "leads out"),
        ([link(b"none/../../x", b"l")], "leads out"),
        # `d` is the root itself, so that `..` behind it is outside although the text alone stays inside.
        ([link(b"..", b"a", b"d"), link(b"a/d/..", b"l")], "l -> a/d/.. leads out"),
        ([link(b"a\0b", b"l")], "symlink path a\\x00b is not a path"),
        ([link(b"./" * 2048, b"l")], "cannot be a path"),
        ([link(b"./" * 1500, b"l")], "steps"),
    ],
)
def test_a_link_that_leaves_the_tree_is_refused(links: list[Any], word: str) -> None:
    assert word in refusal(torrent(*links, path(b"z")))


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({b"symlink path": [b"other"]}, "differ"),
        ({b"symlink path": [b".."]}, "symlink path"),
        ({b"symlink path": None}, "no symlink path"),
        ({b"symlink path": [7]}, "list of strings"),
        ({b"length": 1}, "length is 1"),
    ],
)
def test_a_link_that_says_two_things_is_refused(change: dict[bytes, Any], word: str) -> None:
    entry = {**link(b"./x", b"l"), **change}
    assert word in refusal(
        torrent({key: value for key, value in entry.items() if value is not None}, path(b"z"))
    )


@pytest.mark.parametrize("length", [0, -1, 3, 2**63 - 1, b"16", [], None])
def test_a_piece_length_nobody_can_mean_is_refused(length: Any) -> None:
    assert "piece length" in refusal(torrent(ONE, piece_length=length))


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (torrent(), "files is empty"),
        (torrent(files=None), "neither length nor files"),
        (torrent(ONE, length=3), "both length and files"),
        (torrent(ONE, pieces=b"h" * 19), "info pieces is 19 bytes"),
        (torrent(ONE, pieces=b"h" * 40), "the 1 pieces of the files need 20"),
        (torrent(ONE, pieces=None), "no pieces"),
        (torrent(ONE, pieces=7), "pieces is not a string"),
        (torrent(ONE, murder_pieces_sha256=b"h" * 20), "murder pieces sha256"),
        (torrent({b"length": -1, b"path": [b"a"]}), "info.files[0] length is -1"),
        (torrent({b"length": b"1", b"path": [b"a"]}), "info.files[0] length is not a number"),
        (torrent({b"path": [b"a"]}), "info.files[0] has no length"),
        (torrent({b"length": 1}), "info.files[0] has no path"),
        (torrent({b"length": 1, b"path": b"a"}), "path is not a list"),
        (torrent({b"length": 1, b"path": [1]}), "path is not a list of strings"),
        (torrent(7), "info.files[0] is not a dictionary"),
        (torrent(ONE, files=7), "files is not a list"),
        (torrent(*({b"length": 2**52, b"path": [b"%d" % n]} for n in range(3))), "files come to"),
        (torrent({**ONE, b"murder mode": 0o4755}), "murder mode"),
        (torrent({**ONE, b"murder sha256": b"short"}), "murder sha256"),
        (torrent({**ONE, b"attr": 1}), "attr is not a string"),
        (torrent({**ONE, b"attr": b"p"}), "nothing but padding"),
        (torrent(files=None, length=0, pieces=b"", attr=b"l", symlink_path=[b"x"]), "the only file a link"),
        (torrent(files=None, length=0, pieces=b"", murder_directories=[]), "beside a single file"),
        (torrent(ONE, name=None), "no name"),
        (encode({b"info": 7}), "info is not a dictionary"),
        (encode({b"announce": b"x"}), "no info"),
        (encode([]), "the torrent is not a dictionary"),
        (b"", "not a torrent"),
        (b"<html>", "not a torrent"),
        (torrent(ONE)[:-1], "not a torrent"),
        (torrent(ONE) + b"e", "not a torrent"),
        (b"l" * 1_000_000, "not a torrent"),
        (bytes(LONGEST_TORRENT + 1), "at most"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_torrent_that_breaks_a_rule_is_refused_by_the_fields_name(data: bytes, word: str) -> None:
    assert word in refusal(data)


@pytest.mark.parametrize(
    ("beside", "word"),
    [
        ({b"announce": 7}, "announce is not a string"),
        ({b"announce": b"\xff"}, "announce is not an address"),
        ({b"announce": b"http://x/\x1b[2J"}, "control characters"),
        ({b"announce-list": [b"http://x"]}, "announce-list is not a list of lists"),
        ({b"announce-list": [[7]]}, "announce-list is not an address"),
        ({b"url-list": 7}, "url-list is not an address"),
        ({b"url-list": [b"http://a/", b"\n"]}, "url-list holds control characters"),
        ({b"murder mtimes": [1, 2]}, "2 times for 1 files"),
        ({b"murder mtimes": [2**63]}, "no time"),
        ({b"murder mtimes": [b"1"]}, "no time"),
    ],
)
def test_what_stands_beside_the_info_dictionary_is_checked_too(beside: dict[bytes, Any], word: str) -> None:
    info = {b"name": b"t", b"piece length": 16 * KIB, b"files": [ONE], b"pieces": b"h" * 20}
    assert word in refusal(encode({b"info": info, **beside}))


def test_an_odd_name_in_a_sentence_cannot_move_the_cursor() -> None:
    assert "\\x1b[2J is there twice" in refusal(torrent(path(b"\x1b[2J"), path(b"\x1b[2J")))


def test_every_truncation_is_refused() -> None:
    data = torrent(ONE, link(b"one", b"two"))
    for end in range(len(data)):
        refusal(data[:end])


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (b"http://a/", ("http://a/",)),
        ([b"http://a/", b"", b"ftp://b/"], ("http://a/", "ftp://b/")),
        (b"", ()),
        ([], ()),
    ],
)
def test_web_seeds_are_one_or_a_list_and_stay_with_the_torrent(said: Any, found: tuple[str, ...]) -> None:
    info = {b"name": b"t", b"piece length": 16 * KIB, b"files": [ONE], b"pieces": b"h" * 20}
    metainfo = parse_metainfo(encode({b"info": info, b"url-list": said}))
    assert metainfo.url_list == found
    assert parse_metainfo(metainfo.encode()).url_list == found
