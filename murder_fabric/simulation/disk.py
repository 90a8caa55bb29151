"""A disk in memory that keeps what a piece is, not a copy of it, as soon as the piece is right."""

from __future__ import annotations

from ..errors import StorageError
from ..metainfo.values import Info


class Disk:
    """
    The payload of *info* on one host; *original* is what it should become.

    Survives its host, as a disk does.
    """

    def __init__(self, info: Info, original: bytes, *, full: bool = False) -> None:
        self._geometry = info.geometry
        self._original = original
        self._right = set(range(info.geometry.piece_count)) if full else set()
        self._partial: dict[int, bytearray] = {}

    @property
    def right(self) -> set[int]:
        """The pieces that are there and right; what a check of the disk would find."""
        return set(self._right)

    def write(self, index: int, begin: int, data: memoryview) -> None:
        """Write a part of a piece."""
        piece = self._partial.setdefault(index, bytearray(self._geometry.piece_size(index)))
        piece[begin : begin + len(data)] = data
        if piece == self._block(index, 0, len(piece)):
            del self._partial[index]
            self._right.add(index)
        else:
            self._right.discard(index)

    def read(self, index: int, begin: int, length: int) -> bytes:
        """Return a part of a piece."""
        if index in self._right:
            return self._block(index, begin, length)
        if index not in self._partial:
            raise StorageError(f"piece {index} was never written")
        return bytes(self._partial[index][begin : begin + length])

    def _block(self, index: int, begin: int, length: int) -> bytes:
        start = index * self._geometry.piece_length + begin
        return self._original[start : start + length]
