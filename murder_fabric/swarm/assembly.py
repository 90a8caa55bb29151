"""One piece on its way from one peer: what was asked for, what came, and its hash so far."""

from __future__ import annotations

from collections.abc import Sequence

from ..metainfo.geometry import Run
from ..metainfo.values import Hasher
from ..wire.messages import Request


class Assembly:
    """
    A piece comes whole from one peer, so that a wrong one has one author.

    Args:
        index: of the piece.
        runs: what is to come of it; all of it, or what lies in no file that is there already.
        block_length: longest block the peer serves.
        hasher: fresh; fed as parts come in order; None where only part of the piece is to come.
        asked_at: when the first request goes out.
        spare: True for a second source of the same piece; its parts are kept here and not written, because
            the first source is writing to the same place.
    """

    def __init__(
        self,
        index: int,
        runs: Sequence[Run],
        block_length: int,
        hasher: Hasher | None,
        asked_at: float,
        *,
        spare: bool = False,
    ) -> None:
        self.index = index
        self.asked_at = asked_at
        self.received = 0
        #: Whether the whole piece is to come, and so whoever sends it answers for all of it.
        self.whole = hasher is not None
        self.spare = spare
        #: What came, and where in the piece that lies; only of a spare source.
        self.kept: list[tuple[int, memoryview]] = []
        self._size = sum(run.length for run in runs)
        #: Still to be asked for; the first run from `_asked` on.
        self._runs = list(runs)
        self._asked = runs[0].begin
        self._block_length = block_length
        #: None from the first part on that is out of order.
        self._hasher = hasher

    @property
    def all_asked(self) -> bool:
        """Whether every block has been asked for."""
        return not self._runs

    @property
    def complete(self) -> bool:
        """Whether every byte has come."""
        return self.received == self._size

    def next_request(self) -> Request:
        """Return the request for the next block."""
        begin, length = self._runs[0]
        request = Request(self.index, self._asked, min(self._block_length, begin + length - self._asked))
        self._asked += request.length
        if self._asked == begin + length:
            del self._runs[0]
            self._asked = self._runs[0].begin if self._runs else 0
        return request

    def part_received(self, begin: int, data: memoryview) -> None:
        """Count and hash *data*, which starts at *begin* of the piece."""
        if begin != self.received:
            self._hasher = None
        if self._hasher is not None:
            self._hasher.update(data)
        self.received += len(data)
        if self.spare:
            # A copy: the view itself would keep in memory all that came in one read with it.
            self.kept.append((begin, memoryview(bytes(data))))

    def digest(self) -> bytes | None:
        """Return the hash of what came; None where it did not come whole and in order."""
        return None if self._hasher is None else self._hasher.digest()
