"""
Announces to a tracker as fast as it answers: `announce_load.py PORT MODE SECONDS MEMBERS CONNECTIONS`.

MODE is `kept` (the connections stay), `closing` (one for each announce) or `burst` (MEMBERS announce at
once, each once, on a connection of its own).  Says as JSON how many were answered in how many seconds, how
many were not, and the 99th percentile of the seconds that answers took.  Small, since it must not be what is
measured.
"""

from __future__ import annotations

import contextlib
import json
import select
import socket
import sys
import time
from collections.abc import Iterator
from urllib.parse import quote

#: Seconds after which an answer is lost.
PATIENCE = 10.0
INFO_HASH = bytes(range(0, 240, 12))
END_OF_HEAD = b"\r\n\r\n"


def requests(members: int, *, keep: bool) -> list[bytes]:
    """Return an announce of each member of one swarm; one in a hundred is complete."""
    found = []
    for number in range(members):
        peer_id = f"-XX0000-{number:012d}"
        query = f"info_hash={quote(INFO_HASH, safe='')}&peer_id={peer_id}&port={1024 + number}"
        query += f"&uploaded=0&downloaded=0&left={number % 100}&compact=1&numwant=30"
        head = f"GET /announce?{query} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: load\r\n"
        found.append(f"{head}{'' if keep else f'Connection: close{chr(13)}{chr(10)}'}\r\n".encode())
    return found


class Load:
    """Connections to one tracker, each with at most one announce under way."""

    def __init__(self, port: int, members: int, *, keep: bool) -> None:
        self._address = ("127.0.0.1", port)
        self._requests = self._in_turn(requests(members, keep=keep))
        self._keep = keep
        self._poll = select.epoll()
        self._open: dict[int, tuple[socket.socket, float, bytearray]] = {}
        #: Connections that were answered once: where they end then, nothing is lost.
        self._answered_once: set[int] = set()
        self.took: list[float] = []
        self.lost = 0

    @staticmethod
    def _in_turn(announces: list[bytes]) -> Iterator[bytes]:
        while True:
            yield from announces

    @property
    def under_way(self) -> int:
        return len(self._open)

    def connect(self) -> None:
        """Open a connection; its announce follows once it stands."""
        connection = socket.socket()
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(BlockingIOError):
            connection.connect(self._address)
        self._open[connection.fileno()] = connection, time.monotonic(), bytearray()
        self._poll.register(connection, select.EPOLLOUT)

    def turn(self, *, again: bool) -> None:
        """Do what can be done now; with *again*, whoever was answered announces once more."""
        for descriptor, events in self._poll.poll(0.05):
            connection, began, answer = self._open[descriptor]
            try:
                if events & select.EPOLLOUT:
                    connection.send(next(self._requests))
                    self._poll.modify(descriptor, select.EPOLLIN)
                    continue
                data = connection.recv(65536)
            except OSError:
                self._drop(descriptor, again)
                continue
            answer += data
            if not data:
                self._drop(descriptor, again)
            elif _whole(answer):
                self._answered(descriptor, time.monotonic() - began, again)

    def _answered(self, descriptor: int, took: float, again: bool) -> None:
        self.took.append(took)
        self._answered_once.add(descriptor)
        connection, _, answer = self._open[descriptor]
        if again and self._keep and b"connection: close" not in answer.lower():
            self._open[descriptor] = connection, time.monotonic(), bytearray()
            connection.send(next(self._requests))
            return
        self._close(descriptor)
        if again:
            self.connect()

    def _drop(self, descriptor: int, again: bool) -> None:
        self.lost += descriptor not in self._answered_once
        self._close(descriptor)
        if again:
            self.connect()

    def _close(self, descriptor: int) -> None:
        self._answered_once.discard(descriptor)
        self._open.pop(descriptor)[0].close()


def _whole(answer: bytearray) -> bool:
    head, end, body = answer.partition(END_OF_HEAD)
    if not end:
        return False
    _, _, length = head.lower().partition(b"content-length:")
    return bool(length) and len(body) >= int(length.split(b"\r\n")[0])


def main(port: int, mode: str, seconds: float, members: int, connections: int) -> None:
    """Do it, and say what came of it."""
    load = Load(port, members, keep=mode == "kept")
    began = time.monotonic()
    for _ in range(members if mode == "burst" else connections):
        load.connect()
    if mode == "burst":
        while load.under_way and time.monotonic() - began < PATIENCE:
            load.turn(again=False)
    else:
        while time.monotonic() - began < seconds:
            load.turn(again=True)
    elapsed = time.monotonic() - began
    lost = load.lost + (load.under_way if mode == "burst" else 0)
    took = sorted(load.took) or [PATIENCE]
    p99 = took[min(len(took) - 1, len(took) * 99 // 100)]
    print(json.dumps({"answered": len(load.took), "lost": lost, "seconds": elapsed, "p99": p99}))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], float(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))
