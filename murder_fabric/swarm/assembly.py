"""One piece on its way from one peer: what was asked for, what came, and its hash so far."""

from __future__ import annotations

from operator import itemgetter

from ..metainfo.values import Hasher
from ..wire.messages import Request


class Assembly:
    """
    A piece comes whole from one peer, so that a wrong one has one author.

    Args:
        index: of the piece.
        size: of the piece, in bytes.
        block_length: longest block the peer serves.
        hasher: fresh; fed as parts come in order.
        asked_at: when the first request goes out.
        spare: True for a second source of the same piece; its parts are kept here and not written, because
            the first source is writing to the same place.
    """

    def __init__(
        self,
        index: int,
        size: int,
        block_length: int,
        hasher: Hasher,
        asked_at: float,
        *,
        spare: bool = False,
    ) -> None:
        self.index = index
        self.asked_at = asked_at
        self.received = 0
        #: Whether every part came in order, so that the hash counts.
        self.in_order = True
        self.spare = spare
        self._parts: list[tuple[int, memoryview]] = []
        self._size = size
        self._block_length = block_length
        self._hasher = hasher
        self._asked = 0

    @property
    def all_asked(self) -> bool:
        """Whether every block has been asked for."""
        return self._asked == self._size

    @property
    def complete(self) -> bool:
        """Whether every byte has come."""
        return self.received == self._size

    def next_request(self) -> Request:
        """Return the request for the next block."""
        request = Request(self.index, self._asked, min(self._block_length, self._size - self._asked))
        self._asked += request.length
        return request

    def part_received(self, begin: int, data: memoryview) -> None:
        """Count and hash *data*, which starts at *begin* of the piece."""
        if begin == self.received:
            self._hasher.update(data)
        else:
            self.in_order = False
        self.received += len(data)
        if self.spare:
            self._parts.append((begin, data))

    def digest(self) -> bytes:
        """Return the hash of what came; only what came in order counts."""
        return self._hasher.digest()

    def kept(self) -> bytes:
        """Return the piece, if this is a spare source's."""
        return b"".join(data for _, data in sorted(self._parts, key=itemgetter(0)))
