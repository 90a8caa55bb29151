"""How the pieces of a torrent lie in its files: BEP 3 sees the files as one run of bytes."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Callable, NamedTuple

KIB = 1024
#: What we choose between.  Below 64 KiB the messages cost more than the finer spread gains; above 4 MiB
#: a peer holds a piece for too long before it can pass it on.
SMALLEST_CHOICE = 64 * KIB
LARGEST_CHOICE = 4096 * KIB
#: A swarm of some hundred peers is busy with this many pieces; more of them cost each peer CPU, and lengthen
#: the torrent (docs/performance.md).
MOST_PIECES = 1024


class Span(NamedTuple):
    """A run of bytes within one file: `offset` and `length` in bytes, `file` an index into the files."""

    file: int
    offset: int
    length: int


class Run(NamedTuple):
    """A run of bytes within one piece: `begin` and `length` in bytes."""

    begin: int
    length: int


class Geometry:
    """
    Where each piece lies: a piece length and the lengths of the files, in bytes and in torrent order.

    Empty files hold no bytes, so no span ever names one.
    """

    def __init__(self, piece_length: int, lengths: Sequence[int]) -> None:
        if piece_length <= 0:
            raise ValueError(f"a piece length of {piece_length}")
        self.piece_length = piece_length
        self._starts = [0, *accumulate(lengths)]
        self.length = self._starts[-1]
        self.piece_count = -(-self.length // piece_length)

    def piece_size(self, index: int) -> int:
        """Return the length of a piece; only the last may be shorter than the others."""
        if not 0 <= index < self.piece_count:
            raise IndexError(f"piece {index} of {self.piece_count}")
        return min(self.piece_length, self.length - index * self.piece_length)

    def holds(self, index: int, begin: int, length: int) -> bool:
        """Say whether this block is one a peer may ask for: not empty, and inside one existing piece."""
        if not 0 <= index < self.piece_count or begin < 0 or length <= 0:
            return False
        return begin + length <= self.piece_size(index)

    def spans(self, index: int, begin: int, length: int) -> list[Span]:
        """Return where a block lies, in order; IndexError for a block that leaves its piece."""
        if not self.holds(index, begin, length):
            raise IndexError(f"block {index}, {begin}, {length} of {self.piece_count} pieces")
        position = index * self.piece_length + begin
        end = position + length
        file = bisect_right(self._starts, position) - 1
        if end <= self._starts[file + 1]:  # so it is with nearly every part of a large file
            return [Span(file, position - self._starts[file], length)]
        spans = []
        while position < end:
            stop = min(end, self._starts[file + 1])
            if stop > position:
                spans.append(Span(file, position - self._starts[file], stop - position))
                position = stop
            file += 1
        return spans

    def runs(self, index: int, belongs: Callable[[int], bool]) -> list[Run]:
        """Return the runs of a piece in files that *belongs* says yes to, in order; none touches another."""
        runs: list[Run] = []
        begin = end = 0
        for span in self.spans(index, 0, self.piece_size(index)):
            if belongs(span.file):
                if not runs or end != begin:
                    runs.append(Run(begin, 0))
                end = begin + span.length
                runs[-1] = Run(runs[-1].begin, end - runs[-1].begin)
            begin += span.length
        return runs

    def pieces_of(self, file: int) -> range:
        """Return the indices of the pieces that hold bytes of a file; none for an empty one."""
        start, end = self._starts[file], self._starts[file + 1]
        if start == end:
            return range(0)
        return range(start // self.piece_length, -(-end // self.piece_length))

    def files_of(self, index: int) -> range:
        """Return the indices of the files that a piece holds bytes of, empty files between them included."""
        start = index * self.piece_length
        end = start + self.piece_size(index)
        return range(bisect_right(self._starts, start) - 1, bisect_left(self._starts, end))


def choose_piece_length(length: int) -> int:
    """Return the power of two from 64 KiB to 4 MiB that cuts `length` bytes into at most 1,024 pieces."""
    chosen = SMALLEST_CHOICE
    while chosen < LARGEST_CHOICE and length > chosen * MOST_PIECES:
        chosen *= 2
    return chosen
