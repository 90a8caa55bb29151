"""
A detour for each frame of a host, in the namespace of its bridge: `detour.py SIDE SIDE DELAY JITTER TWICE`.

Frames go from one interface to the other DELAY seconds later, up to JITTER more, so that later ones overtake
them; and the share TWICE of them comes twice.
"""

from __future__ import annotations

import heapq
import itertools
import random
import select
import socket
import sys
import time

ALL_PROTOCOLS = 3
#: linux/if_packet.h: with frames comes what the kernel has put off, checksums and segments; none is our own.
SOL_PACKET, PACKET_VNET_HDR, PACKET_IGNORE_OUTGOING = 263, 15, 23
LONGEST = 1 << 17


def side(interface: str) -> socket.socket:
    """Open one interface for whole frames."""
    opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    opened.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    opened.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
    opened.bind((interface, ALL_PROTOCOLS))
    return opened


def main(one: str, other: str, delay: float, jitter: float, twice: float) -> None:
    """Carry frames until we are ended."""
    rng, numbers = random.Random(25), itertools.count()
    here, there = side(one), side(other)
    across = {here: there, there: here}
    waiting: list[tuple[float, int, socket.socket, bytes]] = []
    print("ready", flush=True)
    while True:
        pause = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
        for came in select.select([here, there], [], [], pause)[0]:
            frame = came.recv(LONGEST)
            for _ in range(1 + (rng.random() < twice)):
                due = time.monotonic() + delay + rng.random() * jitter
                heapq.heappush(waiting, (due, next(numbers), across[came], frame))
        while waiting and waiting[0][0] <= time.monotonic():
            _, _, way, frame = heapq.heappop(waiting)
            way.send(frame)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(float, sys.argv[3:]))
