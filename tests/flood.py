"""
Holds idle connections to one port, and opens each again that is closed: `flood.py SOURCE ADDRESS PORT COUNT`.

A fifth argument is what each of them says once it stands. Once a second it says, as JSON, how many have stood
for a second (`standing`) and how many were `closed`.
"""

from __future__ import annotations

import contextlib
import json
import resource
import select
import socket
import sys
import time

#: Connections opened in a turn, so that one source does not take a whole CPU from who is measured.
AT_ONCE = 50


def main(source: str, address: str, port: int, count: int, words: bytes = b"") -> None:
    """Go on until killed."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    poll, opened = select.epoll(), {}
    closed, told_at = 0, time.monotonic()
    while True:
        for _ in range(min(AT_ONCE, count - len(opened))):
            connection = socket.socket()
            connection.setblocking(False)
            connection.bind((source, 0))
            with contextlib.suppress(BlockingIOError):
                connection.connect((address, port))
            opened[connection.fileno()] = connection, time.monotonic()
            poll.register(connection, select.EPOLLIN | select.EPOLLRDHUP | (select.EPOLLOUT if words else 0))
        for descriptor, events in poll.poll(0.02):
            if events == select.EPOLLOUT:
                poll.modify(descriptor, select.EPOLLIN | select.EPOLLRDHUP)
                with contextlib.suppress(OSError):  # then it is known to be closed at the next look
                    opened[descriptor][0].send(words)
                continue
            opened.pop(descriptor)[0].close()
            closed += 1
        now = time.monotonic()
        if now - told_at >= 1.0:
            told_at = now
            standing = sum(now - since >= 1.0 for _, since in opened.values())
            print(json.dumps({"standing": standing, "closed": closed}), flush=True)
        time.sleep(0.02)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), *map(str.encode, sys.argv[5:]))
