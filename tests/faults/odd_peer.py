"""
A peer that does what no client does: `odd_peer.py trickle|deaf INFO_HASH PIECES ADDRESS OTHER`.

The one that trickles has all pieces, says so to the tracker whose URL is OTHER, and sends a byte a second of
what it is asked for. The deaf one connects to OTHER, asks for more than anybody keeps in memory, and reads
nothing. Each prints the port it is at; the one that trickles also, after `lasted`, how many seconds passed
until it was hung up on.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
import threading
import time
import urllib.parse
import urllib.request

UNCHOKE, INTERESTED, BITFIELD, REQUEST, PIECE = 1, 2, 5, 6, 7
BLOCK = 16384
#: What the deaf one asks for: less than what makes anybody hang up at once, and more than buffers hold.
REQUESTS = 400


def message(number: int, payload: bytes = b"") -> bytes:
    """Return one message of BEP 3."""
    return struct.pack(">IB", len(payload) + 1, number) + payload


def exactly(connection: socket.socket, length: int) -> bytes:
    """Read so many bytes; raises EOFError where they do not come."""
    data = b""
    while len(data) < length:
        part = connection.recv(length - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def next_message(connection: socket.socket) -> tuple[int, bytes]:
    """Return the number and the payload of the next message that is one."""
    while True:
        (length,) = struct.unpack(">I", exactly(connection, 4))
        if length:
            data = exactly(connection, length)
            return data[0], data[1:]


def greet(connection: socket.socket, info_hash: bytes) -> None:
    """Shake hands, without any extension."""
    peer_id = b"-OD0001-" + struct.pack(">Q", time.monotonic_ns())[-8:].hex().encode()[:12]
    connection.sendall(b"\x13BitTorrent protocol" + bytes(8) + info_hash + peer_id)
    exactly(connection, 68)


def trickle(connection: socket.socket, info_hash: bytes, pieces: int) -> None:
    """Serve one who came."""
    with contextlib.suppress(OSError, EOFError), connection:
        greet(connection, info_hash)
        bits = ((1 << pieces) - 1) << (-pieces % 8)
        connection.sendall(message(BITFIELD, bits.to_bytes((pieces + 7) // 8, "big")) + message(UNCHOKE))
        while (came := next_message(connection))[0] != REQUEST:
            pass
        index, begin, length = struct.unpack(">III", came[1])
        began = time.monotonic()
        block = message(PIECE, struct.pack(">II", index, begin) + bytes(length))
        try:
            connection.sendall(block[:13])
            for byte in block[13:]:
                time.sleep(1)
                connection.sendall(bytes([byte]))
        finally:
            print(f"lasted {time.monotonic() - began:.1f}", flush=True)


def serve(info_hash: bytes, pieces: int, address: str, tracker: str) -> None:
    """Trickle for all who come."""
    with socket.create_server((address, 0)) as listening:
        port = listening.getsockname()[1]
        query = {"peer_id": b"-OD0001-" + bytes(12), "port": port, "uploaded": 0, "downloaded": 0, "left": 0}
        announce = urllib.parse.urlencode({"info_hash": info_hash, **query, "compact": 1, "event": "started"})
        urllib.request.urlopen(f"{tracker}?{announce}", timeout=30).read()
        print(port, flush=True)
        while True:
            connection = listening.accept()[0]
            threading.Thread(target=trickle, args=(connection, info_hash, pieces), daemon=True).start()


def ask_in_vain(info_hash: bytes, pieces: int, address: str, other: str) -> None:
    """Ask for much, and read nothing of it."""
    host, _, port = other.rpartition(":")
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    connection.bind((address, 0))
    connection.connect((host, int(port)))
    greet(connection, info_hash)
    connection.sendall(message(INTERESTED))
    while next_message(connection)[0] != UNCHOKE:
        pass
    for number in range(REQUESTS):
        connection.sendall(message(REQUEST, struct.pack(">III", number % (pieces - 1), 0, BLOCK)))
    print(connection.getsockname()[1], flush=True)
    time.sleep(600)


if __name__ == "__main__":
    kind, info_hash, pieces, address, other = sys.argv[1:]
    if kind == "trickle":
        serve(bytes.fromhex(info_hash), int(pieces), address, other)
    else:
        ask_in_vain(bytes.fromhex(info_hash), int(pieces), address, other)
