"""When somebody who has to be heard from is gone, by the clock of one who may have been stopped itself."""

from __future__ import annotations

#: Seconds between two looks.
LOOK_EVERY = 5.0


class Lease:
    """
    Runs out after so many *seconds* in which nothing was heard and we were awake.

    What came while this process was stopped (SIGSTOP, a machine that hung) is read after it goes on, and that
    may be after the first look: the time in which nobody looked is not held against anybody.
    """

    def __init__(self, seconds: float, *, now: float) -> None:
        self._seconds = seconds
        self._looked_at = now
        self._silent = 0.0

    def heard(self, *, now: float) -> None:
        """Something came."""
        self._looked_at, self._silent = now, 0.0

    def is_over(self, *, now: float) -> bool:
        """Look; to be called every `LOOK_EVERY` seconds."""
        self._silent += min(now - self._looked_at, 2 * LOOK_EVERY)
        self._looked_at = now
        return self._silent > self._seconds
