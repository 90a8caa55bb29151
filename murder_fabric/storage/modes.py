"""Giving a file or directory its permission bits, sure that it is the one that was meant."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import Optional, Union


def open_all(root: Union[str, bytes], *, dir_fd: Optional[int] = None) -> None:
    """
    Let the owner of a directory into it and all in it, so that it can be removed; links are not followed.

    What is not ours to open stays as it is.

    Raises:
        OSError: *root* is not there, or something of it cannot be looked at.
    """
    _open(root, dir_fd)
    for _, directories, _, here in os.fwalk(root, dir_fd=dir_fd):
        for name in directories:
            _open(name, here)


def _open(name: Union[str, bytes], dir_fd: Optional[int]) -> None:
    mode = os.stat(name, dir_fd=dir_fd, follow_symlinks=False).st_mode
    if stat.S_ISDIR(mode) and mode & 0o700 != 0o700:
        with contextlib.suppress(PermissionError):
            set_mode(name, 0o700, dir_fd=dir_fd)


def set_mode(name: Union[str, bytes], mode: int, *, dir_fd: Optional[int] = None) -> None:
    """
    Give what *name* means its permission bits, whatever they are now: an owner may do so who may not open it.

    `os.chmod` follows a link that somebody put there in the meantime. The kernel has no call that changes the
    mode of a descriptor opened with `O_PATH`, but it takes the name that `/proc` has for it.

    Raises:
        OSError: it is a link, or a file that has other names, or is none of both; or is not ours.
    """
    descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=dir_fd)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISDIR(status.st_mode) and not (stat.S_ISREG(status.st_mode) and status.st_nlink == 1):
            raise OSError(errno.EEXIST, "Somebody put something else in its place", os.fsdecode(name))
        os.chmod(f"/proc/self/fd/{descriptor}", mode)
    finally:
        os.close(descriptor)
