"""Who we are to other peers: ids that no two hosts share, though one may be a copy of the other."""

from __future__ import annotations

import os
import random
import socket

from ..version import __version__

ALPHABET = b"0123456789abcdefghijklmnopqrstuvwxyz"


def own_chance(address: str) -> random.Random:
    """
    Return a source of chance of this process, which listens at *address*.

    The kernel's random numbers alone will not do: clones of one virtual machine, woken from the same memory,
    may draw the same. Peers of one id would take each other for themselves, and all others keep only one of
    them. So what sets clones apart in a network goes in as well.
    """
    apart = f"{address} {socket.gethostname()} {os.getpid()}"
    return random.Random(os.urandom(16) + apart.encode())


def new_peer_id(rng: random.Random) -> bytes:
    """Return an id in the style of BEP 20: `-MF0100-` and twelve random characters."""
    major, minor, patch = (__version__ + ".0.0").split(".")[:3]
    prefix = f"-MF{int(major):X}{int(minor):X}{int(patch):X}0-".encode()
    return prefix + bytes(rng.choices(ALPHABET, k=12))
