"""What one host has of a payload: whole pieces, and whole files in pieces that are not."""

from __future__ import annotations

from typing import NamedTuple

from ..bitfield import Bitfield
from .geometry import Geometry, Run
from .values import Info


class Holdings(NamedTuple):
    """
    The pieces that are whole and right, and the files that are, by their index.

    A piece lacks what no such file holds of it; of the rest not a byte need come.
    """

    geometry: Geometry
    pieces: Bitfield
    files: Bitfield

    @classmethod
    def none(cls, info: Info) -> Holdings:
        """Return what somebody has who has nothing."""
        return cls(info.geometry, Bitfield(info.geometry.piece_count), Bitfield(len(info.files)))

    @classmethod
    def all(cls, info: Info) -> Holdings:
        """Return what somebody has who has everything."""
        return cls(info.geometry, Bitfield.full(info.geometry.piece_count), Bitfield.full(len(info.files)))

    @classmethod
    def from_bytes(cls, info: Info, data: bytes) -> Holdings:
        """
        Read what `to_bytes` wrote.

        Raises:
            RemoteProtocolError: *data* are no holdings of this payload.
        """
        count = info.geometry.piece_count
        end = (count + 7) // 8
        pieces = Bitfield.from_bytes(data[:end], count)
        return cls(info.geometry, pieces, Bitfield.from_bytes(data[end:], len(info.files)))

    def to_bytes(self) -> bytes:
        """Return two bitfields (BEP 3), that of the pieces and that of the files."""
        return self.pieces.to_bytes() + self.files.to_bytes()

    def lacking(self, index: int) -> list[Run]:
        """Return the runs of a piece that are to come."""
        if index in self.pieces:
            return []
        return self.geometry.runs(index, lambda file: file not in self.files)

    def held(self, index: int) -> list[Run]:
        """Return the runs of a piece that lie in whole files."""
        return self.geometry.runs(index, self.files.__contains__)

    @property
    def bytes_lacking(self) -> int:
        """How many bytes are to come."""
        return sum(run.length for index in self.pieces.missing() for run in self.lacking(index))
