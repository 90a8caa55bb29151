"""Ranges of files over HTTP, as a web seed is asked for them (BEP 19, RFC 9110), sans I/O."""

from __future__ import annotations

import re
from typing import NoReturn

from ..errors import OriginBusy, OriginMoved, RemoteProtocolError
from ..http_headers import parse_headers

#: Bytes that the head of a response may be long.
MAX_HEAD = 16 * 1024

_END_OF_HEAD = b"\r\n\r\n"
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([0-9]{3})(?: [^\r\n]*)?")
_RANGE = re.compile(rb"bytes ([0-9]{1,19})-([0-9]{1,19})/(?:([0-9]{1,19})|\*)")
_MOVED = (301, 302, 303, 307, 308)
#: Headers that decide what a body is: said twice, they say the same.
_FRAMING = (b"content-length", b"content-range", b"transfer-encoding", b"content-encoding")


def format_range_request(host: str, target: str, offset: int, length: int) -> bytes:
    """Return the request for *length* bytes from *offset* of *target* (path and query) at *host*."""
    return (
        f"GET {target} HTTP/1.1\r\nHost: {host}\r\nRange: bytes={offset}-{offset + length - 1}\r\n"
        "User-Agent: murder_fabric\r\nAccept-Encoding: identity\r\n\r\n"
    ).encode("ascii")


class RangeReader:
    """
    Reads one response that must be *length* bytes from *offset* of a file of *size* bytes.

    The body is handed on as it comes and kept nowhere.
    """

    def __init__(self, offset: int, length: int, size: int) -> None:
        #: Whether anything has come.
        self.begun = False
        #: Whether the connection may be used again.
        self.keeps_alive = False
        self._offset = offset
        self._length = length
        self._size = size
        self._head: bytearray | None = bytearray()
        self._left = length

    @property
    def complete(self) -> bool:
        """Whether the last byte has come."""
        return self._left == 0

    def receive(self, data: bytes) -> memoryview:
        """
        Take bytes as they come; return those of the body among them.

        Raises:
            OriginBusy: the origin says that it cannot now (429, 5xx).
            OriginMoved: the file is elsewhere (301, 302, 303, 307, 308).
            RemoteProtocolError: it answers anything but the range that was asked for.
        """
        self.begun = True
        body = memoryview(data)
        if self._head is not None:
            before = len(self._head)
            self._head += data
            end = self._head.find(_END_OF_HEAD)
            if max(end, len(self._head) * (end < 0)) > MAX_HEAD or not b"HTTP/1.".startswith(self._head[:7]):
                raise RemoteProtocolError("its answer is not HTTP/1")
            if end < 0:
                return memoryview(b"")
            self._look_at(bytes(self._head[:end]))
            body = body[end + len(_END_OF_HEAD) - before :]
            self._head = None
        if len(body) > self._left:
            raise RemoteProtocolError("it sends more than it was asked for")
        self._left -= len(body)
        return body

    def _look_at(self, head: bytes) -> None:
        first, _, rest = head.partition(b"\r\n")
        status = _STATUS_LINE.fullmatch(first)
        if status is None:
            raise RemoteProtocolError("its answer is not HTTP/1")
        code = int(status[2])
        if code == 429 or code >= 500:
            raise OriginBusy(f"it answers HTTP status {code}")
        if code in _MOVED:
            self._refer(code, rest)
        if code == 200:
            raise RemoteProtocolError("it does not know ranges: HTTP status 200 where 206 was to come")
        if code != 206:
            raise RemoteProtocolError(f"it answers HTTP status {code}")
        headers = _headers(rest)
        self._check(headers)
        told = headers.get(b"connection", b"").lower()
        self.keeps_alive = told == b"keep-alive" or (status[1] == b"1" and told != b"close")

    def _refer(self, code: int, lines: bytes) -> NoReturn:
        location = _headers(lines).get(b"location", b"").decode("ascii", "replace")
        if not location:
            raise RemoteProtocolError(f"it answers HTTP status {code} and does not say where the file is")
        raise OriginMoved(f"it answers HTTP status {code}", location)

    def _check(self, headers: dict[bytes, bytes]) -> None:
        if b"transfer-encoding" in headers or headers.get(b"content-encoding", b"identity") != b"identity":
            raise RemoteProtocolError("its answer is chunked or compressed, which was not asked for")
        said = _RANGE.fullmatch(headers.get(b"content-range", b""))
        wanted = (self._offset, self._offset + self._length - 1)
        if said is None or (int(said[1]), int(said[2])) != wanted:
            raise RemoteProtocolError(f"it does not say that it sends the bytes {wanted[0]}-{wanted[1]}")
        if said[3] is not None and int(said[3]) != self._size:
            raise RemoteProtocolError(f"its file has {int(said[3])} bytes, and the torrent's {self._size}")
        length = headers.get(b"content-length")
        if length is not None and length != b"%d" % self._length:
            raise RemoteProtocolError("its Content-Length is not that of the range")


def _headers(lines: bytes) -> dict[bytes, bytes]:
    return parse_headers(lines, _FRAMING, lambda fault: RemoteProtocolError(f"its answer has {fault}"))
