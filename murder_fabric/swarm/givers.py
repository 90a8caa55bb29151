"""Who gave us how much, also once it is gone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from .peer import Peer
from .ports import Address


class Givers:
    """The bytes that came from each address; origins are no addresses, and are counted elsewhere."""

    def __init__(self) -> None:
        #: Of connections that are gone.
        self._former: Counter[Address] = Counter()

    def left(self, peer: Peer) -> None:
        """The connection of *peer* is gone."""
        self._former += self._of([peer])

    def bytes_of(self, peers: Iterable[Peer]) -> dict[Address, int]:
        """Return how many bytes came from each address, *peers* being those connected now."""
        return dict(self._former + self._of(peers))

    @staticmethod
    def _of(peers: Iterable[Peer]) -> Counter[Address]:
        given: Counter[Address] = Counter()
        for peer in peers:
            if peer.download.total and not peer.origin:
                given[peer.address] += peer.download.total
        return given
