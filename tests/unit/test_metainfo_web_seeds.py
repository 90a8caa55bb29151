"""Where files lie at an origin: BEP 19's rules, quoting, and queries that are signatures."""

from __future__ import annotations

import pytest

from murder_fabric.metainfo.values import FileEntry, Info, Metainfo
from murder_fabric.metainfo.web_seeds import MOST_WEB_SEEDS, file_url, moved, shown_origin, web_seeds


def info(*path, single=False):
    entry = FileEntry(path, 1)
    return Info(b"my app", 16384, b"", None, (entry,), (), single, True, b"")


@pytest.mark.parametrize(
    ("base", "path", "url"),
    [
        ("http://o/", (b"a", b"b"), "http://o/my%20app/a/b"),
        ("http://o", (b"a",), "http://o/my%20app/a"),
        ("http://o/x", (b"a",), "http://o/x/my%20app/a"),
        ("http://o/x/?key=a%2Fb", (b"a",), "http://o/x/my%20app/a?key=a%2Fb"),
        ("http://o:81/%20/", (b"50%?#&.txt",), "http://o:81/%20/my%20app/50%25%3F%23%26.txt"),
        ("http://o/", ("ü".encode(), b"\xff"), "http://o/my%20app/%C3%BC/%FF"),
        ("http://o/", (b"..a",), "http://o/my%20app/..a"),
    ],
)
def test_files_of_a_tree_lie_below_its_name(base, path, url):
    assert file_url(base, info(*path), 0) == url


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("http://o/dir/", "http://o/dir/my%20app"),
        ("http://o/dir/other.bin", "http://o/dir/other.bin"),
        ("http://o/dir/other.bin?sig=1%2F2&x", "http://o/dir/other.bin?sig=1%2F2&x"),
        ("http://o", "http://o/my%20app"),
    ],
)
def test_a_single_file_is_the_url_unless_that_is_a_directory(base, url):
    assert file_url(base, info(b"my app", single=True), 0) == url


def test_what_is_shown_holds_no_secret():
    assert shown_origin("http://user:pass@o:81/x/y?sig=secret#f") == "http://o:81/x/y"
    assert shown_origin("http://[") == "(an unreadable URL)"


@pytest.mark.parametrize(
    ("url", "location", "there"),
    [
        ("http://a/b/c?key=1", "d", "http://a/b/d"),
        ("http://a/b/c?key=1", "//e/d?x=%2F", "http://e/d?x=%2F"),
        ("http://a/b", "https://a/b", "https://a/b"),
        ("https://a/b", "http://a/b", None),
        ("https://a/b", "file:///etc/passwd", None),
        ("http://a/b", "ftp://a/b", None),
        ("http://a/b", "http://[/b", None),
    ],
)
def test_a_file_may_move_to_where_it_is_as_safe(url, location, there):
    assert moved(url, location) == there


def test_those_of_a_torrent_are_asked_too_as_far_as_they_can_be():
    urls = ("http://a/my app/", " https://b/%20x?k=a&b ", "ftp://c/", "http:///", "nonsense", "http://[")
    metainfo = Metainfo(info(b"x"), url_list=urls)
    found = ["http://a/my%20app/", "https://b/%20x?k=a&b"]
    assert web_seeds([], metainfo) == found
    assert web_seeds(["http://d/", found[1]], metainfo) == ["http://d/", found[1], found[0]]
    many = Metainfo(info(b"x"), url_list=tuple(f"http://a/{number}" for number in range(1000)))
    assert len(web_seeds(["http://d/"], many)) == MOST_WEB_SEEDS + 1
