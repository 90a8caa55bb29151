"""Small files read whole and written whole, with errors a person understands."""

from __future__ import annotations

import contextlib
import errno
import os
import stat

from ..errors import BadInput, StorageError
from ..storage.modes import set_mode

#: How a file is called while it is being written.
UNFINISHED = ".murder-"


def read_limited(path: str | bytes, max_length: int, *, is_secret: bool = False) -> bytes:
    """
    Return what is in a file.

    Raises:
        BadInput: it cannot be read, or is longer than *max_length* bytes; or *is_secret*, and it is open to
            others than its owner.
    """
    try:
        with open(path, "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if is_secret and stat.S_ISREG(mode) and mode & 0o077:  # a pipe is nobody else's
                shown = os.fsdecode(path)
                raise BadInput(f"{shown} holds a secret and is open to other users: chmod 600 {shown}")
            data = file.read(max_length + 1)
    except OSError as error:
        raise BadInput(f"{os.fsdecode(path)}: {error.strerror}") from None
    except ValueError:  # a NUL
        raise BadInput(f"{path!r} is no path") from None
    if len(data) > max_length:
        raise BadInput(f"{os.fsdecode(path)}: longer than {max_length} bytes")
    return data


def write_atomically(path: str | bytes, data: bytes, mode: int = 0o644, *, durable: bool = True) -> None:
    """
    Give a file new contents: all of them, or on failure the old ones; *durable* ones outlive a power cut.

    Raises:
        StorageError: the disk or the permissions do not allow it.
    """
    path = os.fsdecode(path)
    if "\0" in path:
        raise StorageError(f"{path!r} is no path")
    temporary = None
    try:
        import tempfile  # a peer started by hand writes none

        descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(path) or ".", prefix=UNFINISHED)
        with open(descriptor, "wb") as file:
            file.write(data)
            os.fchmod(descriptor, mode)
            if durable:
                file.flush()
                os.fsync(descriptor)
        os.replace(temporary, path)
    except OSError as error:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        raise StorageError(f"{path}: {error.strerror}") from None


def write_durably(path: str, data: bytes) -> None:
    """
    Give a file of ours new contents, as `write_atomically` does; its name, too, outlives a power cut.

    Raises:
        StorageError: the disk or the permissions do not allow it.
    """
    write_atomically(path, data, 0o600)
    sync_directory(os.path.dirname(path))


def sync_directory(path: str) -> None:
    """
    Return once the names in a directory outlive a power cut.

    Raises:
        StorageError: the disk refuses.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}; nothing was switched") from None


def move_directory(path: str, target: str) -> None:
    """
    Rename a directory, also one that is closed to its owner's writing; on failure it is as it was.

    Raises:
        OSError: as `os.rename` does.
    """
    try:
        os.rename(path, target)
    except PermissionError:
        # Its `..` changes, so it must be open for that; `close_moved` is for who was killed in between.
        mode = stat.S_IMODE(os.lstat(path).st_mode)
        set_mode(path, mode | stat.S_IWUSR)
        try:
            os.rename(path, target)
        except OSError:
            set_mode(path, mode)
            raise
        set_mode(target, mode)


def close_moved(path: str, mode: int) -> None:
    """
    Give a directory its *mode* if `move_directory` was killed before it could.

    Raises:
        OSError: it is gone, or somebody else's.
    """
    left_open = mode | stat.S_IWUSR
    if mode != left_open == stat.S_IMODE(os.lstat(path).st_mode):
        set_mode(path, mode)


def read_certificates(path: str | None) -> str:
    """
    Return what is in the file of certificates at *path*; nothing where there is no path.

    They are ASCII; comments beside them may be anything, and the standard library's TLS takes no more of it.

    Raises:
        BadInput: the file cannot be read.
    """
    if path is None:
        return ""
    from ..control import MAX_CERTIFICATES  # few peers that are started by hand load what operators say

    return read_limited(path, MAX_CERTIFICATES).decode("ascii", "ignore")


def read_token(path: str | None) -> bytes | None:
    """
    Return the run's secret from the file at *path*; None where there is no path.

    Raises:
        BadInput: the file cannot be read, is open to others, or is no secret.
    """
    if path is None:
        return None
    try:
        token = bytes.fromhex(read_limited(path, 1024, is_secret=True).strip().decode("ascii"))
    except ValueError:
        token = b""
    if len(token) < 16:
        raise BadInput(f"{path}: a token is at least 32 hex digits")
    return token


def nearest(path: str) -> str:
    """Return the absolute *path*; where nothing is there, what is above it and is there."""
    while not os.path.lexists(path):
        path = os.path.dirname(path)
    return path


def mount_of(path: str) -> tuple[int, str]:
    """
    Return the device of *path* and the id of its mount: only where both are the same a rename is possible.

    A directory that is mounted a second time has another id (proc_pid_fdinfo(5)); where /proc says nothing of
    it, all have none.

    Raises:
        OSError: nothing is there.
    """
    descriptor = os.open(path, os.O_PATH)
    try:
        with contextlib.suppress(OSError), open(f"/proc/self/fdinfo/{descriptor}", encoding="ascii") as file:
            ids = [line for line in file if line.startswith("mnt_id:")]
            return os.fstat(descriptor).st_dev, "".join(ids)
        return os.fstat(descriptor).st_dev, ""
    finally:
        os.close(descriptor)


def must_be_writable(path: str) -> None:
    """
    Refuse a directory that we cannot make anything in; nothing is made to find that out.

    Raises:
        OSError: as an attempt would.
    """
    fault = None
    if not os.path.isdir(path):
        fault = errno.ENOTDIR
    elif os.statvfs(path).f_flag & os.ST_RDONLY:
        fault = errno.EROFS
    elif not os.access(path, os.W_OK | os.X_OK):
        fault = errno.EACCES
    if fault is not None:
        raise OSError(fault, os.strerror(fault), path)
