"""Whom to connect to, whom never again, and which of two connections with one peer stays."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable

from ..errors import RemoteProtocolError
from ..policy.peer_pool import PeerPool
from .peer import Peer
from .ports import Address, Dialer

#: Proven wrong pieces after which a peer is not spoken to again.
MOST_STRIKES = 2


class Contacts:
    """
    The addresses and peer ids that we know of.

    Args:
        peer_id: our own.
        dial_below: connections, made or being made, below which we make more.
    """

    def __init__(self, peer_id: bytes, dialer: Dialer, rng: random.Random, dial_below: int) -> None:
        self._peer_id = peer_id
        self._dialer = dialer
        self._dial_below = dial_below
        self._pool = PeerPool(rng)
        self._dialing: set[Address] = set()
        self._banned: set[bytes] = set()

    def learned(self, addresses: Iterable[Address]) -> None:
        """Somebody told us of *addresses*."""
        self._pool.learned(addresses)

    def dial(self, connected: int, *, now: float) -> None:
        """Make more connections, if there are too few beside the *connected* ones."""
        for address in self._pool.due(self._dial_below - connected - len(self._dialing), now=now):
            self._dialing.add(address)
            self._dialer.dial(address)

    def dialed(self, address: Address) -> None:
        """The connection that we made stands."""
        self._dialing.discard(address)
        self._pool.connected(address)

    def dial_failed(self, address: Address, *, now: float) -> None:
        """Nobody answered at *address*, or there was no room for the connection."""
        self._dialing.discard(address)
        self._pool.failed(address, now=now)

    def listens(self, peer: Peer, port: int) -> None:
        """*peer*, which connected to us, says where it can be reached; it is believed once."""
        if not peer.listens:
            peer.address, peer.listens = (peer.address[0], port), True
            self._pool.connected(peer.address)

    def is_us(self, peer: Peer) -> bool:
        """Whether *peer* is the other end of a connection of ours to ourselves."""
        return peer.peer_id == self._peer_id

    def check(self, peer: Peer) -> None:
        """
        Look at who *peer* says it is.

        Raises:
            RemoteProtocolError: somebody we do not speak with: ourselves, or somebody banned.
        """
        if self.is_us(peer):
            self._pool.shunned(peer.address)
            raise RemoteProtocolError("connected to ourselves")
        if peer.peer_id in self._banned:
            raise RemoteProtocolError("banned: it sent wrong pieces before")

    def struck(self, peer: Peer) -> bool:
        """A piece of *peer* was proven wrong; return whether that was one too many."""
        if peer.strikes < MOST_STRIKES:
            return False
        self._banned.add(peer.peer_id)
        self._pool.shunned(peer.address)
        return True

    def superfluous(self, peer: Peer, peers: Collection[Peer]) -> Peer | None:
        """
        Return which of *peer* and an older connection with the same peer is to be closed; None without one.

        Both sides must find the same one without a word about it.

        1. Of two connections made from the two sides, the one that the lower peer id made stays.
        2. Of two made from one side the newer stays: whoever makes a second one has lost the first.
        """
        twin = next((one for one in peers if one is not peer and one.peer_id == peer.peer_id), None)
        if twin is None:
            return None
        keep_dialed = self._peer_id < peer.peer_id
        loser = twin if twin.dialed == peer.dialed or twin.dialed != keep_dialed else peer
        survivor = peer if loser is twin else twin
        if not survivor.listens:
            survivor.address, survivor.listens = loser.address, loser.listens
        return loser

    def lost(self, peer: Peer, peers: Collection[Peer], *, finished: bool, now: float) -> None:
        """
        The connection of *peer* is gone: try again later.

        Not if both ends have *finished*, nor if another connection leads there.
        """
        if not finished and all(one.address != peer.address for one in peers):
            useful = bool(peer.download.total or peer.upload.total)
            self._pool.failed(peer.address, useful=useful, now=now)
