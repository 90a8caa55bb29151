"""The directories below one root, reached component by component so that no link can lead elsewhere."""

from __future__ import annotations

import os
import stat
from collections import OrderedDict
from collections.abc import Iterator
from typing import Callable, Optional, Union

from ..metainfo.paths import Path, shown
from .descriptors import kept_open
from .modes import set_mode

#: Most trees have their files in runs by directory, so few open ones serve long.
MOST_OPEN = 32
#: While a tree is being filled nobody else has business in it.
UNFINISHED_MODE = 0o700

_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


class Directories:
    """
    Open directories of one tree, `()` being its root; every method raises plain OSError.

    The root is the operator's word and may be reached through links; nothing below it is.  With
    `owned`, directories that must be written to, the root included, get the mode that needs.
    """

    def __init__(self, root: Union[str, bytes], *, owned: bool = True) -> None:
        self.root = os.fsencode(root)
        self._owned = owned
        self._open: OrderedDict[Path, int] = OrderedDict()
        #: Those of them that are known to let us put something in.
        self._usable: set[Path] = set()
        self._most_open = kept_open(MOST_OPEN)
        self._root: Optional[int] = None

    def full(self, path: Path) -> bytes:
        """Return the path that people know something in this tree by."""
        return os.path.join(self.root, *path)

    def shown(self, path: Path) -> str:
        """Return the full path as text for a sentence."""
        return shown(self.full(path))

    def open_root(self) -> int:
        """Return a descriptor of the root, which must exist; it stays open until `close`."""
        if self._root is None:
            self._root = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY)
        return self._root

    def make_root(self, mode: int) -> None:
        """Create the root, and what is missing above it; only the root itself gets `mode`."""
        os.makedirs(self.root, mode, exist_ok=True)
        if self._owned:
            _make_usable(self.open_root())

    def open(self, path: Path) -> int:
        """Return a descriptor of a directory, good until the next call of any method but `open_root`."""
        return self._descend(path, _open_existing)

    def make(self, path: Path) -> int:
        """Return a descriptor of a directory to put something in; what is missing is created."""
        return self._descend(path, _open_for_use)

    def set_mode(self, path: Path, mode: int) -> None:
        """Give a directory its permission bits."""
        descriptor = self.open(path)
        if stat.S_IMODE(os.fstat(descriptor).st_mode) != mode:
            self._usable.discard(path)
            os.fchmod(descriptor, mode)

    def _descend(self, path: Path, step: Callable[[int, bytes], int]) -> int:
        found = self._open.get(path)
        if found is not None and (step is _open_existing or path in self._usable):
            self._open.move_to_end(path)
            return found
        # Not recursive: a legal path may have 2,000 components.
        depth = len(path)
        while depth and path[:depth] not in self._open:
            depth -= 1
        here = self._open[path[:depth]] if depth else self.open_root()
        if depth:
            self._open.move_to_end(path[:depth])
            if step is _open_for_use:
                _make_usable(here)
                self._usable.add(path[:depth])
        while depth < len(path):
            here = step(here, path[depth])
            depth += 1
            self._open[path[:depth]] = here
            if step is _open_for_use:
                self._usable.add(path[:depth])
            if len(self._open) > self._most_open:
                least, descriptor = self._open.popitem(last=False)
                self._usable.discard(least)
                os.close(descriptor)
        return here

    def walk(
        self, skip: Callable[[Path, bool], bool] = lambda path, is_directory: False
    ) -> Iterator[tuple[Path, os.stat_result]]:
        """
        Yield the path and lstat of everything below the root, a directory before what is in it.

        What `skip` says yes to, given the path and whether it is a directory, is left out with all in it.
        """
        ahead: list[Path] = [()]
        while ahead:
            here = ahead.pop()
            found: list[tuple[Path, os.stat_result]] = []
            with os.scandir(self.open(here)) as entries:
                for entry in entries:
                    path = (*here, os.fsencode(entry.name))
                    if not skip(path, entry.is_dir(follow_symlinks=False)):
                        found.append((path, entry.stat(follow_symlinks=False)))
            for path, status in found:
                yield path, status
                if stat.S_ISDIR(status.st_mode):
                    ahead.append(path)

    def close(self) -> None:
        """Close every descriptor; what is asked for afterwards is opened again."""
        while self._open:
            os.close(self._open.popitem()[1])
        self._usable.clear()
        if self._root is not None:
            os.close(self._root)
            self._root = None


def _open_existing(parent: int, name: bytes) -> int:
    return os.open(name, _FLAGS, dir_fd=parent)


def _open_for_use(parent: int, name: bytes) -> int:
    try:
        here = os.open(name, _FLAGS, dir_fd=parent)
    except FileNotFoundError:
        os.mkdir(name, UNFINISHED_MODE, dir_fd=parent)
        return os.open(name, _FLAGS, dir_fd=parent)
    except PermissionError:
        # A finished tree may hold a directory that its owner may not even read.
        if not stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
            raise
        set_mode(name, UNFINISHED_MODE, dir_fd=parent)
        return os.open(name, _FLAGS, dir_fd=parent)
    _make_usable(here)
    return here


def _make_usable(directory: int) -> None:
    """Let the owner into a directory that a finished tree has closed to writing."""
    mode = stat.S_IMODE(os.fstat(directory).st_mode)
    if mode & UNFINISHED_MODE != UNFINISHED_MODE:
        os.fchmod(directory, mode | UNFINISHED_MODE)
