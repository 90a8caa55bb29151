"""What the disk refuses, said as one sentence with the path."""

from __future__ import annotations

import errno
import os

from ..errors import NoRoomError, StorageError
from ..metainfo.paths import Path
from .directories import Directories


class naming:
    """
    Turns an OSError of its block into the StorageError that names `path` in full.

    A class, as it stands around each part of a piece: a generator would take three times as long.
    """

    __slots__ = ("_directories", "_path")

    def __init__(self, directories: Directories, path: Path) -> None:
        self._directories = directories
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            reason = error.strerror or str(error)
            if error.errno == errno.ENOSPC and _out_of_inodes(self._directories.root):
                reason = "No inodes left on device"
            kind = NoRoomError if error.errno in (errno.ENOSPC, errno.EDQUOT) else StorageError
            raise kind(f"{reason}: {self._directories.shown(self._path)}") from error


def _out_of_inodes(root: bytes) -> bool:
    """Say whether it is files that there are too many of: the kernel has one error for both."""
    try:
        found = os.statvfs(root)
    except OSError:
        return False
    # File systems without a fixed number of inodes say that they have none at all.
    return found.f_files > 0 and found.f_favail == 0
