"""Whether what a peer says is listened to: not before its proof, and not without end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import RemoteProtocolError
from ..metainfo.values import Info
from ..policy.chatter import Chatters
from ..wire import messages as wire
from .contacts import Contacts
from .peer import Peer

#: What most of a swarm's messages are, weighed once it is known that nobody asked for the block, that the
#: pieces are no news, or that they make us look for something to ask for.
UNWEIGHED = {wire.Piece, wire.BlockPart, wire.Have}
_TOO_MUCH = "it says more than anybody has to say"
_BEFORE_TRUST = {wire.Handshake, wire.Extended, wire.KeepAlive, wire.HaveNone, wire.Suggest, wire.AllowedFast}
#: Words of a connection that begins, and pieces of which its first bitfield weighs one more.
_OPENING, _PIECES_A_WORD = 20, 16
#: Words of a choke that is new, and of each unchoke: what to ask of whom is looked for among all pieces.
_TURN = 10.0
#: Bytes of a bitfield and of an extended message, which is parsed in Python, that weigh a word.
_BITS_A_WORD, _PAYLOAD_A_WORD = 16, 64


class Hearing:
    """
    Listens to each peer for as long as it keeps to its budget of words, then hangs up and counts a strike.

    A word is a message; one that costs us more than most weighs more.
    """

    def __init__(self, info: Info, contacts: Contacts) -> None:
        self._piece_count = info.geometry.piece_count
        self._chatters = Chatters(self._piece_count, len(info.files))
        self._contacts = contacts

    def trusted(self, peer: Peer, *, now: float) -> None:
        """
        *peer* belongs to the swarm, and has a budget of its address from now on.

        Raises:
            RemoteProtocolError: too little of it is left. That is no strike: who has a bad link comes back
                often, too.
        """
        peer.chatter = self._chatters.joined(peer.address[0], now=now)
        if not self._is_heeded(peer, _OPENING + self._piece_count / _PIECES_A_WORD, now=now):
            raise RemoteProtocolError(_TOO_MUCH)

    def left(self, peer: Peer, *, now: float) -> None:
        """The connection of *peer* is gone."""
        self._chatters.left(peer.chatter, _moved(peer), now=now)

    def heard(self, peer: Peer, message: wire.Message, *, now: float) -> None:
        """
        *peer* said something that is not in `UNWEIGHED`.

        Raises:
            RemoteProtocolError: it may not say that yet, or has said too much.
        """
        if not peer.trusted and type(message) not in _BEFORE_TRUST:
            raise RemoteProtocolError(f"{type(message).__name__} before it proved who it is")
        weight = _WEIGHTS.get(type(message))
        self.said(peer, 1.0 if weight is None else weight(peer, message), now=now)

    def said(self, peer: Peer, words: float, *, now: float) -> None:
        """
        *peer* said something that weighs so many *words*.

        Raises:
            RemoteProtocolError: it has said too much.
        """
        if self._is_heeded(peer, words, now=now):
            return
        if peer.trusted:  # else it may be anybody who has the address of an honest one
            self._contacts.flooded(peer)
        raise RemoteProtocolError(_TOO_MUCH)

    def _is_heeded(self, peer: Peer, words: float, *, now: float) -> bool:
        """Return whether *words* are within the budget; those that are not are not taken from it."""
        if peer.chatter.said(words) or peer.origin or peer.chatter.filled(_moved(peer), now=now):
            return True
        peer.chatter.said(-words)
        return False


def _moved(peer: Peer) -> int:
    return peer.download.total + peer.upload.total


def _choke(peer: Peer, message: wire.Choke) -> float:
    if peer.peer_choking:
        return 1.0
    return _TURN if peer.fast else _TURN + len(peer.requested)


def _reject(peer: Peer, message: wire.Reject) -> float:
    """Nothing, if we took that back, and it says that it has heard it."""
    return 0.0 if wire.Request(*message) in peer.cancelled else 1.0


#: What weighs more than a word, or less.
_WEIGHTS: dict[type, Callable[[Peer, Any], float]] = {
    wire.Choke: _choke,
    wire.Unchoke: lambda peer, message: _TURN,
    wire.Reject: _reject,
    wire.Bitfield: lambda peer, message: 1 + len(message.bits) / _BITS_A_WORD,
    wire.Extended: lambda peer, message: 1 + len(message.payload) / _PAYLOAD_A_WORD,
}
