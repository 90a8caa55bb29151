"""What a release has that its torrent does not: links to what outlives releases, and the file REVISION."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Optional, Union

from ..errors import StorageError
from ..metainfo.paths import Path
from ..metainfo.values import Info
from .directories import Directories
from .failures import naming
from .finishing import DIRECTORY_MODE, FILE_MODE, directory_modes

#: Where Capistrano leaves the commit that was deployed.
REVISION: Path = (b"REVISION",)


@dataclass(frozen=True)
class Additions:
    """
    What one release has beside its torrent.

    `links` has the absolute target of each link by its path; `revision` is what REVISION says, empty where
    there is none.
    """

    links: Mapping[Path, bytes] = field(default_factory=dict)
    revision: str = ""

    def make(self, info: Info, root: Union[str, bytes]) -> None:
        """
        Put them into a finished tree, whose directories keep their modes; what is right already stays.

        Raises:
            StorageError: the tree has something of its own there, or the disk refuses.
        """
        modes = directory_modes(info)
        own = {entry.path for entry in info.files if not entry.padding} | modes.keys()
        directories = Directories(root)
        try:
            with naming(directories, ()):
                directories.make_root(DIRECTORY_MODE)  # lets us in where the tree is closed to writing
            for path, target in sorted(self.links.items()):
                if path in own:
                    raise StorageError(
                        f"{directories.shown(path)} is to be a link to what is shared, but the tree has"
                        " something there itself; nothing was switched. Leave it out with --exclude"
                    )
                with naming(directories, path):
                    _link(directories.make(path[:-1]), path[-1], target)
            if self.revision and REVISION not in own:
                with naming(directories, REVISION):
                    _write(directories.make(()), REVISION[-1], self._revision_line())
            for path in sorted(self._parents(), reverse=True):
                mode = modes.get(path, DIRECTORY_MODE if path else None)
                if mode is not None:
                    with naming(directories, path):
                        directories.set_mode(path, mode)
        finally:
            directories.close()

    def paths(self, info: Info) -> set[Path]:
        """Return the paths that are there beside those of *info*, directories on the way left out."""
        own = {entry.path for entry in info.files}
        return set(self.links) | ({REVISION} - own if self.revision else set())

    def fault(self, directories: Directories, path: Path, status: os.stat_result) -> Optional[str]:
        """Say what is wrong with something that is not in the torrent; None where it is one of these."""
        if path in self.links:
            if not stat.S_ISLNK(status.st_mode):
                return "is not the link to what is shared"
            found = os.readlink(path[-1], dir_fd=directories.open(path[:-1]))
            return None if found == self.links[path] else "is a link to something else"
        if path == REVISION and self.revision:
            if not stat.S_ISREG(status.st_mode) or _read(directories) != self._revision_line():
                return "does not say what was deployed"
            return None
        if path in self._parents() and stat.S_ISDIR(status.st_mode):
            return None
        return "does not belong there"

    def _parents(self) -> set[Path]:
        return {path[:depth] for path in (*self.links, REVISION) for depth in range(len(path))}

    def _revision_line(self) -> bytes:
        return self.revision.encode() + b"\n"


def _link(parent: int, name: bytes, target: bytes) -> None:
    try:
        if os.readlink(name, dir_fd=parent) == target:
            return
    except FileNotFoundError:
        pass
    else:
        os.unlink(name, dir_fd=parent)
    os.symlink(target, name, dir_fd=parent)


def _write(parent: int, name: bytes, data: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    descriptor = os.open(name, flags, FILE_MODE, dir_fd=parent)
    try:
        os.fchmod(descriptor, FILE_MODE)
        os.write(descriptor, data)
    finally:
        os.close(descriptor)


def _read(directories: Directories) -> bytes:
    descriptor = os.open(REVISION[-1], os.O_RDONLY | os.O_NOFOLLOW, dir_fd=directories.open_root())
    try:
        return os.read(descriptor, 4096)
    finally:
        os.close(descriptor)
