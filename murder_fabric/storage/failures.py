"""What the disk refuses, said as one sentence with the path."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import StorageError
from ..metainfo.paths import Path
from .directories import Directories


@contextmanager
def naming(directories: Directories, path: Path) -> Iterator[None]:
    """Turn an OSError of the block into the StorageError that names `path` in full."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno == errno.ENOSPC and _out_of_inodes(directories.root):
            reason = "No inodes left on device"
        raise StorageError(f"{reason}: {directories.shown(path)}") from error


def _out_of_inodes(root: bytes) -> bool:
    """Say whether it is files that there are too many of: the kernel has one error for both."""
    try:
        found = os.statvfs(root)
    except OSError:
        return False
    # File systems without a fixed number of inodes say that they have none at all.
    return found.f_files > 0 and found.f_favail == 0
