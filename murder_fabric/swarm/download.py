"""Getting pieces: whom to ask for what, and what becomes of the answers."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from operator import itemgetter

from ..bitfield import Bitfield
from ..errors import RemoteProtocolError
from ..metainfo.geometry import Run
from ..metainfo.values import Info
from ..policy.endgame import choose_duplicate, overdue_after
from ..policy.origins import OriginShare, Share
from ..policy.picker import PiecePicker
from ..policy.pipeline import block_length, bytes_ahead
from ..policy.snubbing import Patience
from ..wire.connection import BLOCK_LENGTH
from ..wire.messages import BlockPart, Cancel, Piece, Request
from .assembly import Assembly
from .peer import Peer
from .ports import Storage

#: Bytes of second copies that may be kept in memory in the endgame, of all pieces together.
MAX_SPARE = 16 << 20


@dataclass
class _InFlight:
    """A piece that was asked for, and of whom; the first one asked writes to the disk."""

    index: int
    asked_at: float
    peers: list[Peer] = field(default_factory=list)

    @property
    def sources(self) -> int:
        return len(self.peers)


class Download:
    """
    All that is still to come, in a swarm whose payload is described by *info*.

    Args:
        held: files that are there whole; of pieces that they share with others only the rest is asked for.
            A piece that lies in nothing else is in *have*.
        peers: all that are connected, as they come and go.
    """

    def __init__(
        self,
        info: Info,
        have: Bitfield,
        storage: Storage,
        rng: random.Random,
        held: Collection[int] = frozenset(),
        peers: Collection[Peer] = (),
    ) -> None:
        self._info = info
        self._geometry = info.geometry
        self._have = have
        self._held = held
        self._peers = peers
        #: Pieces that were wrong with what is held of them, so that all of them is to come.
        self._distrusted: set[int] = set()
        self._storage = storage
        self.picker = PiecePicker(have, rng)
        self._share = OriginShare()
        self._in_flight: dict[int, _InFlight] = {}
        #: Most bytes a second that came from all peers together.
        self._best_rate = 0.0
        #: Bytes that came of the pieces that were verified.
        self._verified = 0

    def gained(self) -> int:
        """Return the bytes that came of pieces that are right, or of which that is not known yet."""
        flights = self._in_flight.values()
        return self._verified + sum(
            max(peer.assemblies[flight.index].received for peer in flight.peers) for flight in flights
        )

    def fill(self, peer: Peer, *, now: float) -> None:
        """Ask *peer* for as much as its pipeline holds."""
        if peer.peer_choking or not peer.useful or peer.snubbed:
            return
        rate = peer.download.rate(now=now)
        ahead = bytes_ahead(rate, peer.wait.shortest, peer.request_length, self._geometry.piece_length)
        while peer.owed < ahead and len(peer.requested) < peer.request_queue:
            assembly = self._unfinished(peer) or self._begin(peer, now=now)
            if assembly is None:
                return
            request = assembly.next_request()
            if not peer.requested:
                peer.wait.began(now=now)
            peer.wait.asked()
            peer.requested.add(request)
            peer.owed += request.length
            peer.link.send(request)

    def fill_all(self, peers: Iterable[Peer], *, now: float) -> None:
        """Ask all *peers* so: what was asked of one may be open again."""
        for peer in peers:
            self.fill(peer, now=now)

    def block_announced(self, peer: Peer, piece: Piece) -> None:
        """
        A block starts to come in from *peer*.

        One that was taken back meanwhile is passed over as it comes, though it is an answer; one that nobody
        asked for is none.

        Raises:
            RemoteProtocolError: no block like that exists.
        """
        if not self._geometry.holds(*piece):
            raise RemoteProtocolError(f"a block outside its piece: {tuple(piece)}")
        request = Request(*piece)
        peer.incoming = piece if request in peer.requested else None
        peer.answers = peer.incoming is not None or request in peer.cancelled
        if peer.incoming is None:
            peer.cancelled.discard(request)

    def part_received(self, peer: Peer, part: BlockPart, *, now: float) -> int | None:
        """Take in a part of the announced block; return the piece if that completes and verifies it."""
        if peer.answers and peer.wait.received(len(part.data), ended=part.last, now=now):
            peer.snubbed = False
        if peer.incoming is None:
            return None
        self._share.came(len(part.data), origin=peer.origin, now=now)
        peer.download.add(len(part.data), now=now)
        assembly = peer.assemblies[part.index]
        assembly.part_received(part.begin, part.data)
        if not assembly.spare:
            self._storage.write(part.index, part.begin, part.data)
        if not part.last:
            return None
        self._forget_request(peer, Request(*peer.incoming))
        peer.incoming = None
        return self._assembled(peer, assembly) if assembly.complete else None

    def rejected(self, peer: Peer, request: Request) -> None:
        """
        *peer* will not answer *request*: the rest of that piece is not worth having from it either.

        Whoever refuses without choking would refuse the same again, for ever: it is asked for nothing more.
        """
        if request in peer.cancelled:  # that is the answer to our `Cancel`
            peer.cancelled.discard(request)
        elif request in peer.requested:
            peer.snubbed = not peer.peer_choking
            self._release(peer, request.index)

    def released(self, peer: Peer) -> None:
        """*peer* will answer nothing it was asked: choked, gone, or given up on."""
        for index in list(peer.assemblies):
            self._release(peer, index)

    def check_patience(self, peer: Peer, *, now: float) -> Patience:
        """See whether *peer* still sends what it owes; what a snubbed one owes is asked of others."""
        if not peer.requested and not peer.snubbed:
            return Patience.WAIT
        patience = peer.wait.patience(now=now)
        if patience is not Patience.WAIT and not peer.snubbed:
            peer.snubbed = True
            self.released(peer)
        return patience

    def ask_twice(self, peers: Sequence[Peer], *, now: float) -> None:
        """
        Let peers with nothing to do send what one of the others is slow with.

        Who has given most is asked first, so that those who give next to nothing are not asked instead.
        """
        flights = self._in_flight.values()
        if not (flights or self.picker.open_count):  # nothing is missing, as in a seeder
            return
        self._best_rate = max(self._best_rate, sum(peer.download.rate(now=now) for peer in peers))
        overdue = overdue_after(sum(self._geometry.piece_size(f.index) for f in flights), self._best_rate)
        at_end = not self.picker.open_count
        if choose_duplicate(flights, overdue, at_end=at_end, now=now) is None:
            return
        for peer in sorted(peers, key=lambda one: -one.download.total):
            if peer.requested or peer.peer_choking or peer.snubbed or not peer.trusted:
                continue
            others = [f for f in flights if peer.may_give(f.index) and peer not in f.peers]
            late = choose_duplicate(others, overdue, at_end=at_end, now=now)
            if late is None:
                continue
            if self._spare_bytes() + self._geometry.piece_size(late.index) > MAX_SPARE:
                if self._take_back_spare(overdue, now=now):
                    self.fill_all(peers, now=now)  # it may have been all that there was of its piece
                return
            self._begin_piece(peer, late.index, now=now)
            self.fill(peer, now=now)

    def _take_back_spare(self, overdue: float, *, now: float) -> bool:
        """Give up the second copy that has been overdue longest; return whether there was one."""
        spares = [
            (peer.assemblies[flight.index].asked_at, flight.index, peer)
            for flight in self._in_flight.values()
            for peer in flight.peers
            if peer.assemblies[flight.index].spare
        ]
        asked_at, index, peer = min(spares, key=itemgetter(0), default=(now, 0, None))
        if peer is None or now - asked_at < overdue:
            return False
        self._release(peer, index)
        return True

    def _spare_bytes(self) -> int:
        """Return what second sources keep in memory, once all that they were asked for has come."""
        flights = self._in_flight.values()
        spares = (f.index for f in flights for peer in f.peers if peer.assemblies[f.index].spare)
        return sum(map(self._geometry.piece_size, spares))

    def _unfinished(self, peer: Peer) -> Assembly | None:
        """Return the piece that *peer* has been asked for in part; at most the newest is."""
        newest = next(reversed(peer.assemblies.values()), None)
        return None if newest is None or newest.all_asked else newest

    def _begin(self, peer: Peer, *, now: float) -> Assembly | None:
        share = Share.ANYTHING
        if peer.origin:
            seeded = any(one.trusted and one.has_all and not one.origin for one in self._peers)
            share = self._share.of_work(seeded, now=now)
        if share is Share.NOTHING:
            return None
        if share is Share.ANYTHING:
            index = self.picker.take(peer.has, but=peer.spoilt)
        else:
            index = self.picker.take_unshared(but=peer.spoilt)
        return None if index is None else self._begin_piece(peer, index, now=now)

    def _begin_piece(self, peer: Peer, index: int, *, now: float) -> Assembly:
        flight = self._in_flight.setdefault(index, _InFlight(index, now))
        size = self._geometry.piece_size(index)
        longest = BLOCK_LENGTH
        if peer.request_length >= size:  # an origin is told nothing that could have to wait behind a block
            longest = size if peer.origin else block_length(peer.download.rate(now=now), size)
        runs = self._lacking(index)
        hasher = self._info.hasher() if runs == [Run(0, size)] else None
        assembly = Assembly(index, runs, longest, hasher, now, spare=bool(flight.peers))
        flight.peers.append(peer)
        peer.assemblies[index] = assembly
        return assembly

    def _lacking(self, index: int) -> list[Run]:
        """Return the runs of a piece that are to be asked for."""
        if not self._held or index in self._distrusted:
            return [Run(0, self._geometry.piece_size(index))]
        return self._geometry.runs(index, lambda file: file not in self._held)

    def _assembled(self, peer: Peer, assembly: Assembly) -> int | None:
        index = assembly.index
        if not self._is_right(assembly):
            if assembly.whole:
                peer.strikes += 1
                peer.spoilt.add(index)
            else:  # as likely it is what we had ourselves that is wrong
                self._distrusted.add(index)
            self._release(peer, index)
            return None
        for begin, data in assembly.kept:
            self._storage.write(index, begin, data)
        for other in self._in_flight.pop(index).peers:
            self._drop(other, index)
        self._verified += assembly.received
        self._have.add(index)
        return index

    def _is_right(self, assembly: Assembly) -> bool:
        index = assembly.index
        digest = assembly.digest()
        if digest is None:
            hasher = self._info.hasher()
            if assembly.spare:
                hasher.update(self._put_together(assembly))
            else:
                hasher.update(self._storage.read(index, 0, self._geometry.piece_size(index)))
            digest = hasher.digest()
        return digest == self._info.piece_hash(index)

    def _put_together(self, assembly: Assembly) -> bytes:
        """Return the piece of which *assembly* keeps what came; the rest of it is held."""
        parts = list(assembly.kept)
        if not assembly.whole:
            for begin, length in self._geometry.runs(assembly.index, self._held.__contains__):
                parts.append((begin, memoryview(self._storage.read(assembly.index, begin, length))))
        return b"".join(data for _, data in sorted(parts, key=itemgetter(0)))

    def _release(self, peer: Peer, index: int) -> None:
        """*peer* is no longer a source of piece *index*; without any, others may be asked for it."""
        flight = self._in_flight[index]
        flight.peers.remove(peer)
        self._drop(peer, index)
        if not flight.peers:
            del self._in_flight[index]
            self.picker.give_back(index)

    def _drop(self, peer: Peer, index: int) -> None:
        """Forget what *peer* owes of piece *index*, and take back what it has not sent."""
        del peer.assemblies[index]
        if peer.incoming is not None and peer.incoming.index == index:
            peer.incoming = None
        for request in [one for one in peer.requested if one.index == index]:
            self._forget_request(peer, request)
            if not peer.peer_choking:
                peer.link.send(Cancel(*request))
                peer.cancelled.add(request)

    def _forget_request(self, peer: Peer, request: Request) -> None:
        peer.requested.discard(request)
        peer.owed -= request.length
