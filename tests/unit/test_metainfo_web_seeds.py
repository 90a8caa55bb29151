"""Where files lie at an origin: BEP 19's rules, quoting, and queries that are signatures."""

from __future__ import annotations

import pytest

from murder_fabric.metainfo.values import FileEntry, Info
from murder_fabric.metainfo.web_seeds import file_url, shown_origin


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
