"""Mending a finished tree that somebody changed: what is wrong gives way to what another tree has there."""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import Union

from ..metainfo.paths import Path
from ..metainfo.values import Info
from .additions import Additions
from .directories import Directories
from .failures import naming
from .finishing import DIRECTORY_MODE, directory_modes
from .payload import Payload

#: A second name of a file that is about to move, so that it stays where it was too, and can be served from.
_MOVING = b".murder-moving"


def own_paths(info: Info, additions: Additions) -> set[Path]:
    """Return all paths of a finished tree; what else lies there does not belong to it."""
    files = {entry.path for entry in info.files if not entry.padding}
    return files | directory_modes(info).keys() | additions.paths(info)


def mend(info: Info, root: Union[str, bytes], whole: Union[str, bytes], wrong: Collection[Path]) -> None:
    """
    Put what the tree at *whole* has at the paths *wrong* into the tree at *root*, and make that durable.

    No file of *root* is written to: each gives way to another one by a rename, so whoever has it open goes on
    reading what it was, and nobody finds half of one. What does not belong there is left alone.

    Args:
        root: a tree that is in use; it may lack something.
        whole: the same tree, finished and verified, on the same file system; it is not for long.

    Raises:
        StorageError: a directory that holds something is in the place of a file, or the disk refuses; what
            was put there before stays, and is right.
    """
    modes = directory_modes(info)
    live, fresh = Directories(root), Directories(whole)
    #: Directories that may have been opened for it, or are wrong themselves.
    entered: set[Path] = {()}
    try:
        for directories in (live, fresh):
            with naming(directories, ()):
                directories.make_root(DIRECTORY_MODE)
        for path in sorted(wrong):
            entered.update(path[:depth] for depth in range(1, len(path)))
            with naming(live, path):
                if path in modes:
                    _make_directory(live, path)
                    entered.add(path)
                else:
                    _move(fresh, live, path)
        # Deepest first: a directory may close itself to us.
        for path in sorted(entered, reverse=True):
            mode = modes.get(path, DIRECTORY_MODE if path else None)
            if mode is not None:
                with naming(live, path):
                    live.set_mode(path, mode)
    finally:
        live.close()
        fresh.close()
    payload = Payload(info, root)
    try:
        payload.sync()
    finally:
        payload.close()


def _make_directory(live: Directories, path: Path) -> None:
    """See that there is a directory; a file or link in its place goes."""
    try:
        live.make(path)
    except NotADirectoryError:
        os.unlink(path[-1], dir_fd=live.make(path[:-1]))
        live.make(path)


def _move(fresh: Directories, live: Directories, path: Path) -> None:
    """Put a file or link in its place; an empty directory that is there goes."""
    source, target, name = fresh.make(path[:-1]), live.make(path[:-1]), path[-1]
    moving = _MOVING
    try:
        os.link(name, moving, src_dir_fd=source, dst_dir_fd=source, follow_symlinks=False)
    except OSError:  # a file system without links
        moving = name
    try:
        os.rename(moving, name, src_dir_fd=source, dst_dir_fd=target)
    except IsADirectoryError:
        os.rmdir(name, dir_fd=target)
        os.rename(moving, name, src_dir_fd=source, dst_dir_fd=target)
