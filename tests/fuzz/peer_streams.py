"""What peers send: handshakes, streams of messages, extended handshakes."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, Callable

from mutating import BENCODING, Shape
from parsing import Parser, portions

from murder_fabric.bencoding import encode
from murder_fabric.errors import RemoteProtocolError
from murder_fabric.wire import messages as wire
from murder_fabric.wire.connection import MAX_EXTENDED, WireConnection
from murder_fabric.wire.extensions import MAX_REQUEST_LENGTH, ExtendedHandshake, parse_extended_handshake

PIECES, MAX_BLOCK = 12, 1 << 16
HELLO = wire.Handshake(b"h" * 20, b"-MF0100-abcdefghijkl")


def listen(data: bytes, cut: Callable[[bytes], Iterator[bytes]]) -> list[Any]:
    """Return the messages in *data*, which comes in portions; blocks whole, and pieces told of one by one."""
    connection, found = WireConnection(PIECES, MAX_BLOCK), []
    connection.send(HELLO)
    for portion in cut(data):
        for message in connection.receive(portion):
            if type(message) is wire.Have:
                found.extend(map(wire.Have, message))
            elif type(message) is not wire.BlockPart:
                found.append(message)
            elif message.last:
                found.append("the end of a block")
        assert len(connection._buffer) <= MAX_EXTENDED + 4
    return found


def is_the_same_in_one_piece(found: list[Any], data: bytes) -> None:
    assert found == listen(data, lambda whole: iter([whole]))


def is_extended(found: ExtendedHandshake, data: bytes) -> None:
    assert 0 < found.request_length <= MAX_REQUEST_LENGTH
    assert found.request_queue > 0
    assert 0 <= found.port < 65536
    assert 0 <= found.auth_id < 256
    assert parse_extended_handshake(found.payload()) == found


def stream(*said: Any, hello: wire.Handshake = HELLO) -> bytes:
    """Return what a peer sends: its handshake, and messages or `(piece, block)` after it."""
    them = WireConnection(PIECES, MAX_BLOCK)
    data = them.send(hello)
    list(them.receive(WireConnection(PIECES, MAX_BLOCK).send(HELLO)))
    for message in said:
        piece, block = message if type(message) is tuple else (message, b"")
        data += them.send(piece) + block
    return data


def frames(data: bytes) -> list[bytes]:
    """Return a handshake and the messages after it, each without its length."""
    found, start = [data[:68]], 68
    while start < len(data):
        (length,) = struct.unpack_from(">I", data, start)
        found.append(data[start + 4 : start + 4 + length])
        start += 4 + length
    return found


def unframe(found: Any) -> bytes:
    hello, *rest = found if isinstance(found, list) and found else [b""]
    return hello + b"".join(struct.pack(">I", len(frame)) + frame for frame in rest)


EXTENDED = (
    ExtendedHandshake(250, 16384, 6881, False, "murder_fabric 1.0", b"n" * 16, 1).payload(),
    ExtendedHandshake(1, MAX_REQUEST_LENGTH, 0, True, "\u00e9").payload(),
    encode({"m": {"ut_pex": 1, "murder_auth": 255}, "v": "aria2", "reqq": 500, "yourip": b"\x0a\0\0\1"}),
)
WORDS = (wire.Choke(), wire.Unchoke(), wire.Interested(), wire.NotInterested(), wire.KeepAlive())
STREAMS = (
    stream(wire.Extended(0, EXTENDED[0]), wire.Bitfield(b"\xff\xf0"), *WORDS, wire.Have(11)),
    stream(
        wire.HaveAll(), wire.Request(0, 16384, 16384), wire.Cancel(0, 0, 1), wire.Reject(3, 2**31, 2**32 - 1)
    ),
    stream(wire.HaveNone(), (wire.Piece(1, 0, 300), b"b" * 300), wire.Suggest(2), wire.AllowedFast(3)),
    stream(
        wire.Bitfield(bytes(2)),
        *WORDS,
        hello=wire.Handshake(b"h" * 20, b"x" * 20, fast=False, extended=False),
    ),
)
FRAMES = Shape(
    frames, unframe, (b"", *(bytes([kind]) for kind in range(22)), b"\x05" + b"\xff" * 9, b"\x14\0de")
)
HANDSHAKES = (
    stream(),
    stream(hello=wire.Handshake(b"\xff" * 20, bytes(20), fast=False)),
    stream(wire.KeepAlive()),
)
PARSERS = [
    Parser(
        "handshakes",
        lambda data: listen(data, portions) or None,
        RemoteProtocolError,
        HANDSHAKES,
        is_the_same_in_one_piece,
    ),
    Parser(
        "streams of messages",
        lambda data: listen(data, portions) or None,
        RemoteProtocolError,
        STREAMS,
        is_the_same_in_one_piece,
        FRAMES,
    ),
    Parser(
        "extended handshakes", parse_extended_handshake, RemoteProtocolError, EXTENDED, is_extended, BENCODING
    ),
]
