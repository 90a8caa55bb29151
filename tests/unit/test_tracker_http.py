"""The little HTTP of trackers, in pieces of 1, 3 and all; fault rows 54 and 57."""

from __future__ import annotations

import pytest

from murder_fabric.errors import TrackerError
from murder_fabric.tracker.http import (
    MAX_REQUEST,
    MAX_RESPONSE_HEAD,
    Request,
    RequestReader,
    ResponseReader,
    format_request,
    format_response,
)

SIZES = [1, 3, 10**6]


def cut(data, size):
    return [data[start : start + size] for start in range(0, len(data), size)]


def read_request(data, size=10**6):
    reader = RequestReader()
    for part in cut(data, size):
        request = reader.receive(part)
        if request is not None:
            return request
    return None


def read_response(data, size=10**6, max_length=1000):
    """Return the body, and whether it was known before the connection's end."""
    reader = ResponseReader(max_length)
    for part in cut(data, size):
        body = reader.receive(part)
        if body is not None:
            return body, True
    return reader.finish(), False


@pytest.mark.parametrize("size", SIZES)
def test_what_a_client_asks_the_tracker_reads(size):
    data = format_request("web1:8998", "/x/announce?left=1?")
    assert read_request(data, size) == Request(b"/x/announce", b"left=1?", last=True)


@pytest.mark.parametrize("size", SIZES)
def test_what_a_tracker_answers_the_client_reads(size):
    assert read_response(format_response(200, b"d5:peers0:e"), size) == (b"d5:peers0:e", True)


@pytest.mark.parametrize("size", SIZES)
def test_a_body_may_end_with_the_connection(size):
    assert read_response(b"HTTP/1.0 200 Fine\r\nServer: x\r\n\r\nd5:peers0:e", size) == (
        b"d5:peers0:e",
        False,
    )


@pytest.mark.parametrize("size", SIZES)
def test_requests_are_read_one_after_another(size):
    reader = RequestReader()
    found = []
    for path in (b"/a", b"/b?left=1", b"/b?left=2"):
        for part in cut(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path, size):
            found.append(reader.receive(part))
    assert [request for request in found if request is not None] == [
        Request(b"/a", b"", last=False),
        Request(b"/b", b"left=1", last=False),
        Request(b"/b", b"left=2", last=False),
    ]


def test_what_was_refused_once_is_refused_again():
    for _ in range(2):
        with pytest.raises(TrackerError, match="a request with a body"):
            read_request(b"GET /a HTTP/1.1\r\nContent-Length: 1\r\n\r\n")


def test_a_head_without_headers_is_one():
    assert read_request(b"GET /scrape HTTP/1.1\r\n\r\n") == Request(b"/scrape", b"", last=False)
    assert read_response(b"HTTP/1.1 200\r\n\r\n") == (b"", False)


def test_what_follows_a_request_before_its_answer_is_not_looked_at():
    both = b"GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n"
    assert read_request(both) == Request(b"/a", b"", last=True)


@pytest.mark.parametrize(
    ("version", "header", "last"),
    [
        (b"1.1", b"", False),
        (b"1.1", b"Connection: keep-alive\r\n", False),
        (b"1.1", b"Connection: Close\r\n", True),
        (b"1.1", b"Connection: TE, close\r\n", True),
        (b"1.1", b"Connection: closed-captions\r\n", False),
        (b"1.0", b"", True),
        (b"1.0", b"Connection: keep-alive\r\n", True),
    ],
)
def test_whether_another_request_may_follow_is_up_to_the_client(version, header, last):
    assert read_request(b"GET /a HTTP/%s\r\n%s\r\n" % (version, header)) == Request(b"/a", b"", last)


def test_only_the_last_answer_says_that_the_connection_closes():
    assert b"\r\nConnection: close\r\n" in format_response(200, b"body")
    kept = format_response(200, b"body", last=False)
    assert b"Connection" not in kept
    assert read_response(kept) == (b"body", True)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "data",
    [
        b"POST /announce HTTP/1.1\r\n\r\n",
        b"HEAD /announce HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01",  # TLS
        b"\x13BitTorrent protocol",
        b"GET http://victim/ HTTP/1.1\r\n\r\n",
        b"GET /announce HTTP/2.0\r\n\r\n",
        b"GET /announce\r\n\r\n",
        b"GET /ann ounce HTTP/1.1\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
        b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\nhello",
        b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nno header\r\n\r\n",
        b"GET / HTTP/1.1\r\n folded: x\r\n\r\n",
        b"GET / HTTP/1.1\r\na: b\nContent-Length: 5\r\n\r\n",
        b"GET /" + b"x" * MAX_REQUEST,
        b"GET / HTTP/1.1\r\nCookie: " + b"x" * MAX_REQUEST + b"\r\n\r\n",
    ],
)
def test_a_request_no_announce_is_is_refused(data, size):
    with pytest.raises(TrackerError):
        read_request(data, size)


def test_a_stranger_is_known_by_the_first_byte():
    with pytest.raises(TrackerError, match="not a GET request"):
        RequestReader().receive(b"\x16")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "not HTTP/1"),
        (b"HTTP/2 200\r\n\r\n", "not HTTP/1"),
        (b"HTTP/1.1 twohundred OK\r\n\r\n", "not HTTP/1"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\n\r\n", "HTTP status 302"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "HTTP status 404"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n", "longer than 1000 bytes"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999\r\n\r\n", "no length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", "no length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", "two different values"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1001, "longer than 1000 bytes"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n", "chunked or compressed"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b", "chunked or compressed"),
        (b"HTTP/1.1 200 OK\r\nbroken\r\n\r\n", "header line"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * MAX_RESPONSE_HEAD, "not HTTP/1"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfour", "cut short"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", "cut short"),
        (b"HT", "cut short"),
    ],
)
def test_a_hostile_answer_is_one_sentence(data, says, size):
    with pytest.raises(TrackerError, match=says):
        read_response(data, size)


def test_what_follows_a_body_is_not_part_of_it():
    assert read_response(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabcd") == (b"ab", True)
