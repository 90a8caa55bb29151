"""The lock of a run: a file that the process which has it keeps locked, with who that is written in it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from typing import Any

from ..errors import MurderError, StorageError
from .records import LONGEST_RECORD, parse_record

#: Seconds in which whoever has just taken the lock writes its name into it.
_NAMING_TIME = 0.5


class RunLock:
    """
    The lock of one destination; it is given back when the process ends, if not before.

    Args:
        destination: what others are told that it is about.
        path: its file.
    """

    def __init__(self, destination: str, path: str) -> None:
        self._destination = destination
        self._path = path
        self._descriptor: int | None = None

    def take(self, run: str, operator: str) -> bool:
        """
        Take it for *run*; False where another name of this host has taken it for the same run.

        Raises:
            MurderError: another run has it; says whose.
        """
        descriptor = self._open(os.O_RDWR | os.O_CREAT)
        try:
            holder = _lock(descriptor, run)
            if holder is None:
                record = {"run": run, "operator": operator, "since": time.strftime("%Y-%m-%d %H:%M:%S %z")}
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, json.dumps(record).encode(), 0)
        except OSError as error:
            os.close(descriptor)
            raise self._refusal(error) from None
        if holder is None:
            self._descriptor = descriptor
            return True
        os.close(descriptor)
        if (holder.get("run"), holder.get("operator")) == (run, operator):
            return False  # others may have begun in the same second, and have drawn the same name
        raise self._busy(holder)

    def holder(self) -> dict[str, Any] | None:
        """Return what the run that has it wrote there, None where none has; nothing is written, nor kept."""
        if not os.path.lexists(self._path):
            return None
        descriptor = self._open(os.O_RDONLY)
        try:
            return _lock(descriptor, "")
        finally:  # which gives it back
            os.close(descriptor)

    def must_be_free(self) -> None:
        """
        Find out whether it could be taken, as `holder` does.

        Raises:
            MurderError: a run has it; says whose.
        """
        if (holder := self.holder()) is not None:
            raise self._busy(holder)

    def give_back(self) -> None:
        """Give it back, if we had it; it is free once its file is closed, though the disk fails meanwhile."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, 0)
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def _open(self, flags: int) -> int:
        try:
            return os.open(self._path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise self._refusal(error) from None

    def _refusal(self, error: OSError) -> StorageError:
        return StorageError(f"{self._path}: {error.strerror}; nothing was changed")

    def _busy(self, holder: dict[str, Any]) -> MurderError:
        return MurderError(
            f"busy: {self._destination} is being deployed to by {holder.get('operator', 'somebody')} since"
            f" {holder.get('since', 'just now')} (run {holder.get('run', '?')}); nothing was changed."
            " Wait for that run to end"
        )


def _lock(descriptor: int, run: str) -> dict[str, Any] | None:
    """Lock an open file; None if that worked, else what whoever has it wrote into it."""
    patience = time.monotonic() + _NAMING_TIME
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = parse_record(os.pread(descriptor, LONGEST_RECORD, 0))
            # What is in the file may be of an earlier holder still.
            if holder.get("run") == run or time.monotonic() > patience:
                return holder
            time.sleep(0.02)
        else:
            return None
