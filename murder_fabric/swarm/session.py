"""One torrent's swarm as this agent sees it: the one owner of all that peers change."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterable
from typing import Any

from ..bitfield import Bitfield
from ..errors import NoRoomError, RemoteProtocolError, StorageError
from ..metainfo.values import Info
from ..policy.pipeline import FEWEST_PIECES
from ..wire import messages as wire
from .admission import Admission
from .config import SwarmConfig
from .contacts import Contacts
from .download import Download
from .givers import Givers
from .hearing import UNWEIGHED, Hearing
from .peer import Peer
from .ports import Address, Dialer, Link, Observer, Storage
from .presence import Presence
from .upload import Upload

#: Seconds between telling peers of new pieces. To tell each of them of each at once would cost more CPU than
#: the pieces do; and on virtual time no swarm was seen to be slower with 0.2 than with 0.05.
NEWS_INTERVAL = 0.1
#: Seconds between two hand-outs of upload slots.
RECHOKE_INTERVAL = 1.0
#: Ticks further apart than this (seconds): it was us who did not listen, and peers did not keep us waiting.
ASLEEP_AFTER = 2.0


class Session:
    """
    The swarm of one torrent.

    What happens is told to it by methods in the past tense, `now` being monotonic seconds; what is to be done
    it says to its ports. `tick` is to be called a few times a second. *held* are files that are there whole
    though some of their pieces are not in *have*.
    """

    def __init__(
        self,
        info: Info,
        have: Bitfield,
        config: SwarmConfig,
        storage: Storage,
        dialer: Dialer,
        observer: Observer,
        rng: random.Random,
        nonces: Callable[[int], bytes],
        held: Collection[int] = frozenset(),
    ) -> None:
        self.have = have
        #: In the order in which they came; a set would differ from run to run.
        self.peers: dict[Peer, None] = {}
        self.bytes_downloaded = 0
        self.bytes_uploaded = 0
        self._givers = Givers()
        self._config = config
        self._observer = observer
        self._contacts = Contacts(config.peer_id, dialer, rng, config.dial_below, config.hosts_at)
        self._ticked_at: float | None = None
        self._rechoke_at = 0.0
        self._over = False
        #: Whether the disk has no room for what is missing.
        self._full = False
        self._download = Download(info, have, storage, rng, held, self.peers)
        self._presence = Presence(have, self._download)
        self._hearing = Hearing(info, self._contacts)
        self._upload = Upload(
            info.geometry,
            have,
            rng,
            slots=config.slots,
            max_block=config.max_block,
            super_seed=config.super_seed,
        )
        self._admission = Admission(
            info, config.peer_id, config.key, config.port, config.max_block, nonces, config.super_seed
        )

    @property
    def trusted_peers(self) -> list[Peer]:
        """The peers we are on speaking terms with."""
        return [peer for peer in self.peers if peer.trusted]

    @property
    def bytes_gained(self) -> int:
        """Bytes that came of pieces that are right, or may be once they are whole; less if one is not."""
        return self._download.gained()

    def connected(self, link: Link, address: Address, *, dialed: bool, now: float) -> Peer | None:
        """A connection stands; returns its peer, or None where there is no room for one more."""
        if self._over or len(self.peers) >= self._config.max_connections:
            if dialed:
                self._contacts.dial_failed(address, now=now)
            return None
        peer = Peer(link, address, len(self.have), dialed=dialed, now=now)
        self.peers[peer] = None
        if dialed:
            self._contacts.dialed(address)
            link.send(self._admission.handshake())
        return peer

    def dial_failed(self, address: Address, *, now: float) -> None:
        """Nobody answered at *address*."""
        self._contacts.dial_failed(address, now=now)

    def addresses_learned(self, addresses: Iterable[Address], *, now: float) -> None:
        """A tracker named *addresses*."""
        self._contacts.learned(addresses)
        self._dial(now=now)

    def link_lost(self, peer: Peer, *, now: float) -> None:
        """The connection of *peer* is gone."""
        if peer not in self.peers:
            return
        del self.peers[peer]
        self._givers.left(peer)
        self._hearing.left(peer, now=now)
        peer.peer_choking = True  # so that nothing more is said to it
        self._download.released(peer)
        self._upload.left(peer)
        if peer.trusted and not peer.has.complete:
            self._download.picker.vanished(peer.has)
        finished = peer.has.complete and self.have.complete
        self._contacts.lost(peer, self.peers, finished=finished, now=now)
        self._fill_all(now=now)

    def held_back(self, peer: Peer, seconds: float) -> None:
        """For so long we did not read what *peer* sends, since there is a limit."""
        peer.wait.excused(seconds)

    def message_received(self, peer: Peer, message: wire.Message, *, now: float) -> None:
        """
        *peer* said something.

        Raises:
            RemoteProtocolError: it may not say that, or has said too much; the connection is to be closed.
        """
        peer.heard_at = now
        if type(message) not in UNWEIGHED or not peer.trusted:
            self._hearing.heard(peer, message, now=now)
        handle = _RECEIVED.get(type(message))
        if handle is None:
            return
        try:
            handle(self, peer, message, now)
        except NoRoomError as error:
            self._take_no_more(str(error))
        except StorageError as error:
            self._give_up(str(error))

    def received_from(self) -> dict[Address, int]:
        """Return how many bytes that we asked for came from each peer but origins, by where it listens."""
        return self._givers.bytes_of(self.peers)

    def block_sent(self, peer: Peer, request: wire.Request, *, now: float) -> None:
        """The last byte of a block that `send_block` queued has been handed to the network."""
        self.bytes_uploaded += request.length
        self._upload.block_sent(peer, request, now=now)
        peer.wait.words_left()

    def storage_failed(self, reason: str) -> None:
        """Reading for an upload failed."""
        self._give_up(reason)

    def stop(self, reason: str) -> None:
        """Close every connection, and take and make no more."""
        self._over = True
        for peer in list(self.peers):
            peer.link.close(reason)

    def tell_news(self) -> None:
        """Tell peers what came since the last call; to be called every `NEWS_INTERVAL`."""
        for peer in self.trusted_peers:
            self._upload.tell(peer)

    def tick(self, *, now: float) -> None:
        """Time has passed; to be called a few times a second."""
        asleep = 0.0 if self._ticked_at is None else now - self._ticked_at
        self._ticked_at = now
        for peer in list(self.peers):
            if asleep > ASLEEP_AFTER:
                peer.wait.excused(asleep)
            else:
                peer.wait.ticked(peer.link.before_words(), asleep, now=now)
            if self._presence.look(peer, now=now):
                self._fill_all(now=now)
        if now >= self._rechoke_at:
            self._rechoke(now=now)
        self._download.ask_twice(self.trusted_peers, now=now)
        self._dial(now=now)

    # What one message changes -----------------------------------------------------------------------------

    def _handshake_received(self, peer: Peer, handshake: wire.Handshake, now: float) -> None:
        self._admission.check(handshake)
        peer.peer_id, peer.fast = handshake.peer_id, handshake.fast
        if not peer.dialed:
            peer.link.send(self._admission.handshake())
        self._contacts.check(peer)
        if self._contacts.is_us(peer):
            return
        if self._admission.is_open:
            self._trust(peer, now=now)
        if handshake.extended:
            peer.link.send(self._admission.extended_handshake(peer))

    def _extended_received(self, peer: Peer, message: wire.Extended, now: float) -> None:
        if message.id == 0:
            theirs = self._admission.extended_handshake_received(peer, message.payload)
            peer.claimed_port = theirs.port
        elif self._admission.is_proof(peer, message):
            self._trust(peer, now=now)
        if peer.trusted and peer.claimed_port:
            self._contacts.listens(peer, peer.claimed_port)

    def _trust(self, peer: Peer, *, now: float) -> None:
        self._hearing.trusted(peer, now=now)
        loser = self._contacts.superfluous(peer, self.trusted_peers, now=now)
        if loser is not None:
            loser.link.close("connected twice")
        if loser is peer:
            return
        peer.trusted = True
        opening = self._upload.opening(peer)
        if opening is not None:
            peer.link.send(opening)
        self._upload.joined(peer, now=now)
        self._reconsider(peer, now=now)

    def _bitfield_received(self, peer: Peer, message: wire.Bitfield, now: float) -> None:
        has = Bitfield.from_bytes(message.bits, len(self.have))
        if peer.has.count_not_in(has):
            raise RemoteProtocolError("a bitfield that takes pieces back")
        if not peer.has.have and has.have:
            self._has_received(peer, has, now)
        elif has.have > peer.has.have:
            self._have_received(peer, wire.Have(*has.beyond(peer.has)), now)

    def _have_all_received(self, peer: Peer, message: wire.HaveAll, now: float) -> None:
        self._has_received(peer, Bitfield.full(len(self.have)), now)

    def _has_received(self, peer: Peer, has: Bitfield, now: float) -> None:
        peer.has = has
        peer.useful = 0 if self._full else has.count_not_in(self.have)
        if not has.complete:
            self._download.picker.appeared(has)
        self._upload.peer_has(peer, has, now=now)
        self._reconsider(peer, now=now)

    def _have_received(self, peer: Peer, message: wire.Have, now: float) -> None:
        if max(message) >= len(self.have):
            raise RemoteProtocolError(f"it has piece {max(message)} of {len(self.have)}")
        new = [index for index in message if peer.has.add(index)]
        if len(new) < len(message):
            self._hearing.said(peer, len(message) - len(new), now=now)
        self._upload.peer_has(peer, new, now=now)
        self._download.picker.appeared(new)
        if new and peer.has.complete:
            self._download.picker.completed()
        lacked = len(new) - sum(map(self.have.__contains__, new))
        if not lacked or self._full:
            return
        peer.useful += lacked
        peer.show_interest()
        if len(peer.requested) < FEWEST_PIECES:  # else the next block that comes asks for more
            self._hearing.said(peer, 1, now=now)
            self._download.fill(peer, now=now)

    def _choke_received(self, peer: Peer, message: wire.Choke, now: float) -> None:
        was_choking, peer.peer_choking = peer.peer_choking, True
        if not peer.fast and not was_choking:  # BEP 6: with it, each request is rejected by name
            self._download.released(peer)
            self._fill_all(now=now)

    def _unchoke_received(self, peer: Peer, message: wire.Unchoke, now: float) -> None:
        peer.peer_choking = False
        self._download.fill(peer, now=now)

    def _interested_received(self, peer: Peer, message: wire.Interested, now: float) -> None:
        was_interested, peer.peer_interested = peer.peer_interested, True
        if peer.am_choking and not was_interested:
            self._rechoke(now=now)

    def _not_interested_received(self, peer: Peer, message: wire.NotInterested, now: float) -> None:
        peer.peer_interested = False

    def _request_received(self, peer: Peer, request: wire.Request, now: float) -> None:
        self._upload.requested(peer, request)

    def _cancel_received(self, peer: Peer, message: wire.Cancel, now: float) -> None:
        self._upload.cancelled(peer, wire.Request(*message))

    def _reject_received(self, peer: Peer, message: wire.Reject, now: float) -> None:
        request = wire.Request(*message)
        is_owed = request in peer.requested
        self._download.rejected(peer, request)
        if is_owed:
            self._fill_all(now=now)

    def _piece_received(self, peer: Peer, message: wire.Piece, now: float) -> None:
        self._download.block_announced(peer, message)
        if peer.incoming is None:
            self._hearing.said(peer, 1, now=now)

    def _part_received(self, peer: Peer, part: wire.BlockPart, now: float) -> None:
        strikes = peer.strikes
        verified = self._download.part_received(peer, part, now=now)
        self.bytes_downloaded += len(part.data)
        if verified is not None:
            self._verified(verified, now=now)
            # Whoever sent it hears at once: a super-seeder waits for that to show the next piece.
            self._upload.tell(peer)
        elif peer.strikes > strikes:
            banned = self._contacts.struck(peer)
            if banned is not None:
                peer.link.close(banned)
            self._fill_all(now=now)  # the piece is open again, but not for the one that is asked next
        if part.last:
            self._download.fill(peer, now=now)

    # What follows from it ---------------------------------------------------------------------------------

    def _verified(self, index: int, *, now: float) -> None:
        self._observer.piece_verified(index)
        self._upload.verified(index)
        for peer in self.trusted_peers:
            if index in peer.has:
                peer.useful -= 1
                peer.show_interest()
        if self.have.complete:
            self.tell_news()
            self._observer.completed()

    def _reconsider(self, peer: Peer, *, now: float) -> None:
        """*peer* has more than before."""
        peer.show_interest()
        self._download.fill(peer, now=now)

    def _rechoke(self, *, now: float) -> None:
        self._rechoke_at = now + RECHOKE_INTERVAL
        self._upload.rechoke(self.trusted_peers, now=now)

    def _fill_all(self, *, now: float) -> None:
        self._download.fill_all(self.trusted_peers, now=now)

    def _dial(self, *, now: float) -> None:
        if not self._over:
            self._contacts.dial(len(self.peers), now=now)

    def _take_no_more(self, reason: str) -> None:
        """Want nothing of anybody any more; whoever lacks what is here may have it (fault row 30)."""
        self._full = True
        for peer in list(self.peers):
            self._download.released(peer)
            peer.useful = 0
            if peer.trusted:
                peer.show_interest()
        self._observer.ran_out_of_room(reason)

    def _give_up(self, reason: str) -> None:
        if not self._over:
            self.stop("our disk failed")
            self._observer.failed(reason)


#: Who looks at which message; those not named are passed over (BEP 6's hints, keep-alives).
_RECEIVED: dict[type, Callable[[Session, Peer, Any, float], None]] = {
    wire.Handshake: Session._handshake_received,
    wire.Extended: Session._extended_received,
    wire.Bitfield: Session._bitfield_received,
    wire.HaveAll: Session._have_all_received,
    wire.Have: Session._have_received,
    wire.Choke: Session._choke_received,
    wire.Unchoke: Session._unchoke_received,
    wire.Interested: Session._interested_received,
    wire.NotInterested: Session._not_interested_received,
    wire.Request: Session._request_received,
    wire.Cancel: Session._cancel_received,
    wire.Reject: Session._reject_received,
    wire.Piece: Session._piece_received,
    wire.BlockPart: Session._part_received,
}
