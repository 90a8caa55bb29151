"""Making a torrent of bytes that are handed in, in one pass over them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, Callable

from ..bencoding import encode
from ..errors import MetainfoError
from .links import link_target, link_text
from .parsing import LONGEST_PIECE, SHORTEST_PIECE, parse_info
from .paths import Path, shown
from .values import Directory, Hasher, Info

#: The entry of a file, its keys in their order: attributes, length, mode, hash, path.
_ENCODED_FILE = b"d%b6:lengthi%de11:murder modei%de13:murder sha25632:%b4:pathl%bee"


class InfoBuilder:
    """
    Takes the files of a tree in the order of their paths, and returns the info dictionary they make.

    Bytes are hashed as they come: SHA-1 and SHA-256 of each piece, SHA-256 of each file.  The same files
    under the same name always make the same bytes.
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
        self._files = _FileHashes()

    def add_directory(self, path: Path, mode: int) -> None:
        """Take a directory, () being the root; `mode` is cut to permission bits.  The order is free."""
        self._directories.append(Directory(path, mode & 0o777))

    def add_link(self, path: Path, text: bytes) -> None:
        """Take a symbolic link with the text it holds."""
        target = link_target(path, text)
        entry: dict[bytes, Any] = {b"attr": b"l", b"symlink path": list(target)}
        if link_text(path, target) != text:
            entry[b"murder symlink"] = text
        self._add(path, {**entry, b"length": 0})

    def add_file(self, path: Path, mode: int, length: int) -> None:
        """Take the next file; its bytes follow through `hashes`."""
        entry: dict[bytes, Any] = {b"length": length, b"murder mode": mode & 0o777}
        if mode & 0o100:
            entry[b"attr"] = b"x"
        self._add(path, entry)

    @property
    def hashes(self) -> Sequence[Callable[[memoryview, Sequence[int]], None]]:
        """
        What the bytes of the files have to be told, all files one after the other.

        Each of these takes the next bytes, however many, and where in them files end; it may be called in a
        thread of its own.
        """
        return self._sha256.update, self._sha1.update, self._files.update

    def build(self) -> Info:
        """
        Return the info dictionary of all that was taken.

        Raises:
            MetainfoError: a path or link that no torrent may hold.
        """
        files = [entry for entry in self._entries if b"murder mode" in entry]
        for entry, digest in zip(files, self._files.digests):
            entry[b"murder sha256"] = digest
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
        parts = {key: encode(value) for key, value in info.items() if key != b"files"}
        if not self._single_file:
            parts[b"files"] = b"l%be" % b"".join(map(_encode_entry, self._entries))
        raw = b"d%be" % b"".join(encode(key) + value for key, value in sorted(parts.items()))
        # What we make, we also take: the dictionary passes all that one of another maker has to. To decode
        # `raw`, which is its bencoding, would tell no more.
        return parse_info(info, raw)

    def _add(self, path: Path, entry: dict[bytes, Any]) -> None:
        if path <= self._last:
            raise MetainfoError(
                f"{shown(path)} comes after {shown(self._last)}: files must be sorted by path"
            )
        self._last = path
        entry[b"path"] = list(path)
        self._entries.append(entry)


def _encode_entry(entry: dict[bytes, Any]) -> bytes:
    """Return what `encode` does; of a file in a fifth of the time, since a tree may hold 100,000."""
    if b"murder mode" not in entry:
        return encode(entry)
    path = b"".join([b"%d:%b" % (len(name), name) for name in entry[b"path"]])
    attributes = b"4:attr1:x" if b"attr" in entry else b""
    numbers = entry[b"length"], entry[b"murder mode"]
    return _ENCODED_FILE % (attributes, *numbers, entry[b"murder sha256"], path)


class _FileHashes:
    """The SHA-256 of each file of a run of bytes."""

    def __init__(self) -> None:
        self.digests: list[bytes] = []
        self._hasher = hashlib.sha256()

    def update(self, data: memoryview, ends: Sequence[int]) -> None:
        begin = 0
        for end in ends:
            self._hasher.update(data[begin:end])
            self.digests.append(self._hasher.digest())
            self._hasher, begin = hashlib.sha256(), end
        self._hasher.update(data[begin:])


class _PieceHashes:
    """One hash of each piece of a run of bytes, however the bytes are cut when they come."""

    def __init__(self, piece_length: int, algorithm: Callable[[], Hasher]) -> None:
        self._piece_length = piece_length
        self._algorithm = algorithm
        self._hasher = algorithm()
        self._missing = piece_length
        self._digests: list[bytes] = []

    def update(self, data: memoryview, _: Sequence[int]) -> None:
        while len(data) >= self._missing:
            self._hasher.update(data[: self._missing])
            data = data[self._missing :]
            self._digests.append(self._hasher.digest())
            self._hasher = self._algorithm()
            self._missing = self._piece_length
        if data:
            self._hasher.update(data)
            self._missing -= len(data)

    def finish(self) -> bytes:
        last: Iterable[bytes] = () if self._missing == self._piece_length else (self._hasher.digest(),)
        return b"".join([*self._digests, *last])
