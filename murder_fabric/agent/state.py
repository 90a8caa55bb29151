"""Where an agent keeps what outlives it: its own directory on the host, and how to start another like it."""

from __future__ import annotations

import os
import sys

from ..errors import StorageError


def murder_path() -> str:
    """Return the directory our agents live in: around the unpacked bundle, else `~/.murder`."""
    program = os.path.abspath(sys.argv[0])
    if os.path.basename(program).startswith("agent-") and os.path.isdir(program):
        return os.path.dirname(program)
    return os.path.expanduser("~/.murder")


def state_directory() -> str:
    """
    Return the directory for sockets, state files and payloads that are only to be seeded; ours alone (0700).

    Raises:
        StorageError: it cannot be made, or is somebody else's.
    """
    path = os.path.join(murder_path(), "state")
    try:
        os.makedirs(path, mode=0o700, exist_ok=True)
        status = os.lstat(path)
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}") from None
    if status.st_uid != os.geteuid() or status.st_mode & 0o077:
        raise StorageError(f"{path} is open to others; remove it, or: chmod 700 {path}")
    return path


def agent_command(*arguments: str) -> list[str]:
    """Return the command that starts another agent from the same files as this one."""
    program = os.path.abspath(sys.argv[0])
    if os.path.isdir(program):
        return [sys.executable, "-I", "-S", "-X", "utf8", program, *arguments]
    return [sys.executable, "-m", "murder_fabric", *arguments]
