"""What peers say to each other: the messages of BEP 3, BEP 6 (fast) and BEP 10 (extensions)."""

from __future__ import annotations

from typing import NamedTuple, Union

# A field called `index` hides `tuple.index`, which nobody calls on a message: hence the ignores.


class Handshake(NamedTuple):
    """The 68-byte opening of a connection (BEP 3), with the reserved bits we know."""

    info_hash: bytes
    peer_id: bytes
    #: BEP 6.
    fast: bool = True
    #: BEP 10.
    extended: bool = True


class Word:
    """A message that is all said by its kind: two of one kind are equal."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self)

    def __hash__(self) -> int:
        return hash(type(self))

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class KeepAlive(Word):
    """Nothing, said now and then."""

    __slots__ = ()


class Choke(Word):
    """No requests will be answered."""

    __slots__ = ()


class Unchoke(Word):
    """Requests will be answered."""

    __slots__ = ()


class Interested(Word):
    """The sender wants pieces that we have."""

    __slots__ = ()


class NotInterested(Word):
    """The sender wants nothing that we have."""

    __slots__ = ()


class Have(tuple[int, ...]):
    """The sender now has these pieces: a message each on the wire, and one here if they come in a row."""

    __slots__ = ()

    def __new__(cls, *indices: int) -> Have:
        return super().__new__(cls, indices)

    def __repr__(self) -> str:
        return f"Have{tuple(self)}"


class Bitfield(NamedTuple):
    """Every piece the sender has, once, at the start."""

    bits: bytes


class Request(NamedTuple):
    """Asks for the block of *length* bytes of piece *index* that starts at *begin*."""

    index: int  # type: ignore[assignment]
    begin: int
    length: int


class Piece(NamedTuple):
    """Says that a block follows: *length* bytes of piece *index* from *begin* on, as `BlockPart`s."""

    index: int  # type: ignore[assignment]
    begin: int
    length: int


class BlockPart(NamedTuple):
    """
    Some bytes of the block that the last `Piece` announced, in order.

    `begin` is their place in the piece; `last` is true for the part that ends the block.
    """

    index: int  # type: ignore[assignment]
    begin: int
    data: memoryview
    last: bool


class Cancel(NamedTuple):
    """Takes a request back."""

    index: int  # type: ignore[assignment]
    begin: int
    length: int


class Suggest(NamedTuple):
    """BEP 6: the sender would like to be asked for *index*."""

    index: int  # type: ignore[assignment]


class HaveAll(Word):
    """BEP 6: a bitfield of ones."""

    __slots__ = ()


class HaveNone(Word):
    """BEP 6: a bitfield of zeros."""

    __slots__ = ()


class Reject(NamedTuple):
    """BEP 6: a request that will not be answered."""

    index: int  # type: ignore[assignment]
    begin: int
    length: int


class AllowedFast(NamedTuple):
    """BEP 6: *index* may be asked for while choked."""

    index: int  # type: ignore[assignment]


class Extended(NamedTuple):
    """BEP 10: a message of an extension; id 0 is the extended handshake."""

    id: int
    payload: bytes


Message = Union[
    Handshake,
    KeepAlive,
    Choke,
    Unchoke,
    Interested,
    NotInterested,
    Have,
    Bitfield,
    Request,
    Piece,
    BlockPart,
    Cancel,
    Suggest,
    HaveAll,
    HaveNone,
    Reject,
    AllowedFast,
    Extended,
]
