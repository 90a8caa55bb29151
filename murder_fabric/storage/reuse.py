"""Filling a tree from former releases: a file that has the same bytes in one of them need not come again."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Optional, Union

from ..metainfo.holdings import Holdings
from ..metainfo.values import FileEntry, Metainfo
from .checking import digest_at, digest_of
from .directories import Directories
from .failures import naming
from .finishing import file_mode
from .payload import Payload
from .replicas import Original, Replicas, open_original


@dataclass(frozen=True)
class Former:
    """A release that was verified once: its torrent, and where it lies."""

    tag: str
    metainfo: Metainfo
    root: str


@dataclass
class Reused:
    """What was taken over: bytes by tag; `changed` counts files there that are not what they were."""

    bytes_of: dict[str, int] = field(default_factory=dict)
    changed: int = 0


def reuse(
    metainfo: Metainfo,
    root: Union[str, bytes],
    holdings: Holdings,
    formers: Iterable[Former],
    *,
    fast: bool = False,
) -> Reused:
    """
    Put files of *formers* in the place of those that the tree at *root* lacks and that have the same SHA-256.

    1. A file counts once its bytes were read again. With *fast*, size and time may stand for them, where they
       are what the former torrent says, and where nothing of it lies in the tree from an earlier try.
    2. `Replicas` says how it gets there; the former release stays as it is.
    3. What is whole in the tree itself counts too.

    *holdings*, whose pieces were checked, are brought up to what is there then. Of *formers* no more are
    asked than needed. Nobody else may have files of the tree open, since some are replaced.

    Raises:
        StorageError: the tree cannot be read or written to.
    """
    filling = _Filling(metainfo, root, holdings, fast)
    try:
        filling.count_own()
        for former in formers if filling.wanted else ():
            filling.take_from(former)
            if not filling.wanted:
                break
    finally:
        filling.close()
    if holdings.files.have:  # else it is one look at each piece for nothing
        for index in list(holdings.pieces.missing()):
            if not holdings.lacking(index):
                holdings.pieces.add(index)
    return filling.reused


class _Filling:
    """One tree on its way; `wanted` has the files still to be found, by their SHA-256."""

    def __init__(self, metainfo: Metainfo, root: Union[str, bytes], holdings: Holdings, fast: bool) -> None:
        self.reused = Reused()
        self.wanted: dict[bytes, list[int]] = {}
        self._info, self._mtimes = metainfo.info, metainfo.mtimes
        self._holdings = holdings
        self._fast = fast
        self._root = root
        self._directories = Directories(root, owned=not metainfo.info.single_file)
        self._replicas = Replicas(self._directories)
        #: Files of which something was there before.
        self._begun: set[int] = set()
        #: What was read, by device and inode, since releases share files; None where that failed.
        self._digests: dict[tuple[int, int], Optional[bytes]] = {}
        for file, entry in enumerate(self._info.files):
            if entry.sha256 is not None and self._is_incomplete(file):
                self.wanted.setdefault(entry.sha256, []).append(file)

    def close(self) -> None:
        """Close what is open."""
        self._directories.close()

    def count_own(self) -> None:
        """Find what is whole in the tree itself, though some piece that it has a part in is not."""
        payload = Payload(self._info, self._root)
        try:
            present = payload.present()
        finally:
            payload.close()
        for sha256, files in list(self.wanted.items()):
            for file in list(files):
                entry = self._info.files[file]
                if present[file]:
                    self._begun.add(file)
                if present[file] != entry.length or not self._may_be_whole(file):
                    continue
                with naming(self._directories, entry.path):
                    if digest_at(self._directories, entry.path) == sha256:
                        self._found(sha256, file)

    def take_from(self, former: Former) -> None:
        """Take all that *former* has of what is wanted."""
        directories, mtimes = Directories(former.root), former.metainfo.mtimes
        try:
            for file, entry in enumerate(former.metainfo.info.files):
                if entry.sha256 is None or entry.sha256 not in self.wanted:
                    continue
                try:
                    original = open_original(directories, entry.path)
                except OSError:  # it is gone, or not for us to read
                    self.reused.changed += 1
                    continue
                try:
                    mtime = None if mtimes is None else mtimes[file]
                    self._take(former.tag, original, entry, entry.sha256, mtime)
                finally:
                    os.close(original.descriptor)
        finally:
            directories.close()

    def _take(
        self, tag: str, original: Original, entry: FileEntry, sha256: bytes, mtime: Optional[int]
    ) -> None:
        believed = self._fast and original.status.st_mtime_ns == mtime and _is_as_long(original, entry)
        for file in list(self.wanted[sha256]):
            if not (believed and file not in self._begun) and self._read(original, entry) != sha256:
                self.reused.changed += 1
                return
            wanted, its_mtime = self._info.files[file], None if self._mtimes is None else self._mtimes[file]
            with naming(self._directories, wanted.path):
                self._replicas.make(wanted.path, original, mode=file_mode(wanted), mtime=its_mtime)
            self._found(sha256, file)
            self.reused.bytes_of[tag] = self.reused.bytes_of.get(tag, 0) + wanted.length

    def _read(self, original: Original, entry: FileEntry) -> Optional[bytes]:
        """Return the SHA-256 of what a file of a former release is now; None where it cannot be right."""
        identity = (original.status.st_dev, original.status.st_ino)
        if not _is_as_long(original, entry):
            return None
        if identity not in self._digests:
            try:
                self._digests[identity] = digest_of(original.descriptor)
            except OSError:
                self._digests[identity] = None
        return self._digests[identity]

    def _found(self, sha256: bytes, file: int) -> None:
        self._holdings.files.add(file)
        self.wanted[sha256].remove(file)
        if not self.wanted[sha256]:
            del self.wanted[sha256]

    def _is_incomplete(self, file: int) -> bool:
        return any(index not in self._holdings.pieces for index in self._info.geometry.pieces_of(file))

    def _may_be_whole(self, file: int) -> bool:
        """Say whether no piece is wrong that lies in this file alone."""
        geometry = self._info.geometry
        return all(
            index in self._holdings.pieces or len(geometry.files_of(index)) > 1
            for index in geometry.pieces_of(file)
        )


def _is_as_long(original: Original, entry: FileEntry) -> bool:
    return stat.S_ISREG(original.status.st_mode) and original.status.st_size == entry.length
