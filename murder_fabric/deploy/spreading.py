"""What hosts get from one of themselves, so that it leaves the operator once: the torrent."""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

from ..tracker.keys import torrent_url

#: Hosts, and bytes, up to which the operator's link is as quick: a fetch costs a round trip more.
FEW_HOSTS = 4
SMALL_LENGTH = 32 * 1024
#: Seconds for a fetch, beside those that all of them take together at RATE (bytes a second), a link of 100
#: Mbit/s; and altogether. A host that says nothing for longer is taken for lost.
PATIENCE, LONGEST_PATIENCE = 5.0, 30.0
RATE = 12_500_000


class Offer(NamedTuple):
    """Where hosts find what they are to have, how to know it, and how long they try (seconds)."""

    url: str
    sha256: str
    length: int
    patience: float

    def fields(self) -> dict[str, Any]:
        """Return the fields of `control.Stage` that say so."""
        return {
            "torrent_url": self.url,
            "torrent_sha256": self.sha256,
            "torrent_length": self.length,
            "patience": self.patience,
        }


def pays(host_count: int, length: int) -> bool:
    """Return whether *host_count* hosts had better get *length* bytes from one of them."""
    return host_count > FEW_HOSTS and length > SMALL_LENGTH


def patience_for(host_count: int, length: int) -> float:
    """Return the seconds in which each of *host_count* hosts has *length* bytes, if the way is free."""
    return min(PATIENCE + host_count * length / RATE, LONGEST_PATIENCE)


def offer_of_torrent(
    torrent: bytes, info_hash: bytes, host_count: int, address: str, port: int, token: bytes
) -> Offer:
    """Return how *host_count* hosts get *torrent* from the tracker at *address* and *port*."""
    length = len(torrent)
    url = torrent_url(address, port, info_hash, token)
    return Offer(url, hashlib.sha256(torrent).hexdigest(), length, patience_for(host_count, length))
