"""The open files of one torrent: a bounded number of them, never through a link, never one we share."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple, Union

from ..metainfo.values import FileEntry
from .descriptors import kept_open
from .directories import Directories
from .modes import set_mode

MOST_OPEN = 64
#: Only its owner sees a file that is not whole yet.
UNFINISHED_MODE = 0o600
COPY_SIZE = 1024 * 1024

# A FIFO in the place of a file must not hang us while we find out that it is one.
_FLAGS = os.O_NOFOLLOW | os.O_NONBLOCK
READ_ONLY = os.O_RDONLY | _FLAGS


class _OpenFile(NamedTuple):
    descriptor: int
    writable: bool


class OpenFiles:
    """
    Opens the files of a torrent by their index; every method raises plain OSError.

    Descriptors are good until the next call of a method.  A file with other hard links is replaced by
    a copy of its own before it is opened for writing: what it shares bytes with may be live.
    """

    def __init__(self, files: Sequence[FileEntry], directories: Directories) -> None:
        self._files = files
        self._directories = directories
        self._open: OrderedDict[int, _OpenFile] = OrderedDict()
        self._most_open = kept_open(MOST_OPEN)

    def for_reading(self, file: int) -> int:
        """Return a descriptor of a file that must exist."""
        found = self._open.get(file)
        if found is not None:
            self._open.move_to_end(file)
            return found.descriptor
        path = self._files[file].path
        descriptor = open_to_read(self._directories.open(path[:-1]), path[-1])
        return self._keep(file, _OpenFile(descriptor, False))

    def for_writing(self, file: int) -> int:
        """Return a descriptor of a file to write to: created, freed of other links, not too long."""
        found = self._open.get(file)
        if found is not None and found.writable:
            self._open.move_to_end(file)
            return found.descriptor
        if found is not None:
            os.close(self._open.pop(file).descriptor)
        entry = self._files[file]
        parent = self._directories.make(entry.path[:-1])
        return self._keep(file, _OpenFile(_open_for_writing(parent, entry), True))

    def status(self, file: int) -> os.stat_result:
        """Return the lstat of a file."""
        path = self._files[file].path
        return os.stat(path[-1], dir_fd=self._directories.open(path[:-1]), follow_symlinks=False)

    def close(self) -> None:
        """
        Close all of them; what is asked for afterwards is opened again.

        What the disk says now is not heard: what counts was synced before, all else is checked again.
        """
        while self._open:
            with contextlib.suppress(OSError):
                os.close(self._open.popitem()[1].descriptor)

    def _keep(self, file: int, opened: _OpenFile) -> int:
        self._open[file] = opened
        if len(self._open) > self._most_open:
            os.close(self._open.popitem(last=False)[1].descriptor)
        return opened.descriptor


def _open_for_writing(parent: int, entry: FileEntry) -> int:
    name = entry.path[-1]
    try:
        return create(parent, name)  # first, as nearly every file of a tree of many is opened to write once
    except FileExistsError:
        status = os.stat(name, dir_fd=parent, follow_symlinks=False)
    if not stat.S_ISREG(status.st_mode):
        raise _in_the_way()
    if status.st_nlink > 1:
        descriptor = _copy_of_its_own(parent, name)
    else:
        if status.st_mode & UNFINISHED_MODE != UNFINISHED_MODE:
            set_mode(name, UNFINISHED_MODE, dir_fd=parent)
        descriptor = os.open(name, os.O_RDWR | _FLAGS, dir_fd=parent)
        if not os.path.samestat(status, os.fstat(descriptor)):
            os.close(descriptor)
            raise _in_the_way()
    if status.st_size > entry.length:
        os.ftruncate(descriptor, entry.length)
    return descriptor


def open_to_read(parent: int, name: bytes) -> int:
    """Return a descriptor of a file in the directory *parent*; raises OSError if it is something else."""
    descriptor = os.open(name, READ_ONLY, dir_fd=parent)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _in_the_way()
    return descriptor


def create(parent: int, name: bytes) -> int:
    """Return a descriptor of a new file in the directory *parent*, to read and write."""
    return os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | _FLAGS, UNFINISHED_MODE, dir_fd=parent)


def _copy_of_its_own(parent: int, name: bytes) -> int:
    """Replace a file by a copy that has no other link; its bytes may already count as checked pieces."""
    source = os.open(name, READ_ONLY, dir_fd=parent)
    try:
        os.unlink(name, dir_fd=parent)
        copy = create(parent, name)
        try:
            copy_bytes(source, copy)
        except OSError:
            os.close(copy)
            raise
    finally:
        os.close(source)
    return copy


def copy_bytes(source: int, copy: int, offset: int = 0) -> None:
    """Copy the bytes of an open file from *offset* on into another."""
    while data := os.pread(source, COPY_SIZE, offset):
        write_all(copy, data, offset)
        offset += len(data)


def write_all(descriptor: int, data: Union[bytes, memoryview], offset: int) -> None:
    """Write bytes at an offset, all of them: the kernel may take fewer at once."""
    written = os.pwrite(descriptor, data, offset)
    while written < len(data):
        written += os.pwrite(descriptor, memoryview(data)[written:], offset + written)


def _in_the_way() -> OSError:
    return OSError(errno.EEXIST, "Something that is not a file is in the place of a file")
