"""Who may join: the two handshakes, and the proof where the run has a token."""

from __future__ import annotations

import hmac
from collections.abc import Callable

from ..errors import RemoteProtocolError
from ..metainfo.values import Info
from ..version import __version__
from ..wire.extensions import (
    AUTH_ID,
    NONCE_LENGTH,
    ExtendedHandshake,
    Proof,
    parse_extended_handshake,
)
from ..wire.messages import Extended, Handshake
from .peer import Peer


class Admission:
    """
    What is said before anything is asked, believed or served.

    With a key, each side sends a fresh nonce in its extended handshake and then `murder_auth`, an HMAC of
    both nonces and both peer ids. Without one the swarm is open: any client that knows the info hash is in.
    """

    def __init__(
        self,
        info: Info,
        peer_id: bytes,
        key: bytes | None,
        port: int,
        max_block: int,
        nonces: Callable[[int], bytes],
        super_seed: bool = False,
    ) -> None:
        self._info_hash = info.info_hash
        self._peer_id = peer_id
        self._key = key
        self._port = port
        self._max_block = max_block
        self._nonces = nonces
        self._super_seed = super_seed

    def handshake(self) -> Handshake:
        """Return our side of BEP 3's handshake."""
        return Handshake(self._info_hash, self._peer_id)

    def check(self, handshake: Handshake) -> None:
        """
        Look at theirs.

        Raises:
            RemoteProtocolError: another torrent, or somebody who cannot prove anything.
        """
        if handshake.info_hash != self._info_hash:
            raise RemoteProtocolError("it wants another torrent")
        if self._key is not None and not handshake.extended:
            raise RemoteProtocolError("it cannot prove that it belongs to this run")

    @property
    def is_open(self) -> bool:
        """Whether nothing more than the handshake is asked for."""
        return self._key is None

    def extended_handshake(self, peer: Peer) -> Extended:
        """Return our side of BEP 10's handshake, with a fresh nonce for *peer* where we have a key."""
        ours = ExtendedHandshake(
            request_length=self._max_block,
            port=self._port,
            super_seed=self._super_seed,
            client=f"murder_fabric {__version__}",
        )
        if self._key is not None:
            peer.our_nonce = self._nonces(NONCE_LENGTH)
            ours = ours._replace(nonce=peer.our_nonce, auth_id=AUTH_ID)
        return Extended(0, ours.payload())

    def extended_handshake_received(self, peer: Peer, payload: bytes) -> ExtendedHandshake:
        """
        Take in theirs; with a key, answer with our proof.

        Raises:
            RemoteProtocolError: it is malformed, or cannot lead to a proof where one is asked for.
        """
        theirs = parse_extended_handshake(payload)
        peer.request_length = min(theirs.request_length, self._max_block)
        peer.request_queue = theirs.request_queue
        peer.shows_singly = theirs.super_seed
        if self._key is not None and not peer.their_nonce:
            if not theirs.nonce or not theirs.auth_id:
                raise RemoteProtocolError("it cannot prove that it belongs to this run")
            peer.their_nonce = theirs.nonce
            proof = self._proof(peer, self._key)
            mine = proof.of_dialer() if peer.dialed else proof.of_listener()
            peer.link.send(Extended(theirs.auth_id, mine))
        return theirs

    def is_proof(self, peer: Peer, message: Extended) -> bool:
        """
        Return whether *message* proves that *peer* belongs to this run.

        Raises:
            RemoteProtocolError: it should, and does not.
        """
        if self._key is None or message.id != AUTH_ID or peer.trusted:
            return False
        if not peer.their_nonce:
            raise RemoteProtocolError("a proof before its nonce")
        proof = self._proof(peer, self._key)
        theirs = proof.of_listener() if peer.dialed else proof.of_dialer()
        if not hmac.compare_digest(theirs, message.payload):
            raise RemoteProtocolError("a wrong proof: it does not know the token of this run")
        return True

    def _proof(self, peer: Peer, key: bytes) -> Proof:
        us, them = (self._peer_id, peer.our_nonce), (peer.peer_id, peer.their_nonce)
        dialer, listener = (us, them) if peer.dialed else (them, us)
        return Proof(key, self._info_hash, dialer[0], listener[0], dialer[1], listener[1])
