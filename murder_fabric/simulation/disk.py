"""A disk in memory that keeps what a piece is, not a copy of it, as soon as the piece is right."""

from __future__ import annotations

import random

from ..errors import NoRoomError, StorageError
from ..metainfo.values import Info


class Disk:
    """
    The payload of *info* on one host; *original* is what it should become.

    Survives its host, as a disk does.
    """

    def __init__(self, info: Info, original: bytes, *, full: bool = False) -> None:
        #: Bytes a second; None: faster than anything else.
        self.rate: float | None = None
        #: Bytes that may still be written; None: as many as one likes.
        self.room: int | None = None
        #: What every write fails with; None: it works.
        self.broken: str | None = None
        #: Share of the blocks that are read with a bit flipped, and whether any ever was.
        self.lies = 0.0
        self.lied = False
        #: Whether it ever did: who got that does not speak with its host any more, in none of its lives.
        self.ever_lied = False
        #: Whether a bit flipped since the last check.
        self.was_rotten = False
        #: Seconds that the last writes took, for the host to spend.
        self.seconds = 0.0
        self._geometry = info.geometry
        self._original = original
        everything = range(info.geometry.piece_count)
        self._right = set(everything) if full else set()
        self._synced = set(self._right)
        self._rotten: set[int] = set()
        self._partial: dict[int, bytearray] = {}

    def right(self) -> set[int]:
        """Return the pieces that are there and right; what hashing all of them would find."""
        self._look_at_all()
        return self._right - self._rotten

    def holds(self, index: int) -> bool:
        """Return whether piece *index* is there and right."""
        self._look_at(index)
        return index in self._right and index not in self._rotten

    def check(self) -> set[int]:
        """Hash everything; what is wrong counts as absent from now on."""
        self._right = self.right()
        self._rotten.clear()
        self._partial.clear()
        self.was_rotten = self.lied = False
        return set(self._right)

    def write(self, index: int, begin: int, data: memoryview) -> None:
        """
        Write a part of a piece.

        Raises:
            StorageError: it is full, or broken.
        """
        if self.broken is not None:
            raise StorageError(self.broken)
        if self.room is not None:
            self.room -= len(data)
            if self.room < 0:
                raise NoRoomError("No space left on device")
        if self.rate is not None:
            self.seconds += len(data) / self.rate
        size = self._geometry.piece_size(index)
        piece = self._partial.get(index)
        if piece is None:  # what is right already stays so, where nothing else is written
            there = self._block(index, 0, size) if index in self._right else size
            piece = self._partial[index] = bytearray(there)
        piece[begin : begin + len(data)] = data
        self._right.discard(index)
        self._rotten.discard(index)
        if begin + len(data) == size:  # as most pieces end; others are looked at when somebody asks
            self._look_at(index)

    def read(self, index: int, begin: int, length: int) -> bytes:
        """Return a part of a piece; in what is rotten, or a lie, a bit is flipped."""
        if index in self._right:
            data = self._block(index, begin, length)
        elif index in self._partial:
            data = bytes(self._partial[index][begin : begin + length])
        else:
            raise StorageError(f"piece {index} was never written")
        # By number, not by chance: what a host says must not depend on who else asks.
        if index in self._rotten or (self.lies and index * 7919 % 1000 < self.lies * 1000):
            self.lied = self.ever_lied = True
            return bytes([data[0] ^ 1]) + data[1:]
        return data

    def sync(self) -> None:
        """What is there stays there, whatever happens to the power."""
        self._look_at_all()
        self._synced = set(self._right)

    def power_cut(self, rng: random.Random) -> None:
        """Of what was not synced, some is gone."""
        for index in sorted(self._right - self._synced):
            if rng.random() < 0.5:
                self._right.discard(index)
        self._partial.clear()

    def rot(self, index: int) -> None:
        """Flip a bit of a piece that was right."""
        self._rotten.add(index)
        self.was_rotten = True

    def _look_at_all(self) -> None:
        for index in list(self._partial):
            self._look_at(index)

    def _look_at(self, index: int) -> None:
        piece = self._partial.get(index)
        if piece is not None and piece == self._block(index, 0, len(piece)):
            del self._partial[index]
            self._right.add(index)

    def _block(self, index: int, begin: int, length: int) -> bytes:
        start = index * self._geometry.piece_length + begin
        return self._original[start : start + length]
