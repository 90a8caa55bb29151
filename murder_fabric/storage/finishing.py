"""The last step to a complete tree: links, exact modes and times, directories after what is in them."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from typing import Optional

from ..metainfo.paths import Path
from ..metainfo.values import FileEntry, Info
from .directories import Directories
from .failures import naming
from .open_files import READ_ONLY, OpenFiles

#: What stock torrents do not say.
FILE_MODE = 0o644
DIRECTORY_MODE = 0o755


def file_mode(entry: FileEntry) -> int:
    """Return the permission bits that a finished file has."""
    return FILE_MODE if entry.mode is None else entry.mode


def directory_modes(info: Info) -> dict[Path, int]:
    """
    Return every directory of a finished tree and its permission bits, those only implied by files too.

    The root is among them only where the torrent speaks of it.
    """
    modes: dict[Path, int] = {}
    for entry in info.files:
        depth = len(entry.path) - 1
        while depth > 0 and not entry.padding and entry.path[:depth] not in modes:
            modes[entry.path[:depth]] = DIRECTORY_MODE
            depth -= 1
    modes.update((directory.path, directory.mode) for directory in info.directories)
    for directory in info.directories:
        for depth in range(1, len(directory.path)):
            modes.setdefault(directory.path[:depth], DIRECTORY_MODE)
    return modes


def finish_tree(
    info: Info, directories: Directories, files: OpenFiles, mtimes: Optional[Sequence[int]]
) -> None:
    """
    Bring everything but the bytes to what the torrent says; `mtimes` are nanoseconds, one for each file.

    Raises:
        StorageError: something is missing, too short, in the way, or the disk refuses.
    """
    for file, entry in enumerate(info.files):
        if entry.padding:
            continue
        mtime = None if mtimes is None else mtimes[file]
        with naming(directories, entry.path):
            if entry.symlink is not None:
                _finish_link(directories, entry.path, entry.symlink, mtime)
            elif not _finish_whole_file(directories, entry, mtime):
                _finish_file(files, file, entry, mtime)
    # Deepest first: a directory may close itself to us.
    for path, mode in sorted(directory_modes(info).items(), reverse=True):
        with naming(directories, path):
            directories.set_mode(path, mode)


def _finish_whole_file(directories: Directories, entry: FileEntry, mtime: Optional[int]) -> bool:
    """Finish a file that is as long as it should be and shared with nobody; False where it is another one."""
    try:
        descriptor = os.open(entry.path[-1], READ_ONLY, dir_fd=directories.open(entry.path[:-1]))
    except (PermissionError, FileNotFoundError):
        return False
    try:
        status = os.fstat(descriptor)
        if status.st_size != entry.length or status.st_nlink != 1 or not stat.S_ISREG(status.st_mode):
            return False
        _set_mode_and_time(descriptor, status, file_mode(entry), mtime)
    finally:
        os.close(descriptor)
    return True


def _finish_file(files: OpenFiles, file: int, entry: FileEntry, mtime: Optional[int]) -> None:
    mode = file_mode(entry)
    try:
        descriptor = files.for_reading(file)
    except PermissionError:
        descriptor = files.for_writing(file)
    except FileNotFoundError:
        if entry.length:
            raise
        descriptor = files.for_writing(file)
    status = os.fstat(descriptor)
    right = stat.S_IMODE(status.st_mode) == mode and mtime in (None, status.st_mtime_ns)
    if status.st_size > entry.length or (status.st_nlink > 1 and not right):
        descriptor = files.for_writing(file)
        status = os.fstat(descriptor)
    if status.st_size < entry.length:
        raise OSError(errno.EIO, "The file is shorter than the torrent says")
    _set_mode_and_time(descriptor, status, mode, mtime)


def _set_mode_and_time(descriptor: int, status: os.stat_result, mode: int, mtime: Optional[int]) -> None:
    if mtime is not None and mtime != status.st_mtime_ns:
        os.utime(descriptor, ns=(status.st_atime_ns, mtime))
    if stat.S_IMODE(status.st_mode) != mode:
        os.fchmod(descriptor, mode)


def _finish_link(directories: Directories, path: Path, text: bytes, mtime: Optional[int]) -> None:
    parent, name = directories.make(path[:-1]), path[-1]
    try:
        status = os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        os.symlink(text, name, dir_fd=parent)
    else:
        if not stat.S_ISLNK(status.st_mode):
            raise OSError(errno.EEXIST, "Something that is not a link is in the place of a link")
        if os.readlink(name, dir_fd=parent) != text:
            os.unlink(name, dir_fd=parent)
            os.symlink(text, name, dir_fd=parent)
    if mtime is not None:
        os.utime(name, ns=(mtime, mtime), dir_fd=parent, follow_symlinks=False)
