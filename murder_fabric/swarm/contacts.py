"""Whom to connect to, whom never again, and which of two connections with one peer stays."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Collection, Iterable

from ..errors import RemoteProtocolError
from ..policy.peer_pool import PeerPool
from .peer import Peer
from .ports import Address, Dialer

#: Strikes after which a peer is not spoken to again: pieces proven wrong, and floods of messages.
MOST_STRIKES = 2
#: Seconds in which a connection that has work to do, and is not lost, has been heard of.
LATELY = 3.0
_BANNED = "banned: it sent wrong pieces, or too many messages, before"


class Contacts:
    """
    The addresses and peer ids that we know of.

    Every host of a run has its key, and can take the peer id of any other; but not its address. So a peer is
    known by both: who comes with that id from elsewhere is somebody else, and fresh ids are no fresh start.

    Args:
        peer_id: our own.
        dial_below: connections, made or being made, below which we make more.
        hosts_at: see `SwarmConfig`.
    """

    def __init__(
        self,
        peer_id: bytes,
        dialer: Dialer,
        rng: random.Random,
        dial_below: int,
        hosts_at: Callable[[str], int],
    ) -> None:
        self._peer_id = peer_id
        self._hosts_at = hosts_at
        self._dialer = dialer
        self._dial_below = dial_below
        self._pool = PeerPool(rng, hosts_at)
        self._dialing: set[Address] = set()
        #: Strikes of each peer, by host and peer id, and of all peers of a host together.
        self._strikes: Counter[tuple[str, bytes]] = Counter()
        self._strikes_of: Counter[str] = Counter()
        #: The hosts of which some strikes are floods.
        self._loud: set[str] = set()

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
            RemoteProtocolError: somebody we do not speak with: somebody banned, or ourselves.
        """
        if self._ban(peer) is not None:
            if peer.dialed:
                self._pool.shunned(peer.address)
            raise RemoteProtocolError(_BANNED)
        if self.is_us(peer) and peer.dialed:  # else the end that dialed sees it by our answer, and closes
            self._pool.shunned(peer.address)
            raise RemoteProtocolError("connected to ourselves")

    def struck(self, peer: Peer) -> str | None:
        """A piece of *peer* was proven wrong; return why that was one too many, None while it was not."""
        self._strikes[_identity(peer)] += 1
        if not peer.origin:
            self._strikes_of[peer.address[0]] += 1
        why = self._ban(peer)
        if why is not None:
            self._pool.shunned(peer.address)
        return why

    def flooded(self, peer: Peer) -> None:
        """*peer* said more than anybody has to say, which is a strike as a wrong piece is."""
        self._loud.add(peer.address[0])
        self.struck(peer)

    def _ban(self, peer: Peer) -> str | None:
        """Return why we do not speak with *peer*; None where we do."""
        host, mine = peer.address[0], self._strikes[_identity(peer)]
        if mine >= MOST_STRIKES:
            why = f"banned: {mine} of its pieces did not match their hashes"
        elif not peer.origin and self._strikes_of[host] >= MOST_STRIKES * self._hosts_at(host):
            why = f"banned: {self._strikes_of[host]} pieces from its address did not match their hashes"
        else:
            return None
        return _BANNED if host in self._loud else why

    def superfluous(self, peer: Peer, peers: Collection[Peer], *, now: float) -> Peer | None:
        """
        Return which of *peer* and an older connection with the same peer is to be closed; None without one.

        Both sides must find the same one without a word about it.

        1. Of two connections made from the two sides, the one that the lower peer id made stays.
        2. Of two made from one side the newer stays: whoever makes a second one has lost the first. Unless
           that brings something at this moment: then it knows us by two addresses, and takes us for two.
        """
        identity = _identity(peer)
        twin = next((one for one in peers if one is not peer and _identity(one) == identity), None)
        if twin is None or (twin.dialed == peer.dialed and _is_moving(twin, now=now)):
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


def _identity(peer: Peer) -> tuple[str, bytes]:
    return peer.address[0], peer.peer_id


def _is_moving(peer: Peer, *, now: float) -> bool:
    return bool(peer.requested or peer.asked) and now - peer.heard_at < LATELY
