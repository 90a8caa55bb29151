"""Another tree's files in this one: cloned, linked or copied, so that they stay as they are there."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from typing import NamedTuple, Optional

from .directories import Directories
from .open_files import READ_ONLY, copy_bytes, create

#: linux/fs.h: share the blocks of a file, until one of the two is written to. Processors that number it
#: otherwise refuse this, and files are linked or copied there.
FICLONE = 0x40049409
#: Attributes that keep nobody from linking: a new file would get the same label.
USUAL_ATTRIBUTES = {"security.selinux"}
#: How `os.copy_file_range` says that it does not work there, or not between these two.
_CANNOT_COPY = {errno.ENOSYS, errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM, errno.EBADF}


class Original(NamedTuple):
    """An open file in `parent` under `name`, to be read by `descriptor`; `status` is of that."""

    parent: int
    name: bytes
    descriptor: int
    status: os.stat_result


class Replicas:
    """
    Puts replicas of files into one tree; what was in their place goes. Every method raises plain OSError.

    A replica is cloned where the file system can, with an inode of its own. Where it cannot, it is a link, if
    all that links share is what it should be: mode, time, owner and attributes. Else it is a copy, which gets
    mode and time when the tree is finished, as any other file.
    """

    def __init__(self, directories: Directories) -> None:
        self._directories = directories
        self._can_clone = True

    def make(
        self, path: tuple[bytes, ...], original: Original, *, mode: int, mtime: Optional[int] = None
    ) -> None:
        """Put a replica of *original* at *path*, where it is to have *mode* and *mtime* (None: any)."""
        parent, name = self._directories.make(path[:-1]), path[-1]
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=parent)
        if self._can_clone and self._clone(original, parent, name):
            return
        if _may_be_shared(original, parent, mode, mtime) and _link(original, parent, name):
            return
        copy = create(parent, name)
        try:
            _copy(original, copy)
        finally:
            os.close(copy)

    def _clone(self, original: Original, parent: int, name: bytes) -> bool:
        """Clone a file; False where the file system cannot, and then it is not asked again."""
        clone = create(parent, name)
        try:
            fcntl.ioctl(clone, FICLONE, original.descriptor)
        except OSError:
            os.unlink(name, dir_fd=parent)
            self._can_clone = False
        finally:
            os.close(clone)
        return self._can_clone


def open_original(directories: Directories, path: tuple[bytes, ...]) -> Original:
    """Open a file of a tree; its descriptor is to be closed, `parent` is good as `directories.open` says."""
    parent = directories.open(path[:-1])
    descriptor = os.open(path[-1], READ_ONLY, dir_fd=parent)
    return Original(parent, path[-1], descriptor, os.fstat(descriptor))


def _may_be_shared(original: Original, parent: int, mode: int, mtime: Optional[int]) -> bool:
    status = original.status
    return (
        stat.S_IMODE(status.st_mode) == mode
        and mtime in (None, status.st_mtime_ns)
        # Ours, and of the group that a new file would have there.
        and (status.st_uid, status.st_gid) == (os.geteuid(), os.fstat(parent).st_gid)
        and not _odd_attributes(original.descriptor)
    )


def _odd_attributes(descriptor: int) -> set[str]:
    """Return the extended attributes that a new file would not have, such as capabilities and ACLs."""
    try:
        return set(os.listxattr(descriptor)) - USUAL_ATTRIBUTES
    except OSError:  # the file system has none
        return set()


def _link(original: Original, parent: int, name: bytes) -> bool:
    """Link to a file; False where the system does not let us, or where it has just been replaced."""
    try:
        os.link(original.name, name, src_dir_fd=original.parent, dst_dir_fd=parent, follow_symlinks=False)
    except OSError:  # another file system, or the kernel's rules about links, or too many of them
        return False
    found = os.stat(name, dir_fd=parent, follow_symlinks=False)
    # By the number of its links we know later that it is not to be written to.
    if os.path.samestat(found, original.status) and found.st_nlink > 1:
        return True
    os.unlink(name, dir_fd=parent)
    return False


def _copy(original: Original, copy: int) -> None:
    """Copy a file, in the kernel where that works."""
    done = 0
    try:
        while count := os.copy_file_range(original.descriptor, copy, original.status.st_size, done, done):
            done += count
    except AttributeError:  # a Python without it
        pass
    except OSError as error:
        if error.errno not in _CANNOT_COPY:
            raise
    copy_bytes(original.descriptor, copy, done)
