"""Removing trees that may be closed even to their owner, and knowing those that nobody goes on with."""

from __future__ import annotations

import os
import shutil
import stat

from ..errors import StorageError
from ..storage.clearing import remove_entry
from ..storage.modes import open_all


def untouched_since(root: str, moment: float) -> bool:
    """
    Say whether nothing in a tree was written since *moment*, Unix seconds.

    By ctime: what a release is made of has the modification times that its files had at the source. A file
    that other releases share says nothing: its ctime is that of the last one to link to it.
    """
    for path, directories, files in os.walk(root):
        for name in ("", *directories, *files):
            try:
                status = os.lstat(os.path.join(path, name))
            except OSError:  # somebody is at it just now
                return False
            shared = stat.S_ISREG(status.st_mode) and status.st_nlink > 1
            if status.st_ctime >= moment and not shared:
                return False
    return True


def remove_tree(root: str) -> None:
    """
    Remove a directory with all in it, closed directories too; links in it are not followed.

    Raises:
        StorageError: it cannot be removed; names the path.
    """
    try:
        open_all(root)
        shutil.rmtree(root)
    except OSError as error:
        raise StorageError(f"{error.filename or root} cannot be removed: {error.strerror}") from None


def remove_all_in(directory: int) -> int:
    """
    Remove all that is in an open directory, wherever its name leads by now; return how many entries that was.

    Raises:
        OSError: one cannot be removed, its `filename`; the others are gone.
    """
    names, trouble = sorted(os.listdir(directory)), None
    for name in names:
        try:
            remove_entry(name, dir_fd=directory)
        except OSError as error:
            trouble = trouble or OSError(error.errno, error.strerror, name)
    if trouble is not None:
        raise trouble
    return len(names)


def remove_known(root: str, known: os.stat_result, *, itself: bool) -> None:
    """
    Remove all that is in the directory *known*, and it *itself*, if it is still the one at *root*.

    Whoever may rename something above *root* may have put another one there, or a link to it, which stays.

    Raises:
        OSError: something cannot be removed; the rest is gone.
        StorageError: another one is there; nothing was removed.
    """
    directory = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if not os.path.samestat(os.fstat(directory), known):
            raise StorageError(f"{root} is another directory than before; nothing was deleted")
        remove_all_in(directory)
        if itself:
            _remove_empty(directory, os.path.basename(root))
    finally:
        os.close(directory)


def _remove_empty(directory: int, name: str) -> None:
    """Remove an open directory, which is empty, if it is still called *name* where it lies."""
    above = os.open("..", os.O_RDONLY | os.O_DIRECTORY, dir_fd=directory)
    try:
        named = os.stat(name, dir_fd=above, follow_symlinks=False)
        if os.path.samestat(named, os.fstat(directory)):
            os.rmdir(name, dir_fd=above)
    finally:
        os.close(above)
