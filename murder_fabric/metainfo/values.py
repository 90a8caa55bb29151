"""What a torrent says, as values that cannot change once they are made."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Optional, Protocol, Union

from ..bencoding import encode
from .geometry import Geometry


class Hasher(Protocol):
    """The part of a hashlib object that checking a piece needs."""

    def update(self, data: Union[bytes, memoryview], /) -> None:
        """Take more bytes in."""

    def digest(self) -> bytes:
        """Return the hash of all bytes so far."""


class FileEntry(NamedTuple):
    """
    One file or symlink, at a path relative to the directory that holds the torrent's files.

    `path` has at least one component, each checked to be a name and nothing more; `length` is in bytes.
    `mode` is permission bits (at most 0o777), None where the torrent does not say.  `sha256` is the hash
    of the whole file, None for links, padding and stock torrents.  `symlink` is the text of a link, byte
    for byte.  `padding` bytes (BEP 47) are zeros that are hashed but never written.
    """

    path: tuple[bytes, ...]
    length: int
    mode: Optional[int] = None
    sha256: Optional[bytes] = None
    symlink: Optional[bytes] = None
    padding: bool = False


class Directory(NamedTuple):
    """A directory below the root, or the root itself with the path (), and its permission bits."""

    path: tuple[bytes, ...]
    mode: int


@dataclass(frozen=True)
class Info:
    """
    The info dictionary of a torrent: everything the info hash covers.

    `raw` is its bencoding, from which the rest was read.  For a single file torrent `files` has one
    entry, whose path is the name.
    """

    name: bytes
    piece_length: int
    pieces_sha1: bytes
    pieces_sha256: Optional[bytes]
    files: tuple[FileEntry, ...]
    directories: tuple[Directory, ...]
    single_file: bool
    private: bool
    raw: bytes

    @cached_property
    def info_hash(self) -> bytes:
        """The SHA-1 of the info dictionary: what a swarm is called (BEP 3), 20 bytes."""
        # SHA-1 names a swarm here; what we trust is `digest`.
        return hashlib.sha1(self.raw).digest()  # noqa: S324

    @cached_property
    def digest(self) -> bytes:
        """The SHA-256 of the info dictionary: what identifies a release, 32 bytes."""
        return hashlib.sha256(self.raw).digest()

    @cached_property
    def geometry(self) -> Geometry:
        """Where each piece lies in the files."""
        return Geometry(self.piece_length, [entry.length for entry in self.files])

    def hasher(self) -> Hasher:
        """Return a fresh hash object of the kind that `piece_hash` is to be compared with."""
        # Stock torrents carry nothing better than SHA-1.
        return hashlib.sha1() if self.pieces_sha256 is None else hashlib.sha256()  # noqa: S324

    def piece_hash(self, index: int) -> bytes:
        """Return what a piece must hash to: SHA-256 where the torrent carries it, else SHA-1."""
        if not 0 <= index < self.geometry.piece_count:
            raise IndexError(f"piece {index} of {self.geometry.piece_count}")
        hashes, size = (self.pieces_sha1, 20) if self.pieces_sha256 is None else (self.pieces_sha256, 32)
        return hashes[index * size : (index + 1) * size]


class Metainfo(NamedTuple):
    """
    A torrent: the info dictionary, and beside it what may differ without making another swarm.

    `announce_list` holds tiers of tracker addresses (BEP 12), `url_list` web seeds (BEP 19).  `mtimes` are
    nanoseconds since 1970, one for each of `info.files`; they are outside the info dictionary so that a
    fresh checkout of the same tree is the same release (docs/adr/0003).
    """

    info: Info
    announce: Optional[str] = None
    announce_list: tuple[tuple[str, ...], ...] = ()
    mtimes: Optional[tuple[int, ...]] = None
    url_list: tuple[str, ...] = ()

    def encode(self) -> bytes:
        """Return the bytes of a torrent file; the info dictionary goes in exactly as it came."""
        parts = {b"info": self.info.raw}
        if self.announce is not None:
            parts[b"announce"] = encode(self.announce.encode())
        if self.announce_list:
            parts[b"announce-list"] = encode([[url.encode() for url in tier] for tier in self.announce_list])
        if self.url_list:
            parts[b"url-list"] = encode([url.encode() for url in self.url_list])
        if self.mtimes is not None:
            # As `encode` does, in a third of the time: one for each file.
            parts[b"murder mtimes"] = b"l%be" % b"".join([b"i%de" % mtime for mtime in self.mtimes])
        return b"d" + b"".join(encode(key) + value for key, value in sorted(parts.items())) + b"e"
