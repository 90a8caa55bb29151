"""Ranges over HTTP, sans I/O: what an origin may answer, in any pieces, and what it may not."""

from __future__ import annotations

import pytest

from murder_fabric.errors import OriginBusy, OriginMoved, RemoteProtocolError
from murder_fabric.wire.web_seed import MAX_HEAD, RangeReader, format_range_request

HEAD = b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 10-14/100\r\nContent-Length: 5\r\n\r\n"


def read(data, size=10**6):
    """Return the reader and the body it made of *data*, given in pieces of *size*."""
    reader, body = RangeReader(10, 5, 100), b""
    for start in range(0, len(data), size):
        body += bytes(reader.receive(data[start : start + size]))
    return reader, body


def test_what_is_asked_for_is_one_range():
    lines = format_range_request("origin:8080", "/a%20b?key=1", 10, 5).split(b"\r\n")
    assert lines[0] == b"GET /a%20b?key=1 HTTP/1.1"
    assert {b"Host: origin:8080", b"Range: bytes=10-14", b"Accept-Encoding: identity"} <= set(lines)
    assert lines[-2:] == [b"", b""]


@pytest.mark.parametrize("size", [1, 3, 10**6])
def test_a_range_is_read_however_it_comes(size):
    reader, body = read(HEAD + b"bytes", size)
    assert (body, reader.complete, reader.keeps_alive) == (b"bytes", True, True)


@pytest.mark.parametrize(
    ("first", "connection", "keeps"),
    [
        (b"HTTP/1.1", b"close", False),
        (b"HTTP/1.0", b"", False),
        (b"HTTP/1.0", b"Keep-Alive", True),
        (b"HTTP/1.1", b"", True),
    ],
)
def test_a_connection_is_kept_where_the_origin_keeps_it(first, connection, keeps):
    head = HEAD.replace(b"HTTP/1.1", first)
    if connection:
        head = head.replace(b"\r\n\r\n", b"\r\nConnection: " + connection + b"\r\n\r\n")
    assert read(head + b"bytes")[0].keeps_alive is keeps


def test_an_unknown_size_is_believed():
    assert read(HEAD.replace(b"/100", b"/*") + b"bytes")[1] == b"bytes"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (b"206 Partial Content", b"200 OK", "does not know ranges"),
        (b"206 Partial Content", b"404 Not Found", "status 404"),
        (b"206 Partial Content", b"302 Found", "status 302 and does not say where the file is"),
        (b"10-14", b"0-4", "does not say that it sends the bytes 10-14"),
        (b"10-14", b"10-15", "does not say that it sends the bytes 10-14"),
        (b"Content-Range: bytes 10-14/100\r\n", b"", "does not say"),
        (b"/100", b"/99", "its file has 99 bytes, and the torrent's 100"),
        (b"Content-Length: 5", b"Content-Length: 6", "not that of the range"),
        (b"Content-Length: 5", b"Transfer-Encoding: chunked", "chunked"),
        (b"Content-Length: 5", b"Content-Encoding: gzip", "compressed"),
        (b"Content-Length: 5", b"Content-Range: bytes 0-4/100", "two different values of content-range"),
        (b"Content-Length: 5", b"no header", "header line that is none"),
        (b"HTTP/1.1 206", b"SSH-2.0 206", "not HTTP/1"),
        (b"HTTP/1.1 206", b"HTTP/1.1 2066", "not HTTP/1"),
    ],
)
@pytest.mark.parametrize("size", [1, 10**6])
def test_anything_else_is_the_origins_fault(old, new, says, size):
    data = HEAD.replace(old, new)
    assert data != HEAD
    with pytest.raises(RemoteProtocolError, match=says):
        read(data + b"bytes", size)


@pytest.mark.parametrize("status", [b"503 Busy", b"500 Oops", b"429 Too Many Requests"])
def test_an_origin_may_be_busy(status):
    with pytest.raises(OriginBusy, match=status[:3].decode()):
        read(HEAD.replace(b"206 Partial Content", status))


@pytest.mark.parametrize("size", [1, 10**6])
def test_more_than_was_asked_for_is_the_origins_fault(size):
    with pytest.raises(RemoteProtocolError, match="more than it was asked for"):
        read(HEAD + b"bytes!", size)


def test_an_endless_head_is_cut_off():
    with pytest.raises(RemoteProtocolError, match="not HTTP/1"):
        read(b"HTTP/1.1 206 OK\r\nX: " + b"x" * MAX_HEAD)


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_file_that_is_elsewhere_is_told_with_its_place(code):
    with pytest.raises(OriginMoved, match=f"HTTP status {code}") as caught:
        read(b"HTTP/1.1 %d Moved\r\nLocation: /there?a=b\r\nContent-Length: 5\r\n\r\nbytes" % code)
    assert caught.value.location == "/there?a=b"
