"""
What a source tree holds before it becomes a torrent, and what of it is refused.

| found | becomes |
|---|---|
| file, empty or sparse too | itself, with the mode less setuid, setgid and sticky |
| several hard links to a file | a file each |
| directory, empty too | itself, with its mode |
| relative link that stays in the tree, to nothing or in a circle too | itself, byte for byte |
| absolute link, or one that leads out of the tree | refused |
| FIFO, socket, device; what cannot be read | refused |
| `.murder` at the top: this is where releases go, and not one | refused, unless it is excluded |
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, Optional, Union

from ..errors import TreeError
from ..metainfo.links import link_fault
from ..metainfo.paths import Path, path_fault, shown
from ..metainfo.values import Directory
from .directories import Directories
from .excludes import Excludes

#: Where a host keeps what it knows of the releases of a destination, at its top.
RECORDS = ".murder"
_RECORDS: Path = (os.fsencode(RECORDS),)


class SourceFile(NamedTuple):
    """
    A file or link of a source tree: `mtime` in nanoseconds, `symlink` the text of a link.

    `stamp` differs when the file has been changed or replaced, whatever its times were set to.
    """

    path: Path
    length: int
    mode: int
    mtime: int
    symlink: Optional[bytes]
    stamp: tuple[int, ...]


@dataclass(frozen=True)
class Tree:
    """All that is to be deployed: `files` sorted by path, below `root` or the single file in it."""

    root: bytes
    name: bytes
    single_file: bool
    files: tuple[SourceFile, ...]
    directories: tuple[Directory, ...]


def stamp(status: os.stat_result) -> tuple[int, ...]:
    """Return what changes with every change of a file; the time of change cannot be set by anybody."""
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def scan(path: Union[str, bytes], exclude: Iterable[str] = ()) -> Tree:
    """
    Return what is at `path`, a directory or a file, less what `.git*` and `exclude` match.

    Raises:
        TreeError: nothing is there, or something that is refused; names the path.
    """
    where = os.fsencode(path)
    try:
        status = os.stat(where)
    except OSError as error:
        raise TreeError(f"{shown(where)} cannot be read: {error.strerror}") from None
    if stat.S_ISREG(status.st_mode):
        # By its real name: a link is never followed below the root, the only file included.
        parent, name = os.path.split(os.path.realpath(where))
        return Tree(parent, name, True, (_source_file((name,), status),), ())
    if not stat.S_ISDIR(status.st_mode):
        raise TreeError(f"{shown(where)} is neither a directory nor a file")
    name = os.path.basename(os.path.abspath(where))
    if not name:
        raise TreeError(f"{shown(where)} is the root of the file system: name a directory below it")
    directories = Directories(where)
    try:
        return _scan_directory(directories, name, Excludes(exclude))
    except (FileNotFoundError, NotADirectoryError):  # something was there when its directory was read
        raise changed(where) from None
    except OSError as error:
        raise TreeError(f"{shown(where)} cannot be read: {error.strerror}") from None
    finally:
        directories.close()


def is_unchanged(tree: Tree, exclude: Iterable[str] = ()) -> bool:
    """
    Say whether another `scan` would find the same *tree*, in less time than it takes.

    No means perhaps: a single file, and whatever cannot be looked at, are for `scan`.
    """
    if tree.single_file:
        return False
    stamps = {file.path: file.stamp for file in tree.files}
    modes = {directory.path: directory.mode for directory in tree.directories}
    directories = Directories(tree.root)
    try:
        if os.fstat(directories.open_root()).st_mode & 0o777 != modes.pop(()):
            return False
        for path, status in directories.walk(Excludes(exclude)):
            if path in stamps:
                if stamps.pop(path) != stamp(status):
                    return False
            elif not stat.S_ISDIR(status.st_mode) or modes.pop(path, None) != status.st_mode & 0o777:
                return False
    except OSError:
        return False
    finally:
        directories.close()
    return not stamps and not modes


def changed(path: bytes) -> TreeError:
    """Return what is said of a tree of which something came, went or changed while it was read."""
    return TreeError(
        f"source changed: {shown(path)} was changed while its tree was read; no torrent was made."
        " Run it again once nothing writes there"
    )


def _scan_directory(directories: Directories, name: bytes, exclude: Excludes) -> Tree:
    files: list[SourceFile] = []
    found = [Directory((), os.fstat(directories.open_root()).st_mode & 0o777)]
    for path, status in directories.walk(exclude):
        fault = path_fault(path)
        if fault is not None:
            raise TreeError(f"the path {directories.shown(path)} {fault}")
        if path == _RECORDS:
            raise TreeError(
                f"{shown(directories.root)} holds {RECORDS}, so it is where releases are put, and not one:"
                f" name the tree itself, such as {shown(directories.full((b'current',)))}, or --exclude"
                f" /{RECORDS}"
            )
        if stat.S_ISREG(status.st_mode):
            files.append(_source_file(path, status))
        elif stat.S_ISDIR(status.st_mode):
            found.append(Directory(path, status.st_mode & 0o777))
        elif stat.S_ISLNK(status.st_mode):
            text = os.readlink(path[-1], dir_fd=directories.open(path[:-1]))
            files.append(_source_file(path, status, text))
        else:
            raise TreeError(
                f"{directories.shown(path)} is a {_kind(status)}, which no release may hold: "
                "remove it or exclude it"
            )
    fault = link_fault({file.path: file.symlink for file in files if file.symlink is not None})
    if fault is not None:
        raise TreeError(f"in {shown(directories.root)}, {fault}: change it or exclude it")
    if not files and not found[1:]:
        raise TreeError(
            f"{shown(directories.root)} is empty, but for what .git* and --exclude leave out: there is"
            " nothing to deploy"
        )
    files.sort(key=lambda file: file.path)
    found.sort(key=lambda directory: directory.path)
    return Tree(directories.root, name, False, tuple(files), tuple(found))


def _source_file(path: Path, status: os.stat_result, symlink: Optional[bytes] = None) -> SourceFile:
    length = 0 if symlink is not None else status.st_size
    return SourceFile(path, length, status.st_mode & 0o777, status.st_mtime_ns, symlink, stamp(status))


def _kind(status: os.stat_result) -> str:
    if stat.S_ISFIFO(status.st_mode):
        return "FIFO"
    return "socket" if stat.S_ISSOCK(status.st_mode) else "device"
