"""How fast bytes come or go: a rate that forgets."""

from __future__ import annotations

import math

#: Seconds after which a byte counts for about a third.
MEMORY = 2.0


class RateMeter:
    """Bytes per second, each byte counting less the longer ago it was (exponential decay over `MEMORY`)."""

    __slots__ = ("_rate", "_since", "total")

    def __init__(self) -> None:
        #: Bytes ever counted.
        self.total = 0
        self._rate = 0.0
        self._since: float | None = None

    def add(self, length: int, *, now: float) -> None:
        """Count *length* bytes that moved just now."""
        self.total += length
        self._rate = self.rate(now=now) + length / MEMORY
        self._since = now

    def add_spread(self, length: int, *, now: float) -> None:
        """
        Count *length* bytes that moved evenly since the last call; as `add` where there was none.

        Who looks once a second and right after it has counted would else see 27 % too much.
        """
        if self._since is None or now <= self._since:
            self.add(length, now=now)
            return
        spent = now - self._since
        kept = math.exp(-spent / MEMORY)
        self.total += length
        self._rate = self._rate * kept + length / spent * (1 - kept)
        self._since = now

    def rate(self, *, now: float) -> float:
        """Return bytes per second."""
        if self._since is None:
            return 0.0
        return self._rate * math.exp((self._since - now) / MEMORY)
