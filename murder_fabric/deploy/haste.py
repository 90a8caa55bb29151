"""How long each step may take of the little time there is for ending a run that somebody interrupted."""

from __future__ import annotations

import time

#: Seconds from Ctrl-C until all is ended that can be, less what this machine itself has to do then.
STOP_WITHIN = 11.0


class Haste:
    """
    Seconds that are left for several steps, of which none may take what others need that come after it.

    A step that needs less leaves more to them.
    """

    def __init__(self, seconds: float = STOP_WITHIN) -> None:
        self.until = time.monotonic() + seconds

    def part(self, of: float = 2.0) -> float:
        """Return what the next step may take: one *of* so many parts of what is left."""
        return round(max(0.2, self.until - time.monotonic()) / of, 1)
