"""What one session knows of one connected peer."""

from __future__ import annotations

from ..bitfield import Bitfield
from ..policy.rates import RateMeter
from ..policy.snubbing import Wait
from ..wire.connection import BLOCK_LENGTH
from ..wire.messages import Piece, Request
from .assembly import Assembly
from .ports import Address, Link


class Peer:
    """One connection, from its first byte on; identity is the connection, not the peer id."""

    def __init__(self, link: Link, address: Address, piece_count: int, *, dialed: bool, now: float) -> None:
        self.link = link
        #: Where it listens, once that is known; until then where the connection comes from.
        self.address = address
        #: Whether that is known.
        self.listens = dialed
        #: Whether we connected to it.
        self.dialed = dialed
        self.connected_at = now
        self.peer_id = b""
        self.fast = False
        #: Whether it may be believed, asked and served: at once in an open swarm, else after its proof.
        self.trusted = False
        #: The random parts of the two proofs (`murder_auth`).
        self.our_nonce = b""
        self.their_nonce = b""

        self.am_choking = True
        self.am_interested = False
        self.peer_choking = True
        self.peer_interested = False
        self.choked_since = now

        self.has = Bitfield(piece_count)
        #: Pieces it has and we lack.
        self.useful = 0
        self.request_length = BLOCK_LENGTH
        self.request_queue = 250

        #: What it owes us: requests sent and not answered, and the pieces they are parts of.
        self.requested: set[Request] = set()
        self.owed = 0
        self.assemblies: dict[int, Assembly] = {}
        #: The block that is coming in; None while what comes in was not asked for (any more).
        self.incoming: Piece | None = None
        self.wait = Wait(now=now)
        #: Whether it kept us waiting for too long, or refuses what it offers; it is asked for nothing then.
        self.snubbed = False
        #: Requests taken back and not yet answered (BEP 6: by the block or a `Reject`).
        self.cancelled: set[Request] = set()
        self.strikes = 0

        #: How many of the pieces that came to us it has been told of.
        self.told = 0
        #: Blocks we owe it.
        self.asked: set[Request] = set()
        #: Requests refused since it was last unchoked.
        self.refused = 0
        self.download = RateMeter()
        self.upload = RateMeter()
        self.heard_at = now
        self.spoke_at = now

    @property
    def is_our_kind(self) -> bool:
        """Whether it is an agent of ours: nobody else serves longer blocks."""
        return self.request_length > BLOCK_LENGTH
