"""What we say and read in BEP 10's extended handshake, and how two of our peers prove who sent them."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any, NamedTuple

from ..bencoding import decode, encode
from ..errors import BencodeError, RemoteProtocolError
from .connection import BLOCK_LENGTH, MAX_EXTENDED

#: The id under which the peer shall send us `murder_auth`; ids are each side's own choice (BEP 10).
AUTH_ID = 1
#: Longest block anybody may announce; a piece is at most 4 MiB when we make the torrent.
MAX_REQUEST_LENGTH = 16 << 20
NONCE_LENGTH = 16
#: Requests that a client keeps which does not say how many.
REQUEST_QUEUE = 250


class ExtendedHandshake(NamedTuple):
    """What one side says of itself in extended message 0."""

    #: Requests it keeps in its queue (`reqq`).
    request_queue: int = REQUEST_QUEUE
    #: Longest block in bytes it serves; 16 KiB where it does not say (`murder_request_length`).
    request_length: int = BLOCK_LENGTH
    #: Where it listens (`p`), so that a peer that was connected to need not connect back; 0: it does not say.
    port: int = 0
    #: Whether it has everything and shows its pieces one by one (`murder_super_seed`).
    super_seed: bool = False
    #: Name and version (`v`), for people.
    client: str = ""
    #: Its random part of the proof (`murder_nonce`); empty: it cannot prove anything.
    nonce: bytes = b""
    #: The id it wants `murder_auth` under; 0: it does not speak it.
    auth_id: int = 0

    def payload(self) -> bytes:
        """Return the bencoded dictionary."""
        fields: dict[str, Any] = {
            "m": {"murder_auth": self.auth_id} if self.auth_id else {},
            "murder_request_length": self.request_length,
            "reqq": self.request_queue,
            "v": self.client,
        }
        if self.port:
            fields["p"] = self.port
        if self.super_seed:
            fields["murder_super_seed"] = 1
        if self.nonce:
            fields["murder_nonce"] = self.nonce
        return encode(fields)


def parse_extended_handshake(payload: bytes) -> ExtendedHandshake:
    """
    Read extended message 0, taking nothing on trust: values out of range count as not said.

    Raises:
        RemoteProtocolError: the payload is not a bencoded dictionary.
    """
    try:
        fields = decode(payload, MAX_EXTENDED)
    except BencodeError as error:
        raise RemoteProtocolError(f"an extended handshake that is {error}") from None
    if not isinstance(fields, dict):
        raise RemoteProtocolError("an extended handshake that is no dictionary")
    extensions = fields.get(b"m")
    client, nonce = fields.get(b"v"), fields.get(b"murder_nonce")
    return ExtendedHandshake(
        request_queue=_bounded(fields.get(b"reqq"), 1, 5000, REQUEST_QUEUE),
        request_length=_bounded(
            fields.get(b"murder_request_length"), BLOCK_LENGTH, MAX_REQUEST_LENGTH, BLOCK_LENGTH
        ),
        super_seed=fields.get(b"murder_super_seed") == 1,
        port=_bounded(fields.get(b"p"), 1, 65535, 0),
        client=client.decode("utf-8", "replace")[:64] if isinstance(client, bytes) else "",
        nonce=nonce if isinstance(nonce, bytes) and len(nonce) == NONCE_LENGTH else b"",
        auth_id=_bounded(extensions.get(b"murder_auth"), 1, 255, 0) if isinstance(extensions, dict) else 0,
    )


def _bounded(value: object, low: int, high: int, otherwise: int) -> int:
    return value if isinstance(value, int) and low <= value <= high else otherwise


def peer_key(token: bytes) -> bytes:
    """Return the key by which peers of a run know each other; it gives away neither token nor passkey."""
    return hmac.new(token, b"peer", hashlib.sha256).digest()


class Proof(NamedTuple):
    """
    What both ends of one connection know, from which each makes its `murder_auth` message.

    The proof is HMAC(peer key, role, info hash, both peer ids, both nonces): it holds for this connection,
    this torrent and this direction only.
    """

    key: bytes
    info_hash: bytes
    dialer_id: bytes
    listener_id: bytes
    dialer_nonce: bytes
    listener_nonce: bytes

    def of_dialer(self) -> bytes:
        """Return what the side that connected sends."""
        return self._mac(b"dialer")

    def of_listener(self) -> bytes:
        """Return what the side that was connected to sends."""
        return self._mac(b"listener")

    def _mac(self, role: bytes) -> bytes:
        parts = (self.info_hash, self.dialer_id, self.listener_id, self.dialer_nonce, self.listener_nonce)
        return hmac.new(self.key, b"\0".join((role, *parts)), hashlib.sha256).digest()
