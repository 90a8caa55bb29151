"""All that a swarm says to the outside: small protocols, so that sockets and disks can be lists in a test."""

from __future__ import annotations

from typing import Protocol

from ..wire.messages import Message, Request

#: Host and port of a listening peer.
Address = tuple[str, int]


class Link(Protocol):
    """One connection to a peer; orders come back as facts only through the session's methods."""

    def send(self, *messages: Message) -> None:
        """Put *messages* on the wire, after what was put there before."""

    def send_block(self, request: Request) -> None:
        """Queue the block that *request* asks for."""

    def cancel_block(self, request: Request) -> bool:
        """Take a queued block back; False if it is gone or on its way already."""

    def before_words(self) -> int:
        """Return how much has left of the block that what was said waits behind, in bytes; 0: it has left."""

    def close(self, reason: str) -> None:
        """End the connection now; `link_lost` follows."""


class Storage(Protocol):
    """Where the payload lies. Both calls raise StorageError when the disk does."""

    def write(self, index: int, begin: int, data: memoryview) -> None:
        """Write a part of piece *index* in its place."""

    def read(self, index: int, begin: int, length: int) -> bytes:
        """Return a part of piece *index*."""


class Dialer(Protocol):
    """Makes connections."""

    def dial(self, address: Address) -> None:
        """Connect; ends in `dialed` or `dial_failed` of the session."""


class Observer(Protocol):
    """Who wants to know how the swarm is doing."""

    def piece_verified(self, index: int) -> None:
        """Piece *index* is on disk and right."""

    def completed(self) -> None:
        """The last missing piece is."""

    def ran_out_of_room(self, reason: str) -> None:
        """Nothing more can be taken in; what is there is served as before."""

    def failed(self, reason: str) -> None:
        """The swarm cannot go on: the disk does not take what it is given."""
