"""The bytes of one torrent on disk: pieces go straight into the files that they are part of."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from typing import Optional, Union

from ..metainfo.geometry import Span
from ..metainfo.paths import Path
from ..metainfo.values import Info
from .directories import UNFINISHED_MODE, Directories
from .durability import sync_file_system
from .failures import naming
from .finishing import directory_modes, finish_tree
from .open_files import OpenFiles, write_all

#: Bytes read at once: past this the hashing takes longer than the call.
READ_SIZE = 1024 * 1024


class Payload:
    """
    The files of a torrent below `root`: the directory that holds them, or holds the single file.

    Nothing is opened before it is needed, and nothing is created unless `prepare` was called.  Blocks
    are given and asked for by piece, begin and length, which must lie inside the piece (IndexError
    otherwise).  Every other failure is a StorageError that names the path.

    One thread at a time: a call may close what another has just opened.
    """

    def __init__(self, info: Info, root: Union[str, bytes]) -> None:
        self._info = info
        # The directory around a single file belongs to somebody else.
        self._directories = Directories(root, owned=not info.single_file)
        self._files = OpenFiles(info.files, self._directories)

    def prepare(self) -> None:
        """Create the root, the directories and the empty files; the others come with their first byte."""
        self.make_root()
        for directory in self._info.directories:
            with naming(self._directories, directory.path):
                self._directories.make(directory.path)
        for file, entry in enumerate(self._info.files):
            if entry.length == 0 and entry.symlink is None and not entry.padding:
                with naming(self._directories, entry.path):
                    self._files.for_writing(file)

    def make_root(self) -> int:
        """Create the root alone; return a descriptor of the one that is used from now until `close`."""
        with naming(self._directories, ()):
            has_mode = any(directory.path == () for directory in self._info.directories)
            self._directories.make_root(UNFINISHED_MODE if has_mode else 0o777)
            return self._directories.open_root()

    def write(self, index: int, begin: int, data: Union[bytes, memoryview]) -> None:
        """Write a block, or the part of one that has arrived, where it belongs."""
        view = memoryview(data)
        for span in self._info.geometry.spans(index, begin, len(view)):
            entry = self._info.files[span.file]
            if not entry.padding:
                with naming(self._directories, entry.path):
                    write_all(self._files.for_writing(span.file), view[: span.length], span.offset)
            view = view[span.length :]

    def read(self, index: int, begin: int, length: int) -> bytes:
        """Return the bytes of a block."""
        spans = self._info.geometry.spans(index, begin, length)
        parts = [self._read_span(span) for span in spans]
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def descriptor(self, file: int) -> int:
        """Return a descriptor to read a file by, as `os.sendfile` does; good until the next call."""
        with naming(self._directories, self._info.files[file].path):
            return self._files.for_reading(file)

    def present(self) -> list[int]:
        """Return how many bytes of each file are there, right or wrong; 0 where there is no such file."""
        files = range(len(self._info.files))
        with naming(self._directories, ()):
            try:
                self._directories.open_root()
            except (FileNotFoundError, NotADirectoryError):
                return [0 for _ in files]
        found = None if self._info.single_file else self._found()
        if found is None:
            return [self._present(file) for file in files]
        return [found.get(entry.path, 0) for entry in self._info.files]

    def _found(self) -> Optional[dict[Path, int]]:
        """Return the lengths of our files, looked for by directory; None where somebody takes some away."""
        # Beside them there may be anything: what was left out of the torrent, and nobody may read.
        ours = {entry.path[:depth] for entry in self._info.files for depth in range(1, len(entry.path) + 1)}
        with naming(self._directories, ()):
            try:
                walked = [*self._directories.walk(lambda path, is_directory: path not in ours)]
            except (FileNotFoundError, NotADirectoryError):
                return None
        return {path: status.st_size for path, status in walked if stat.S_ISREG(status.st_mode)}

    def finish(self, mtimes: Optional[Sequence[int]] = None) -> None:
        """
        Give the complete tree its links, modes and times (nanoseconds, one for each file).

        Calling it again, also after a restart, changes nothing.  A file with other hard links whose mode or
        time is another one becomes a copy: they are theirs too.
        """
        finish_tree(self._info, self._directories, self._files, mtimes)

    def sync(self) -> None:
        """Return when everything written is on the disk itself, directories included."""
        with naming(self._directories, ()):
            if not sync_file_system(self._directories.open_root()):
                self._sync_each()

    def close(self) -> None:
        """Close every descriptor."""
        self._files.close()
        self._directories.close()

    def _present(self, file: int) -> int:
        with naming(self._directories, self._info.files[file].path):
            try:
                status = self._files.status(file)
            except (FileNotFoundError, NotADirectoryError):
                return 0
        return status.st_size if stat.S_ISREG(status.st_mode) else 0

    def _read_span(self, span: Span) -> bytes:
        entry = self._info.files[span.file]
        if entry.padding:
            return bytes(span.length)
        with naming(self._directories, entry.path):
            descriptor = self._files.for_reading(span.file)
            data = os.pread(descriptor, span.length, span.offset)
            while len(data) < span.length:
                more = os.pread(descriptor, span.length - len(data), span.offset + len(data))
                if not more:
                    raise OSError(errno.EIO, "The file is shorter than the torrent says")
                data += more
        return data

    def _sync_each(self) -> None:
        for file, entry in enumerate(self._info.files):
            if entry.symlink is None and not entry.padding:
                os.fsync(self._files.for_reading(file))
        for path in ((), *directory_modes(self._info)):
            os.fsync(self._directories.open(path))


def root_of(info: Info, path: str) -> str:
    """Return the root of the payload that lies at *path*; a single file is known by its real name."""
    return os.path.dirname(os.path.realpath(path)) if info.single_file else path
