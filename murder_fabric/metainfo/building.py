"""Making a torrent of bytes that are handed in, in one pass over them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, Callable, Optional, Union

from ..bencoding import encode
from ..errors import MetainfoError
from .links import link_target, link_text
from .parsing import LONGEST_PIECE, SHORTEST_PIECE, parse_info
from .paths import Path, shown
from .values import Directory, Hasher, Info


class InfoBuilder:
    """
    Takes the files of a tree in the order of their paths, and returns the info dictionary they make.

    Bytes are hashed as they come: SHA-1 and SHA-256 of each piece, SHA-256 of each file.  The same files
    under the same name always make the same bytes.  Pieces may be hashed beside files, in another thread.
    """

    def __init__(self, name: bytes, piece_length: int, *, single_file: bool = False) -> None:
        if not SHORTEST_PIECE <= piece_length <= LONGEST_PIECE:
            raise MetainfoError(
                f"a piece length of {piece_length} bytes: it must be from {SHORTEST_PIECE} to {LONGEST_PIECE}"
            )
        self._name = name
        self._piece_length = piece_length
        self._single_file = single_file
        self._sha1 = _PieceHashes(piece_length, hashlib.sha1)
        self._sha256 = _PieceHashes(piece_length, hashlib.sha256)
        self._entries: list[dict[bytes, Any]] = []
        self._directories: list[Directory] = []
        self._last: Path = ()
        self._file: Optional[Hasher] = None
        self._length = 0

    def add_directory(self, path: Path, mode: int) -> None:
        """Take a directory, () being the root; `mode` is cut to permission bits.  The order is free."""
        self._directories.append(Directory(path, mode & 0o777))

    def add_link(self, path: Path, text: bytes) -> None:
        """Take a symbolic link with the text it holds."""
        target = link_target(path, text)
        entry: dict[bytes, Any] = {b"attr": b"l", b"symlink path": list(target)}
        if link_text(path, target) != text:
            entry[b"murder symlink"] = text
        self._begin(path, entry)
        self._end_file()

    def begin_file(self, path: Path, mode: int) -> None:
        """Take the next file; its bytes follow through `update`, and its end is the next file or `build`."""
        entry: dict[bytes, Any] = {b"murder mode": mode & 0o777}
        if mode & 0o100:
            entry[b"attr"] = b"x"
        self._begin(path, entry)
        self._file = hashlib.sha256()

    def update(self, data: Union[bytes, memoryview]) -> None:
        """Take the next bytes of the file begun last, as many as there are at hand."""
        self.update_file(data)
        self.update_pieces(data)

    def update_file(self, data: Union[bytes, memoryview]) -> None:
        """Take bytes as `update` does, for their file; `update_pieces` has to follow."""
        if self._file is None:
            raise ValueError("bytes without a file")
        self._length += len(data)
        self._file.update(data)

    def update_pieces(self, data: Union[bytes, memoryview]) -> None:
        """Take the next bytes of all files, one after the other, however many that are, for their pieces."""
        self._sha1.update(data)
        self._sha256.update(data)

    def build(self) -> Info:
        """
        Return the info dictionary of all that was taken.

        Raises:
            MetainfoError: a path or link that no torrent may hold.
        """
        self._end_file()
        info: dict[bytes, Any] = {
            b"name": self._name,
            b"piece length": self._piece_length,
            b"pieces": self._sha1.finish(),
            b"murder pieces sha256": self._sha256.finish(),
            b"private": 1,
        }
        if self._single_file:
            (entry,) = self._entries
            info.update((key, value) for key, value in entry.items() if key != b"path")
        else:
            info[b"files"] = self._entries
            info[b"murder directories"] = [
                {b"path": list(directory.path), b"murder mode": directory.mode}
                for directory in sorted(self._directories, key=lambda directory: directory.path)
            ]
        # Through the door that every torrent comes in by: what we make, we also take.
        return parse_info(info, encode(info))

    def _begin(self, path: Path, entry: dict[bytes, Any]) -> None:
        self._end_file()
        if path <= self._last:
            raise MetainfoError(
                f"{shown(path)} comes after {shown(self._last)}: files must be sorted by path"
            )
        self._last = path
        self._entries.append({b"path": list(path), **entry})

    def _end_file(self) -> None:
        if not self._entries or b"length" in self._entries[-1]:
            return
        self._entries[-1][b"length"] = self._length
        if self._file is not None:
            self._entries[-1][b"murder sha256"] = self._file.digest()
        self._file, self._length = None, 0


class _PieceHashes:
    """One hash of each piece of a run of bytes, however the bytes are cut when they come."""

    def __init__(self, piece_length: int, algorithm: Callable[[], Hasher]) -> None:
        self._piece_length = piece_length
        self._algorithm = algorithm
        self._hasher = algorithm()
        self._missing = piece_length
        self._digests: list[bytes] = []

    def update(self, data: Union[bytes, memoryview]) -> None:
        view = memoryview(data)
        while len(view) >= self._missing:
            self._hasher.update(view[: self._missing])
            view = view[self._missing :]
            self._digests.append(self._hasher.digest())
            self._hasher = self._algorithm()
            self._missing = self._piece_length
        if view:
            self._hasher.update(view)
            self._missing -= len(view)

    def finish(self) -> bytes:
        last: Iterable[bytes] = () if self._missing == self._piece_length else (self._hasher.digest(),)
        return b"".join([*self._digests, *last])
