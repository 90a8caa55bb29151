"""What a parser is to all that feeds it: how it refuses, what is valid, and what holds of what it takes."""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Iterator
from typing import Any, Callable, Optional

from bounded import Refusal, read
from mutating import Mutants, Shape


def nothing(found: Any, data: bytes) -> None:
    """All that there is to hold is that it was taken."""


@dataclasses.dataclass(frozen=True)
class Parser:
    """
    One of them, as everything here feeds it.

    `parse` takes bytes, however they were cut, and returns None where more of them are to come; or where what
    came is none, if no exception is declared for that.
    """

    name: str
    parse: Callable[[bytes], Any]
    #: The one exception that may leave it.
    refusal: Refusal
    samples: tuple[bytes, ...]
    #: Asserts what is true of all that was taken.
    holds: Callable[[Any, bytes], None] = nothing
    shape: Optional[Shape] = None
    words: tuple[bytes, ...] = ()
    #: For how many bytes of input it may take time; None: for those that there are.
    size: Optional[int] = None

    def read(self, data: bytes) -> Any:
        """Return what it makes of *data*, None for nothing; see `bounded.read`."""
        found = read(self.parse, data, self.refusal, self.size)
        if found is not None:
            self.holds(found, data)
        return found

    def mutants(self, seed: int) -> Mutants:
        return Mutants(self.samples, seed, self.shape, self.words)


def portions(data: bytes) -> Iterator[bytes]:
    """Yield *data* in portions as long as its checksum says: one byte, a few, or all of it."""
    length = (1, 3, 20, 68, *[len(data) or 1] * 4)[zlib.crc32(data) % 8]
    for start in range(0, len(data), length):
        yield data[start : start + length]


def received(reader: Any, data: bytes) -> Any:
    """Return the first thing that *reader* makes of *data*; None while it waits for more."""
    for portion in portions(data):
        found = reader.receive(portion)
        if found is not None:
            return found
    return None
