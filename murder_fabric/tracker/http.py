"""As much of HTTP as announcing takes, sans I/O: bytes come in in any pieces, answers go out whole."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from ..errors import TrackerBusy, TrackerError
from ..http_headers import parse_headers

#: Bytes that a request may be long.  One announce is some 300; a scrape of 64 info hashes fits just so.
MAX_REQUEST = 4 * 1024
#: Bytes that the head of a response may be long.
MAX_RESPONSE_HEAD = 16 * 1024

#: What announces and scrapes are answered in; no client looks.
TEXT_TYPE = "text/plain"
#: What torrents are answered in.
TORRENT_TYPE = "application/x-bittorrent"

_END_OF_HEAD = b"\r\n\r\n"
_REQUEST_LINE = re.compile(rb"GET (/[!->@-~]*)(?:\?([!-~]*))? HTTP/1\.([01])")
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([0-9]{3})(?: [^\r\n]*)?")
_LENGTH = re.compile(rb"[0-9]{1,12}")
#: Headers that decide where a message ends: said twice, they say the same or nothing.
_FRAMING = (b"content-length", b"transfer-encoding")
_REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 503: "Service Unavailable"}


class Request(NamedTuple):
    """
    What is asked for: the path as it was sent, still quoted, and the query string after `?`.

    `last` says that no other one is to follow on this connection.
    """

    path: bytes
    query: bytes
    last: bool = True


class RequestReader:
    """Reads GET requests, one after another; what comes with one before it was answered makes it the last."""

    def __init__(self) -> None:
        self._buffer = b""

    def receive(self, data: bytes) -> Request | None:
        """
        Take bytes as they come; return the request once its head is complete.

        Raises:
            TrackerError: too long, not GET, not HTTP/1, or with a body: nothing an announce is.
        """
        self._buffer += data
        end = self._buffer.find(_END_OF_HEAD, 0, MAX_REQUEST)
        if end < 0:
            if len(self._buffer) >= MAX_REQUEST:
                raise TrackerError(f"a request of more than {MAX_REQUEST} bytes")
            # A stranger (TLS, HTTP/2, SSH) is known by the first bytes and not waited for.
            if not b"GET /".startswith(self._buffer[:5]):
                raise TrackerError("not a GET request of HTTP/1")
            return None
        first, _, rest = self._buffer[:end].partition(b"\r\n")
        line = _REQUEST_LINE.fullmatch(first)
        if line is None:
            raise TrackerError("not a GET request of HTTP/1")
        path, query, version = line.groups(b"")
        more = len(self._buffer) > end + len(_END_OF_HEAD)
        self._buffer = b""
        # RFC 9112, 9.3: HTTP/1.1 stays unless someone says no.
        return Request(path, query, _says_close(rest) or version == b"0" or more)


@lru_cache(maxsize=64)
def _says_close(lines: bytes) -> bool:
    """
    Return whether the header *lines* of a request ask for the connection to be closed after it.

    The requests of one kind of client differ in their first line alone: the answers are kept.

    Raises:
        TrackerError: one of them is none, or they announce a body.
    """
    headers = parse_headers(lines, _FRAMING, TrackerError)
    if headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers:
        raise TrackerError("a request with a body")
    return b"close" in [option.strip() for option in headers.get(b"connection", b"").lower().split(b",")]


def format_response(status: int, body: bytes, content_type: str = TEXT_TYPE, *, last: bool = True) -> bytes:
    """Return a whole response of *status* with *body*; the *last* one says that the connection closes."""
    return format_response_head(status, len(body), content_type, last=last) + body


def format_response_head(status: int, length: int, content_type: str, *, last: bool) -> bytes:
    """Return what comes before a body of *length* bytes; see `format_response`."""
    head = f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: {content_type}\r\n"
    end = "Connection: close\r\n\r\n" if last else "\r\n"
    return f"{head}Content-Length: {length}\r\n{end}".encode("ascii")


def format_request(host: str, target: str) -> bytes:
    """
    Return the request for *target* (path and query) of *host* (as in the URL, with its port).

    It says HTTP/1.0, to which nobody may answer in chunks.
    """
    head = f"GET {target} HTTP/1.0\r\nHost: {host}\r\nUser-Agent: murder_fabric\r\n"
    return f"{head}Accept-Encoding: identity\r\nConnection: close\r\n\r\n".encode("ascii")


class ResponseReader:
    """
    Reads the body of one response, which ends where its length says or with the connection.

    Args:
        max_length: a longer body is refused, as soon as its length is known.
    """

    def __init__(self, max_length: int) -> None:
        self._max_length = max_length
        self._buffer = bytearray()
        self._in_body = False
        self._length: int | None = None

    def receive(self, data: bytes) -> bytes | None:
        """
        Take bytes as they come; return the body once it is complete.

        Raises:
            TrackerError: any status but 200 (redirects are not followed; a `TrackerBusy` for 503), chunks or
                compression that were not asked for, too long, or not HTTP.
        """
        self._buffer += data
        if not self._in_body:
            head, end, body = self._buffer.partition(_END_OF_HEAD)
            if len(head) > MAX_RESPONSE_HEAD or not b"HTTP/1.".startswith(self._buffer[:7]):
                raise TrackerError("the answer is not HTTP/1")
            if not end:
                return None
            self._length = _body_length(bytes(head))
            self._buffer, self._in_body = body, True
        if max(len(self._buffer), self._length or 0) > self._max_length:
            raise TrackerError(f"the answer is longer than {self._max_length} bytes")
        if self._length is None or len(self._buffer) < self._length:
            return None
        return bytes(self._buffer[: self._length])

    def finish(self) -> bytes:
        """
        Return the body now that the connection has ended.

        Raises:
            TrackerError: it ended too early.
        """
        if not self._in_body or self._length is not None:
            raise TrackerError("the answer was cut short")
        return bytes(self._buffer)


def _body_length(head: bytes) -> int | None:
    """Return how long the body after *head* will be; none if only the connection's end tells."""
    first, _, rest = head.partition(b"\r\n")
    status = _STATUS_LINE.fullmatch(first)
    if status is None:
        raise TrackerError("the answer is not HTTP/1")
    if status[1] != b"200":
        kind = TrackerBusy if status[1] == b"503" else TrackerError
        raise kind(f"the answer is HTTP status {int(status[1])}")
    headers = parse_headers(rest, _FRAMING, TrackerError)
    encodings = (
        headers.get(b"transfer-encoding", b"identity"),
        headers.get(b"content-encoding", b"identity"),
    )
    if encodings != (b"identity", b"identity"):
        raise TrackerError("the answer is chunked or compressed, which was not asked for")
    length = headers.get(b"content-length")
    if length is not None and not _LENGTH.fullmatch(length):
        raise TrackerError("the answer's Content-Length is no length")
    return None if length is None else int(length)
