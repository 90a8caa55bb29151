"""One peer connection, sans I/O: what may follow what, and how each message looks on the wire."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import Any, Callable, NoReturn

from ..errors import LocalProtocolError, RemoteProtocolError
from .messages import (
    AllowedFast,
    Bitfield,
    BlockPart,
    Cancel,
    Choke,
    Extended,
    Handshake,
    Have,
    HaveAll,
    HaveNone,
    Interested,
    KeepAlive,
    Message,
    NotInterested,
    Piece,
    Reject,
    Request,
    Suggest,
    Unchoke,
)


class PeerState(IntEnum):
    """How far one side of the connection has come; an int, whose hash costs nothing on each message."""

    #: Nothing but a handshake may come next.
    HANDSHAKING = 0
    #: Handshake seen; what the sender has may still be said at once (BEP 3, BEP 6).
    OPENING = 1
    #: Anything but that.
    OPEN = 2
    #: The rules were broken; nothing more will be read or sent.
    ERROR = 3


PROTOCOL = b"\x13BitTorrent protocol"
HANDSHAKE_LENGTH = 68
#: The block length every client serves (BEP 3 as practised).
BLOCK_LENGTH = 16 * 1024
#: Longest message that is neither a block nor a bitfield: an extended handshake (BEP 10).
MAX_EXTENDED = 16 * 1024

_FAST_BIT, _EXTENDED_BIT = 0x04, 0x10  # of reserved byte 7 (BEP 6) and reserved byte 5 (BEP 10)

_ANYTIME = (KeepAlive, Choke, Unchoke, Interested, NotInterested, Have, Request, Piece, Cancel)
_ANYTIME_FAST = (Suggest, Reject, AllowedFast)
_OPENINGS = (Bitfield, HaveAll, HaveNone)

#: What may follow what.  All that decides whether a message is legal now stands here.
TRANSITIONS: dict[PeerState, dict[type, PeerState]] = {
    PeerState.HANDSHAKING: {Handshake: PeerState.OPENING},
    PeerState.OPENING: {
        **dict.fromkeys(_ANYTIME + _ANYTIME_FAST + _OPENINGS, PeerState.OPEN),
        # Many clients say these before their bitfield.
        Extended: PeerState.OPENING,
        KeepAlive: PeerState.OPENING,
    },
    PeerState.OPEN: dict.fromkeys((*_ANYTIME, *_ANYTIME_FAST, Extended), PeerState.OPEN),
    PeerState.ERROR: {},
}
#: What we take and never say: aria2 sends a bitfield in the place of many Haves.
_TAKEN: dict[PeerState, dict[type, PeerState]] = {PeerState.OPEN: {Bitfield: PeerState.OPEN}}
#: Legal only where both handshakes had the bit.
_NEEDS_FAST = {Suggest, Reject, AllowedFast, HaveAll, HaveNone}
_NEEDS_EXTENDED = {Extended}


def _legal(fast: bool, extended: bool) -> dict[PeerState, dict[type, PeerState]]:
    """Return what of `TRANSITIONS` holds between two that have these bits in common."""
    illegal = (set() if fast else _NEEDS_FAST) | (set() if extended else _NEEDS_EXTENDED)
    return {
        state: {kind: after for kind, after in table.items() if kind not in illegal}
        for state, table in TRANSITIONS.items()
    }


#: Made once: what may follow is looked up for every message.
_LEGAL = {(fast, extended): _legal(fast, extended) for fast in (False, True) for extended in (False, True)}

#: A message begins with its length and its id; a keep-alive is a length of 0 and nothing else.
_HEADER = struct.Struct(">IB")
_KEEP_ALIVE = bytes(4)
_HAVE_ID, _PIECE_ID = 4, 7
_WORD, _INDEX, _BLOCK = struct.Struct(">IB"), struct.Struct(">IBI"), struct.Struct(">IBIII")
_PIECE_HEADER = struct.Struct(">IBII")
_HAVE_HEADER = _WORD.pack(5, _HAVE_ID)

#: Message id -> what it is and how it looks, where its length is always the same.
_FIXED: dict[int, tuple[Callable[..., Message], struct.Struct]] = {
    0: (Choke, _WORD),
    1: (Unchoke, _WORD),
    2: (Interested, _WORD),
    3: (NotInterested, _WORD),
    6: (Request, _BLOCK),
    8: (Cancel, _BLOCK),
    13: (Suggest, _INDEX),
    14: (HaveAll, _WORD),
    15: (HaveNone, _WORD),
    16: (Reject, _BLOCK),
    17: (AllowedFast, _INDEX),
}


def _frame(message_id: int, body: bytes) -> bytes:
    return _HEADER.pack(len(body) + 1, message_id) + body


def _handshake(message: Handshake) -> bytes:
    reserved = bytearray(8)
    reserved[5] |= _EXTENDED_BIT if message.extended else 0
    reserved[7] |= _FAST_BIT if message.fast else 0
    return PROTOCOL + reserved + message.info_hash + message.peer_id


_WRITERS: dict[type, Callable[[Any], bytes]] = {
    Handshake: _handshake,
    KeepAlive: lambda m: _KEEP_ALIVE,
    Choke: lambda m: _WORD.pack(1, 0),
    Unchoke: lambda m: _WORD.pack(1, 1),
    Interested: lambda m: _WORD.pack(1, 2),
    NotInterested: lambda m: _WORD.pack(1, 3),
    Have: lambda m: b"".join(_INDEX.pack(5, _HAVE_ID, index) for index in m),
    Bitfield: lambda m: _frame(5, m.bits),
    Request: lambda m: _BLOCK.pack(13, 6, *m),
    Piece: lambda m: _PIECE_HEADER.pack(m.length + 9, _PIECE_ID, m.index, m.begin),
    Cancel: lambda m: _BLOCK.pack(13, 8, *m),
    Suggest: lambda m: _INDEX.pack(5, 13, m.index),
    HaveAll: lambda m: _WORD.pack(1, 14),
    HaveNone: lambda m: _WORD.pack(1, 15),
    Reject: lambda m: _BLOCK.pack(13, 16, *m),
    AllowedFast: lambda m: _INDEX.pack(5, 17, m.index),
    Extended: lambda m: _frame(20, bytes([m.id]) + m.payload),
}


class WireConnection:
    """
    One peer connection, seen from here.

    Args:
        piece_count: of the torrent; a bitfield of another length is the sender's fault.
        max_block: longest block we ask for, in bytes; a longer one is the sender's fault.
    """

    def __init__(self, piece_count: int, max_block: int = BLOCK_LENGTH) -> None:
        self.our_state = PeerState.HANDSHAKING
        self.their_state = PeerState.HANDSHAKING
        self._bitfield_length = (piece_count + 7) // 8
        self._max_block = max_block
        self._ours: Handshake | None = None
        self._theirs: Handshake | None = None
        self._legal = _LEGAL[False, False]
        self._buffer = b""
        self._piece: Piece | None = None
        self._piece_received = 0

    @property
    def fast(self) -> bool:
        """Whether both handshakes had BEP 6's bit."""
        return bool(self._ours and self._theirs and self._ours.fast and self._theirs.fast)

    @property
    def extended(self) -> bool:
        """Whether both handshakes had BEP 10's bit."""
        return bool(self._ours and self._theirs and self._ours.extended and self._theirs.extended)

    @property
    def missing(self) -> int:
        """Bytes still to come of the block that has begun; 0 between two messages."""
        return 0 if self._piece is None else self._piece.length - self._piece_received

    def send(self, message: Message) -> bytes:
        """
        Turn *message* into bytes for the peer; of a `Piece` the header, which the block must follow.

        Raises:
            LocalProtocolError: *message* is not legal now.
        """
        kind = type(message)
        state = self._legal[self.our_state].get(kind)
        if state is None:
            raise LocalProtocolError(f"cannot send {message!r:.60} while {self.our_state.name}")
        self.our_state = state
        if isinstance(message, Handshake):
            self._ours = message
            self._legal = _LEGAL[self.fast, self.extended]
        return _WRITERS[kind](message)

    def receive(self, data: bytes) -> Iterator[Message]:
        """
        Take bytes from the peer; yield each message that they complete, and each part of a block at once.

        Consume it to the end before the next call. The `data` of a `BlockPart` is a view of what came in: no
        byte of a block is copied here.

        Raises:
            RemoteProtocolError: the peer broke the rules; `their_state` is now ERROR.
        """
        if self._buffer:
            data, self._buffer = self._buffer + data, b""
        view, position = memoryview(data), 0
        while position < len(data):
            if self._piece is not None:
                part = self._part(self._piece, view[position:])
                position += len(part.data)
                yield part
                continue
            message, length = self._next(data, position)
            if message is None:
                self._buffer = data[position:]
                return
            position += length
            self._received(message)
            yield message

    def _received(self, message: Message) -> None:
        kind = type(message)
        state = self._legal[self.their_state].get(kind) or _TAKEN.get(self.their_state, {}).get(kind)
        if state is None:
            self._fail(f"{kind.__name__} while {self.their_state.name}")
        self.their_state = state
        if isinstance(message, Piece):
            self._piece, self._piece_received = message, 0
        elif isinstance(message, Handshake):
            self._theirs = message
            self._legal = _LEGAL[self.fast, self.extended]

    def _part(self, piece: Piece, view: memoryview) -> BlockPart:
        data = view[: self.missing]
        begin = piece.begin + self._piece_received
        self._piece_received += len(data)
        last = self._piece_received == piece.length
        if last:
            self._piece = None
        return BlockPart(piece.index, begin, data, last)

    def _next(self, data: bytes, position: int) -> tuple[Message | None, int]:
        """Return the message at *position* and its length, or (None, 0) while it is incomplete."""
        if self.their_state is PeerState.HANDSHAKING:
            return self._next_handshake(data[position : position + HANDSHAKE_LENGTH])
        available = len(data) - position
        if available < _HEADER.size:
            return (KeepAlive(), 4) if data[position:] == _KEEP_ALIVE else (None, 0)
        length, message_id = _HEADER.unpack_from(data, position)
        if length == 0:
            return KeepAlive(), 4
        if message_id in _FIXED:
            kind, form = _FIXED[message_id]
            if length + 4 != form.size:
                self._fail(f"a message {message_id} of {length} bytes")
            if available < form.size:
                return None, 0
            return kind(*form.unpack_from(data, position)[2:]), form.size
        if message_id == _PIECE_ID:
            return self._next_piece(data, position, length)
        if message_id == _HAVE_ID:
            return self._next_haves(data, position, length)
        return self._next_long(data, position, message_id, length)

    def _next_piece(self, data: bytes, position: int, length: int) -> tuple[Message | None, int]:
        if not 9 < length <= self._max_block + 9:
            self._fail(f"a block of {length - 9} bytes where at most {self._max_block} were asked for")
        if len(data) - position < _PIECE_HEADER.size:
            return None, 0
        _, _, index, begin = _PIECE_HEADER.unpack_from(data, position)
        return Piece(index, begin, length - 9), _PIECE_HEADER.size

    def _next_haves(self, data: bytes, position: int, length: int) -> tuple[Message | None, int]:
        """Read all that stand in a row: news come in batches, and are most of the messages of a swarm."""
        if length != 5:
            self._fail(f"a message {_HAVE_ID} of {length} bytes")
        indices, end = [], position
        while end + _INDEX.size <= len(data) and data.startswith(_HAVE_HEADER, end):
            indices.append(_INDEX.unpack_from(data, end)[2])
            end += _INDEX.size
        return (Have(*indices), end - position) if indices else (None, 0)

    def _next_long(
        self, data: bytes, position: int, message_id: int, length: int
    ) -> tuple[Message | None, int]:
        """Read one whose length varies; one that is too long is refused before anything of it is kept."""
        limit = self._bitfield_length + 1 if message_id == 5 else MAX_EXTENDED
        if length > limit or (message_id == 20 and length < 2):
            self._fail(f"a message {message_id} of {length} bytes")
        end = position + 4 + length
        if len(data) < end:
            return None, 0
        body = data[position + _HEADER.size : end]
        if message_id == 5:
            return Bitfield(body), 4 + length
        if message_id == 20:
            return Extended(body[0], body[1:]), 4 + length
        return KeepAlive(), 4 + length  # BEP 3: ids we do not know are passed over, and keep us connected

    def _next_handshake(self, raw: bytes) -> tuple[Message | None, int]:
        if not PROTOCOL.startswith(raw[:20]):
            self._fail("not BitTorrent")
        if len(raw) < HANDSHAKE_LENGTH:
            return None, 0
        handshake = Handshake(
            raw[28:48], raw[48:68], fast=bool(raw[27] & _FAST_BIT), extended=bool(raw[25] & _EXTENDED_BIT)
        )
        return handshake, HANDSHAKE_LENGTH

    def _fail(self, reason: str) -> NoReturn:
        self.their_state = PeerState.ERROR
        raise RemoteProtocolError(reason)
