"""Removing trees that may be closed even to their owner, and knowing those that nobody goes on with."""

from __future__ import annotations

import os
import shutil
import stat

from ..errors import StorageError


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
        os.chmod(root, 0o700)
        for path, directories, _ in os.walk(root):
            for name in directories:
                below = os.path.join(path, name)
                if stat.S_ISDIR(os.lstat(below).st_mode):
                    os.chmod(below, 0o700)
        shutil.rmtree(root)
    except OSError as error:
        raise StorageError(f"{error.filename or root} cannot be removed: {error.strerror}") from None
