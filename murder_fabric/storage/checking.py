"""Hashing what is on disk: which pieces are there, and whether a finished tree is the one promised."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Container, Iterable, Iterator, Sequence
from typing import Callable, Optional, Union

from ..bitfield import Bitfield
from ..errors import VerifyError
from ..metainfo.paths import Path
from ..metainfo.values import FileEntry, Info
from .additions import Additions
from .directories import Directories
from .failures import naming
from .finishing import directory_modes, file_mode
from .open_files import open_to_read
from .payload import READ_SIZE, Payload

#: Told how many bytes are done, and of how many.
Progress = Callable[[int, int], None]
NOTHING_MORE = Additions()
_OTHER_TIME = "has another time than the torrent says"


def check(info: Info, payload: Payload, progress: Optional[Progress] = None) -> Bitfield:
    """
    Return the pieces that are on disk and right; files that are missing or short cost no reading.

    Raises:
        StorageError: the disk fails to give what it has.
    """
    geometry = info.geometry
    found = Bitfield(geometry.piece_count)
    absent = _absent_pieces(info, payload)
    for index in range(geometry.piece_count):
        if index not in absent and _piece_digest(info, payload, index) == info.piece_hash(index):
            found.add(index)
        if progress is not None:
            progress(min((index + 1) * geometry.piece_length, geometry.length), geometry.length)
    return found


def verify_tree(
    info: Info,
    root: Union[str, bytes],
    *,
    mtimes: Optional[Sequence[int]] = None,
    additions: Additions = NOTHING_MORE,
) -> None:
    """
    Read a finished tree again: every byte, mode and link, and nothing that does not belong.

    Around a single file other things may lie.  Times (nanoseconds, one for each file) are compared
    only where `mtimes` are given.

    Raises:
        VerifyError: the tree is not what the torrent promises; names the first path and counts the rest.
        StorageError: something in it cannot be read.
    """
    faults = [*_shape_faults(info, Directories(root), mtimes, additions)]
    if not faults:
        faults = _all_content_faults(info, root)
    if faults:
        path, fault = min(faults)
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise VerifyError(f"{Directories(root).shown(path)} {fault}{more}")


def tree_faults(
    info: Info,
    root: Union[str, bytes],
    additions: Additions = NOTHING_MORE,
    *,
    believed: Optional[Sequence[int]] = None,
) -> list[tuple[Path, str]]:
    """
    Return all that is wrong with a finished tree, by path; `verify_tree` stops where the shape is wrong.

    Args:
        believed: times (nanoseconds, one for each file); a file that has its time and size is not read.

    Raises:
        StorageError: something in it cannot be read.
    """
    faults = dict(_shape_faults(info, Directories(root), believed, additions))
    # That is no fault here: such a file is one to be read.
    retimed = {path for path, fault in faults.items() if fault == _OTHER_TIME}
    for path in retimed:
        del faults[path]
    settled = {
        file
        for file, entry in enumerate(info.files)
        if entry.path in faults or (believed is not None and entry.path not in retimed)
    }
    faults.update(_all_content_faults(info, root, settled))
    return sorted(faults.items())


def shape_faults(
    info: Info, root: Union[str, bytes], additions: Additions = NOTHING_MORE
) -> list[tuple[Path, str]]:
    """
    Return what is wrong with names, kinds, sizes, modes and links of a finished tree; nothing is read.

    Raises:
        StorageError: something in it cannot be looked at.
    """
    return sorted(_shape_faults(info, Directories(root), None, additions))


def _all_content_faults(
    info: Info, root: Union[str, bytes], but: Container[int] = ()
) -> list[tuple[Path, str]]:
    real = [
        (file, entry)
        for file, entry in enumerate(info.files)
        if entry.symlink is None and not entry.padding and file not in but
    ]
    wrong = _wrong_files(root, real) if all(entry.sha256 for _, entry in real) else _wrong_pieces(info, root)
    return [(entry.path, "does not hold the bytes that it should") for file, entry in real if file in wrong]


def _wrong_files(root: Union[str, bytes], files: Iterable[tuple[int, FileEntry]]) -> set[int]:
    """Return those of *files* that have another SHA-256 than they should."""
    wrong, directories = set(), Directories(root)
    try:
        for file, entry in files:
            with naming(directories, entry.path):
                if digest_at(directories, entry.path) != entry.sha256:
                    wrong.add(file)
    finally:
        directories.close()
    return wrong


def _wrong_pieces(info: Info, root: Union[str, bytes]) -> set[int]:
    """Return the files that lie in pieces with another hash than they should, empty ones left out."""
    payload = Payload(info, root)
    try:
        pieces = [*check(info, payload).missing()]
    finally:
        payload.close()
    found = {file for index in pieces for file in info.geometry.files_of(index)}
    return {file for file in found if info.files[file].length}


def _absent_pieces(info: Info, payload: Payload) -> Bitfield:
    """Return the pieces that reach past the end of a file on disk."""
    geometry = info.geometry
    absent = Bitfield(geometry.piece_count)
    start, present = 0, payload.present()
    for file, entry in enumerate(info.files):
        if present[file] < entry.length and not entry.padding:
            first = (start + present[file]) // geometry.piece_length
            for index in range(first, geometry.pieces_of(file).stop):
                absent.add(index)
        start += entry.length
    return absent


def _piece_digest(info: Info, payload: Payload, index: int) -> bytes:
    hasher, size = info.hasher(), info.geometry.piece_size(index)
    for begin in range(0, size, READ_SIZE):
        hasher.update(payload.read(index, begin, min(READ_SIZE, size - begin)))
    return hasher.digest()


def _shape_faults(
    info: Info, directories: Directories, mtimes: Optional[Sequence[int]], additions: Additions
) -> Iterator[tuple[Path, str]]:
    """Yield what is wrong with names, kinds, sizes, modes and links, without reading a byte of content."""
    modes = {} if info.single_file else directory_modes(info)
    entries = {entry.path: (file, entry) for file, entry in enumerate(info.files) if not entry.padding}
    missing = entries.keys() | modes.keys() | additions.paths(info)
    try:
        with naming(directories, ()):
            for path, status in _walk(info, directories, additions):
                missing.discard(path)
                if path in modes:
                    fault = _directory_fault(modes[path], status)
                elif path in entries:
                    file, entry = entries[path]
                    fault = _entry_fault(directories, entry, status)
                    if fault is None and mtimes is not None and status.st_mtime_ns != mtimes[file]:
                        fault = _OTHER_TIME
                else:
                    fault = additions.fault(directories, path, status)
                if fault is not None:
                    yield path, fault
    finally:
        directories.close()
    yield from ((path, "is missing") for path in missing)


def _walk(
    info: Info, directories: Directories, additions: Additions
) -> Iterator[tuple[Path, os.stat_result]]:
    if not info.single_file:
        status = os.fstat(directories.open_root())
        if any(directory.path == () for directory in info.directories):
            yield (), status
        yield from directories.walk()
        return
    for path in ((info.name,), *sorted(additions.paths(info))):
        with contextlib.suppress(FileNotFoundError):
            yield path, os.stat(path[-1], dir_fd=directories.open(path[:-1]), follow_symlinks=False)


def _directory_fault(mode: int, status: os.stat_result) -> Optional[str]:
    if not stat.S_ISDIR(status.st_mode):
        return "is not a directory"
    return _mode_fault(mode, status)


def _entry_fault(directories: Directories, entry: FileEntry, status: os.stat_result) -> Optional[str]:
    if entry.symlink is not None:
        if not stat.S_ISLNK(status.st_mode):
            return "is not a link"
        found = os.readlink(entry.path[-1], dir_fd=directories.open(entry.path[:-1]))
        return None if found == entry.symlink else "is a link to something else"
    if not stat.S_ISREG(status.st_mode):
        return "is not a file"
    if status.st_size != entry.length:
        return f"is {status.st_size} bytes long, and should be {entry.length}"
    return _mode_fault(file_mode(entry), status)


def _mode_fault(mode: int, status: os.stat_result) -> Optional[str]:
    found = stat.S_IMODE(status.st_mode)
    return None if found == mode else f"has the mode {found:o}, and should have {mode:o}"


def digest_at(directories: Directories, path: Path) -> bytes:
    """Return the SHA-256 of a file as it lies there; raises plain OSError."""
    descriptor = open_to_read(directories.open(path[:-1]), path[-1])
    try:
        return digest_of(descriptor)
    finally:
        os.close(descriptor)


def digest_of(descriptor: int) -> bytes:
    """Return the SHA-256 of an open file; raises plain OSError."""
    # As long as it is now: a read past the end would be one more for each small file.
    left, offset, hasher = os.fstat(descriptor).st_size, 0, hashlib.sha256()
    while left and (data := os.pread(descriptor, min(READ_SIZE, left), offset)):
        hasher.update(data)
        left, offset = left - len(data), offset + len(data)
    return hasher.digest()
