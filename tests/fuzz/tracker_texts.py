"""What comes over HTTP: announces, scrapes, their answers, parts of files of an origin."""

from __future__ import annotations

from typing import Any, Optional

from mutating import BENCODING, parts
from parsing import Parser, portions, received

from murder_fabric.errors import RemoteProtocolError, TrackerError
from murder_fabric.tracker.addresses import PeerAddress
from murder_fabric.tracker.announcing import (
    AnnounceRequest,
    AnnounceResponse,
    announce_query,
    encode_failure,
    encode_response,
    parse_announce,
    parse_response,
)
from murder_fabric.tracker.http import RequestReader, ResponseReader, format_request, format_response
from murder_fabric.tracker.scraping import (
    ScrapeEntry,
    encode_scrape,
    parse_scrape,
    parse_scrape_response,
    scrape_query,
)
from murder_fabric.wire.web_seed import RangeReader


def is_announced(request: AnnounceRequest, data: bytes) -> None:
    assert parse_announce(announce_query(request)) == request
    assert len(request.info_hash) == len(request.peer_id) == 20
    assert 0 < request.port < 65536


def are_hashes(found: Any, data: bytes) -> None:
    assert all(len(info_hash) == 20 for info_hash in found)


def is_answered(answer: AnnounceResponse, data: bytes) -> None:
    assert 5 <= answer.interval <= 300
    assert answer.complete >= 0
    assert len(answer.peers) <= 200
    assert all(0 < peer.port < 65536 for peer in answer.peers)


def is_asked(request: Any, data: bytes) -> None:
    assert request.path.startswith(b"/")


def is_short(body: bytes, data: bytes) -> None:
    assert len(body) <= 64


def is_of_the_range(length: int, data: bytes) -> None:
    assert length <= 10


def part_of_a_file(data: bytes) -> Optional[int]:
    """Return how much comes of the ten bytes that were asked for, from the fifth of a hundred."""
    reader = RangeReader(5, 10, 100)
    taken = sum(len(reader.receive(portion)) for portion in portions(data) if not reader.complete)
    return taken if reader.complete else None


ANNOUNCES = tuple(
    announce_query(AnnounceRequest(bytes(range(at, at + 20)), b"-MF0100-abcdefghijkl", *rest))
    for at, rest in enumerate(
        [(6881, 0, 0, 2000), (1, 1, 2**53, 0, "completed", 200, False), (65535, 0, 0, 0, "stopped")]
    )
)
PEERS = tuple(
    PeerAddress(host, 6881 + at)
    for at, host in enumerate(["10.0.0.1", "192.168.7.255", "fd00::1", "2001:db8::7"])
)
ANSWER = AnnounceResponse(30.0, 3, 7, PEERS)
SCRAPES = (
    {b"h" * 20: ScrapeEntry(1, 2, 3)},
    {b"h" * 20: ScrapeEntry(0, 0, 0), b"i" * 20: ScrapeEntry(2**40, 5, 1)},
    {},
)
HEAD = b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 5-14/"
QUERIES = tuple(b"info_hash=%00%ff peer_id= port= uploaded= event=started numwant=0 compact=0 %2 %zz".split())
LINES = parts(b"\r\n")
PARSERS = [
    Parser("announces", parse_announce, TrackerError, ANNOUNCES, is_announced, parts(b"&"), QUERIES),
    Parser(
        "scrapes",
        parse_scrape,
        TrackerError,
        tuple(scrape_query([bytes(range(count, count + 20))] * count) for count in (1, 2, 9)),
        are_hashes,
        parts(b"&"),
        QUERIES,
    ),
    Parser(
        "answers of trackers",
        parse_response,
        TrackerError,
        (encode_response(ANSWER), encode_response(ANSWER, compact=False), encode_failure("not registered")),
        is_answered,
        BENCODING,
    ),
    Parser(
        "answers to scrapes",
        parse_scrape_response,
        TrackerError,
        tuple(map(encode_scrape, SCRAPES)),
        are_hashes,
        BENCODING,
    ),
    Parser(
        "requests of HTTP",
        lambda data: received(RequestReader(), data),
        TrackerError,
        (
            format_request("10.0.0.1:8998", "/announce?" + ANNOUNCES[0].decode()),
            b"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, close\r\nContent-Length: 0\r\n\r\n",
        ),
        is_asked,
        LINES,
        (b"Content-Length: ", b"Transfer-Encoding: chunked", b"POST ", b"HTTP/1.1", b"?", b"\r\n\r\n"),
    ),
    Parser(
        "answers of HTTP",
        lambda data: received(ResponseReader(64), data),
        TrackerError,
        (format_response(200, b"x" * 64), format_response(200, b"", last=False), format_response(404, b"?")),
        is_short,
        LINES,
        (
            b"Content-Length: ",
            b"Transfer-Encoding: chunked",
            b"Content-Encoding: gzip",
            b"HTTP/1.0 200",
            b"\r\n\r\n",
        ),
    ),
    Parser(
        "parts of files",
        part_of_a_file,
        RemoteProtocolError,
        (
            HEAD + b"100\r\nContent-Length: 10\r\n\r\n" + b"x" * 10,
            HEAD + b"*\r\nConnection: close\r\nX: y\r\n\r\n" + b"x" * 10,
            b"HTTP/1.1 302 Found\r\nLocation: http://10.0.0.9/x\r\n\r\n",
            b"HTTP/1.1 503 Busy\r\n\r\n",
        ),
        is_of_the_range,
        LINES,
        (
            b"Content-Length: 10",
            b"Content-Encoding: identity",
            b"Location: ",
            b"HTTP/1.0 200 OK",
            b"\r\n\r\n",
        ),
    ),
]
