"""The lock of a run: a file that the process which has it keeps locked, with who that is written in it."""

from __future__ import annotations

import fcntl
import json
import os
import time
from typing import Any

_RECORD_LENGTH = 64 * 1024
#: Seconds in which whoever has just taken the lock writes its name into it.
_NAMING_TIME = 0.5


def take(descriptor: int, run: str) -> dict[str, Any] | None:
    """Lock an open file; None if that worked, else what whoever has it wrote into it."""
    patience = time.monotonic() + _NAMING_TIME
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = _record_in(descriptor)
            # What is in the file may be of an earlier holder still.
            if holder.get("run") == run or time.monotonic() > patience:
                return holder
            time.sleep(0.02)
        else:
            return None


def _record_in(descriptor: int) -> dict[str, Any]:
    try:
        record = json.loads(os.pread(descriptor, _RECORD_LENGTH, 0))
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}
