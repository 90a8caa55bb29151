"""What may differ from swarm to swarm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


def _one(host: str) -> int:
    return 1


@dataclass(frozen=True)
class SwarmConfig:
    """How to take part in one swarm; checked by whoever makes it."""

    #: 20 bytes, different for every process (BEP 20 style prefix).
    peer_id: bytes
    #: Where we listen, told to peers; 0: do not say.
    port: int = 0
    #: The run's peer key (`wire.extensions.peer_key`); None is an open swarm.
    key: bytes | None = None
    #: Connections at the most, and below how many we dial.
    max_connections: int = 60
    dial_below: int = 30
    #: Peers that may ask us at the same time.
    slots: int = 60
    #: Whether to show pieces one by one; only for a seeder among hosts that pass on what they get.
    super_seed: bool = False
    #: Longest block we serve and ask our own kind for, in bytes.
    max_block: int = 4 << 20
    #: How many peers there may be at an address: so many have their share of its strikes.
    hosts_at: Callable[[str], int] = _one
