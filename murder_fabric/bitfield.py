"""Which pieces somebody has: a set of indices that travels as BEP 3's bitfield."""

from __future__ import annotations

from collections.abc import Iterator

from .errors import RemoteProtocolError


class Bitfield:
    """A set of piece indices below a fixed count, counted as it changes."""

    __slots__ = ("_bits", "_count", "_have")

    def __init__(self, count: int) -> None:
        self._count = count
        self._bits = bytearray((count + 7) // 8)
        self._have = 0

    @classmethod
    def full(cls, count: int) -> Bitfield:
        """Return the bitfield of somebody who has everything."""
        field = cls(count)
        if count:
            field._bits[:] = b"\xff" * len(field._bits)
            field._bits[-1] = (0xFF00 >> ((count - 1) % 8 + 1)) & 0xFF
        field._have = count
        return field

    @classmethod
    def from_bytes(cls, data: bytes, count: int) -> Bitfield:
        """
        Read what a peer sent: most significant bit first, spare bits zero (BEP 3).

        Raises:
            RemoteProtocolError: *data* is not a bitfield of *count* pieces.
        """
        field = cls(count)
        if len(data) != len(field._bits):
            raise RemoteProtocolError(f"a bitfield of {len(data)} bytes for {count} pieces")
        if count % 8 and data[-1] & (0xFF >> (count % 8)):
            raise RemoteProtocolError("a bitfield with spare bits set")
        field._bits[:] = data
        field._have = bin(int.from_bytes(data, "big")).count("1")
        return field

    def to_bytes(self) -> bytes:
        """Return the payload of a bitfield message."""
        return bytes(self._bits)

    def copy(self) -> Bitfield:
        """Return the same set, to be changed apart."""
        twin = Bitfield(self._count)
        twin._bits[:] = self._bits
        twin._have = self._have
        return twin

    def __len__(self) -> int:
        """Return how many pieces there are, had or not."""
        return self._count

    @property
    def have(self) -> int:
        """How many pieces are in the set."""
        return self._have

    @property
    def complete(self) -> bool:
        """Whether no piece is missing."""
        return self._have == self._count

    def __contains__(self, index: int) -> bool:
        return bool(self._bits[index >> 3] & (0x80 >> (index & 7)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Bitfield):
            return NotImplemented
        return self._count == other._count and self._bits == other._bits

    __hash__ = None  # type: ignore[assignment]

    def __iter__(self) -> Iterator[int]:
        """Yield the indices in the set, ascending."""
        return (index for index in range(self._count) if index in self)

    def missing(self) -> Iterator[int]:
        """Yield the indices not in the set, ascending."""
        return (index for index in range(self._count) if index not in self)

    def count_not_in(self, other: Bitfield) -> int:
        """Return how many pieces are in this set and not in *other*, of as many pieces."""
        ours, theirs = int.from_bytes(self._bits, "big"), int.from_bytes(other._bits, "big")
        return bin(ours & ~theirs).count("1")

    def beyond(self, other: Bitfield) -> Iterator[int]:
        """Yield the indices in this set that are not in *other*, of as many pieces, ascending."""
        for byte, (ours, theirs) in enumerate(zip(self._bits, other._bits)):
            if ours & ~theirs:
                yield from (byte * 8 + bit for bit in range(8) if ours & ~theirs & (0x80 >> bit))

    def add(self, index: int) -> bool:
        """Put *index* in; return whether it was not there before."""
        byte, bit = index >> 3, 0x80 >> (index & 7)
        if self._bits[byte] & bit:
            return False
        self._bits[byte] |= bit
        self._have += 1
        return True

    def add_all(self, other: Bitfield) -> None:
        """Put every index of *other* in, which has as many pieces."""
        union = int.from_bytes(self._bits, "big") | int.from_bytes(other._bits, "big")
        self._bits[:] = union.to_bytes(len(self._bits), "big")
        self._have = bin(union).count("1")

    def discard(self, index: int) -> None:
        """Take *index* out; once more is no change."""
        if index in self:
            self._bits[index >> 3] &= ~(0x80 >> (index & 7))
            self._have -= 1
