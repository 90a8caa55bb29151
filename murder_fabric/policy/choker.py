"""Who gets our upload: everybody in turn, nobody choked for revenge."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

#: Seconds an unchoked peer keeps its slot while others wait.
TERM = 10.0


class Candidate(Protocol):
    """All that choking needs to know of a peer."""

    peer_interested: bool
    am_choking: bool
    #: When `am_choking` last changed.
    choked_since: float


C = TypeVar("C", bound=Candidate)


class Choker:
    """
    Decides who may ask us; the caller sends the chokes and unchokes.

    All hosts of a run are ours and give what they have, so tit-for-tat (BEP 3) would only leave links idle.

    1. While there are slots for all who are interested, all have one.
    2. Else who has had a slot for less than `TERM` keeps it, and the rest goes to who waited longest.
    """

    def __init__(self, slots: int) -> None:
        self._slots = slots

    def choose(self, peers: Iterable[C], *, now: float) -> list[C]:
        """Return the peers to leave unchoked."""
        interested = [peer for peer in peers if peer.peer_interested]
        if len(interested) <= self._slots:
            return interested
        serving = [p for p in interested if not p.am_choking and now - p.choked_since < TERM]
        waiting = sorted(
            (p for p in interested if p.am_choking or now - p.choked_since >= TERM),
            key=lambda peer: (not peer.am_choking, peer.choked_since),
        )
        return (serving + waiting)[: self._slots]
