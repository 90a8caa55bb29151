"""How long a swarm waits for its disk, which is what makes some hosts slower than all others."""

from __future__ import annotations

import time

from ..swarm.ports import Storage


class TimedStorage:
    """
    A payload's storage, with the time that was spent waiting for it.

    It is asked in the reactor's thread: while the disk takes its time, nothing else happens here either.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        #: Altogether, up to now.
        self.seconds = 0.0

    def write(self, index: int, begin: int, data: memoryview) -> None:
        """Write a part of piece *index* in its place; see `Storage`."""
        began = time.monotonic()
        try:
            self._storage.write(index, begin, data)
        finally:
            self.seconds += time.monotonic() - began

    def read(self, index: int, begin: int, length: int) -> bytes:
        """Return a part of piece *index*; see `Storage`."""
        began = time.monotonic()
        try:
            return self._storage.read(index, begin, length)
        finally:
            self.seconds += time.monotonic() - began
