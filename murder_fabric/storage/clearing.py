"""Making room in an unfinished tree: what an earlier torrent left there and this one does not speak of."""

from __future__ import annotations

import os
import shutil
import stat
from typing import Union

from ..metainfo.paths import Path
from ..metainfo.values import FileEntry, Info
from .directories import Directories
from .failures import naming
from .finishing import directory_modes
from .modes import open_all


def remove_strangers(info: Info, root: Union[str, bytes]) -> int:
    """
    Remove what is below *root* and not in the torrent, or of another kind there; return how much that was.

    Only for a tree that is ours alone. What stays is not looked at: pieces of it may be right.

    Raises:
        StorageError: the disk does not let us; names the path.
    """
    directories = Directories(root)
    modes = directory_modes(info)
    entries = {entry.path: entry for entry in info.files if not entry.padding}
    strangers: list[Path] = []

    def is_stranger(path: Path, is_directory: bool) -> bool:
        stranger = path not in (modes if is_directory else entries)
        if stranger:
            strangers.append(path)
        return stranger

    try:
        with naming(directories, ()):
            for path, status in directories.walk(is_stranger):
                if not stat.S_ISDIR(status.st_mode) and not _is_of_kind(entries[path], status):
                    strangers.append(path)
        for path in strangers:
            with naming(directories, path):
                remove_entry(path[-1], dir_fd=directories.make(path[:-1]))
    finally:
        directories.close()
    return len(strangers)


def remove_entry(name: Union[str, bytes], *, dir_fd: int) -> None:
    """
    Remove what is called *name* in an open directory, with all in it, closed directories too.

    Links are not followed.

    Raises:
        OSError: it cannot be removed, or is not there.
    """
    if stat.S_ISDIR(os.stat(name, dir_fd=dir_fd, follow_symlinks=False).st_mode):
        open_all(name, dir_fd=dir_fd)
        # Below that name only descriptors count; Python 3.9 takes none for the directory that has the name.
        shutil.rmtree(f"/proc/self/fd/{dir_fd}/{os.fsdecode(name)}")
    else:
        os.unlink(name, dir_fd=dir_fd)


def _is_of_kind(entry: FileEntry, status: os.stat_result) -> bool:
    return stat.S_ISREG(status.st_mode) if entry.symlink is None else stat.S_ISLNK(status.st_mode)
