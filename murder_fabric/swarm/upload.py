"""Giving pieces: who may ask, what is shown to whom, and which requests are served."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable

from ..bitfield import Bitfield
from ..errors import RemoteProtocolError
from ..metainfo.geometry import Geometry
from ..policy.choker import Choker
from ..policy.superseeding import SuperSeeder
from ..wire.messages import Bitfield as BitfieldMessage
from ..wire.messages import Choke, Have, HaveAll, HaveNone, Message, Reject, Request, Unchoke
from .peer import Peer

#: Requests of one peer that we keep; what asks for more than that is not a client.
MAX_ASKED = 500


class Upload:
    """All that we give, in one swarm."""

    def __init__(
        self,
        geometry: Geometry,
        have: Bitfield,
        rng: random.Random,
        *,
        slots: int,
        max_block: int,
        super_seed: bool,
    ) -> None:
        self._geometry = geometry
        self._have = have
        self._choker = Choker(slots)
        self._max_block = max_block
        #: The pieces that came since the start, in their order; each peer has heard of the first `told`.
        self._news: list[int] = []
        self._super_seeder = SuperSeeder(len(have), rng) if super_seed else None

    def opening(self, peer: Peer) -> Message | None:
        """Return what to tell *peer* that we have, at the start; None to say nothing."""
        nothing = self._super_seeder is not None or not self._have.have
        if peer.fast:
            if nothing:
                return HaveNone()
            return HaveAll() if self._have.complete else BitfieldMessage(self._have.to_bytes())
        return None if nothing else BitfieldMessage(self._have.to_bytes())

    def joined(self, peer: Peer, *, now: float) -> None:
        """*peer* may be served from now on, and knows what we have; a super-seeder shows its first pieces."""
        peer.told = len(self._news)
        if self._super_seeder is not None:
            peer.link.send(Have(*self._super_seeder.joined(peer, peer.has, now=now)))

    def verified(self, index: int) -> None:
        """We have piece *index* now; who is told when is up to `tell`."""
        self._news.append(index)

    def tell(self, peer: Peer) -> None:
        """Tell *peer* of the pieces that are new to it, unless it needs none."""
        if peer.told < len(self._news):
            if not peer.has.complete:
                peer.link.send(Have(*self._news[peer.told :]))
            peer.told = len(self._news)

    def left(self, peer: Peer) -> None:
        """*peer* is gone."""
        peer.asked.clear()
        if self._super_seeder is not None:
            self._super_seeder.left(peer)

    def peer_has(self, peer: Peer, indices: Iterable[int], *, now: float) -> None:
        """*peer* says that it has these pieces; those that it was shown are made up for."""
        if self._super_seeder is not None:
            for index in indices:
                shown = self._super_seeder.confirmed(
                    peer, index, peer.has, is_our_kind=peer.is_our_kind, now=now
                )
                if shown:
                    peer.link.send(Have(*shown))

    def rechoke(self, peers: Collection[Peer], *, now: float) -> None:
        """Give the slots out anew."""
        chosen = set(self._choker.choose(peers, now=now))
        for peer in peers:
            if (peer in chosen) == peer.am_choking:
                peer.am_choking = not peer.am_choking
                peer.choked_since = now
                peer.refused = 0
                peer.link.send(Choke() if peer.am_choking else Unchoke())
                if peer.am_choking:
                    self._refuse_all(peer)

    def requested(self, peer: Peer, request: Request) -> None:
        """
        *peer* asks for a block.

        Raises:
            RemoteProtocolError: a block that does not exist or is longer than we said, or too many at once.
        """
        if not self._geometry.holds(*request) or request.length > self._max_block:
            raise RemoteProtocolError(f"a request for no block of ours: {tuple(request)}")
        if len(peer.asked) >= MAX_ASKED:
            raise RemoteProtocolError(f"more than {MAX_ASKED} requests at once")
        if peer.am_choking or request.index not in self._have:
            peer.refused += 1
            if peer.refused > MAX_ASKED:
                raise RemoteProtocolError(f"more than {MAX_ASKED} requests that it may not make")
            self._refuse(peer, request)
        elif request not in peer.asked:
            peer.asked.add(request)
            peer.link.send_block(request)

    def cancelled(self, peer: Peer, request: Request) -> None:
        """*peer* takes a request back."""
        if request in peer.asked and peer.link.cancel_block(request):
            peer.asked.discard(request)
            self._refuse(peer, request)

    def block_sent(self, peer: Peer, request: Request, *, now: float) -> None:
        """The last byte of a block is on its way to *peer*."""
        peer.asked.discard(request)
        peer.upload.add(request.length, now=now)

    def _refuse_all(self, peer: Peer) -> None:
        for request in list(peer.asked):
            if peer.link.cancel_block(request):
                peer.asked.discard(request)
                self._refuse(peer, request)

    def _refuse(self, peer: Peer, request: Request) -> None:
        if peer.fast:  # BEP 6: every request is answered or rejected; in BEP 3 silence means no
            peer.link.send(Reject(*request))
