"""What one session knows of one connected peer."""

from __future__ import annotations

from ..bitfield import Bitfield
from ..policy.chatter import UNPROVEN, Chatter
from ..policy.rates import RateMeter
from ..policy.snubbing import Wait
from ..wire.connection import BLOCK_LENGTH
from ..wire.messages import Interested, NotInterested, Piece, Request
from .assembly import Assembly
from .ports import Address, Link


class Peer:
    """One connection, from its first byte on; identity is the connection, not the peer id."""

    peer_id = b""
    fast = False
    #: Whether it may be believed, asked and served: at once in an open swarm, else after its proof.
    trusted = False
    #: The random parts of the two proofs (`murder_auth`).
    our_nonce = b""
    their_nonce = b""
    #: Where it says that it listens; 0: it has not said. Believed once it is trusted.
    claimed_port = 0

    am_choking = True
    am_interested = False
    peer_choking = True
    peer_interested = False

    #: Whether it has everything and shows its pieces one by one, as it says itself.
    shows_singly = False
    #: Whether it is an HTTP origin (BEP 19): it has everything, and is asked for what nobody else has.
    origin = False
    #: Pieces it has and we lack.
    useful = 0
    request_length = BLOCK_LENGTH
    request_queue = 250

    #: Whether it kept us waiting for too long, or refuses what it offers; it is asked for nothing then.
    snubbed = False
    #: Whether at the last look neither of us lacked anything.
    finished = False
    #: Pieces of it that were proven wrong.
    strikes = 0
    #: Bytes it owes us.
    owed = 0
    #: The block that is coming in; None while what comes in was not asked for (any more).
    incoming: Piece | None = None
    #: Whether what comes in was asked for, though it may have been taken back since.
    answers = False
    #: Requests refused since it was last unchoked.
    refused = 0
    #: How many of the pieces that came to us it has been told of.
    told = 0

    def __init__(self, link: Link, address: Address, piece_count: int, *, dialed: bool, now: float) -> None:
        self.link = link
        #: Where it listens, once that is known; until then where the connection comes from.
        self.address = address
        #: Whether that is known.
        self.listens = dialed
        #: Whether we connected to it.
        self.dialed = dialed
        self.has = Bitfield(piece_count)

        #: Requests sent and not answered, and the pieces they are parts of.
        self.requested: set[Request] = set()
        self.assemblies: dict[int, Assembly] = {}
        #: Requests taken back and not yet answered (BEP 6: by the block or a `Reject`).
        self.cancelled: set[Request] = set()
        #: Pieces that came wrong from it, and that it is not asked for again: one may have rotted on its disk
        #: (row 34), and whoever asks for it again learns nothing new.
        self.spoilt: set[int] = set()
        #: Blocks we owe it.
        self.asked: set[Request] = set()
        self.download = RateMeter()
        self.upload = RateMeter()

        self.connected_at = self.choked_since = self.heard_at = self.spoke_at = now
        self.wait = Wait(now=now)
        #: How much it may say; once it is trusted a budget of its address.
        self.chatter = Chatter(UNPROVEN, now=now)

    @property
    def has_all(self) -> bool:
        """Whether it can give every piece, if not at once."""
        return self.shows_singly or self.has.complete

    def may_give(self, index: int) -> bool:
        """Return whether it has piece *index*, as far as we know a right one."""
        return index in self.has and index not in self.spoilt

    @property
    def is_our_kind(self) -> bool:
        """Whether it is an agent of ours: nobody else serves longer blocks."""
        return self.request_length > BLOCK_LENGTH

    def show_interest(self) -> None:
        """Tell it whether it has what we lack, if that is another answer than last time."""
        if self.am_interested != bool(self.useful):
            self.am_interested = bool(self.useful)
            self.link.send(Interested() if self.am_interested else NotInterested())
