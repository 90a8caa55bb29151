"""Whether a swarm can still finish once nobody is left who has everything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..units import counted
from .ranges import fold
from .standstill import STANDSTILL

#: Seconds without any progress anywhere before such a swarm is given up.
PATIENCE = 15.0


class Hope:
    """
    Hears of the progress of all hosts of one swarm, and says when it is over.

    1. While somebody is there who had everything at the start, or has it now, it is not.
    2. While somebody gets more than it ever had, it is not.
    3. While a host finds all that it lacks among those it is connected to, it is not: it will have all.
       Unless nothing has moved for `STANDSTILL` seconds: those that have it do not send it, and never will.

    Args:
        sources: who has everything to begin with.
        now: as everywhere, monotonic seconds.
    """

    def __init__(self, sources: Iterable[str], *, now: float) -> None:
        self._sources = list(sources)
        self._moved_at = now
        self._bytes_of: dict[str, int] = {}
        self._unavailable: dict[str, int] = {}
        self._piece_count = 0

    def heard(self, host: str, progress: Mapping[str, Any], *, now: float) -> None:
        """*host* told its `progress`; see `agent.torrent.Progress`."""
        gained = int(progress.get("bytes_gained", 0))
        if gained > self._bytes_of.get(host, -1):
            self._bytes_of[host], self._moved_at = gained, now
        if "unavailable" in progress:
            self._unavailable[host] = int(progress["unavailable"])
            self._piece_count = int(progress["piece_count"])

    def is_quiet(self, *, now: float) -> bool:
        """Return whether nothing has moved for long."""
        return now - self._moved_at > PATIENCE

    def is_over(
        self, complete: Iterable[str], waiting: Iterable[str], gone: Iterable[str], *, now: float
    ) -> bool:
        """
        Return whether to give up.

        Args:
            complete: who has said that it has everything.
            waiting: who has not, and has not failed.
            gone: who has failed since.
        """
        if not self.is_quiet(now=now) or {*self._sources, *complete} - {*gone}:
            return False
        return now - self._moved_at > STANDSTILL or 0 not in self._lacks_of(waiting)

    def sentence(self, waiting: Iterable[str]) -> str:
        """Return why it is over for those who wait, and what to do about it."""
        seeders = f"the seeder{'s' * (len(self._sources) > 1)} {fold(self._sources)} failed"
        lacks = self._lacks_of(waiting)
        if 0 in lacks:
            stuck = f"no piece is lost, but nothing has moved for {STANDSTILL:.0f} s"
            return f"{seeders}; {stuck}. Run the same command again: it goes on with what is here"
        lost = max(lacks, default=0)
        theirs = "them" if len(self._sources) > 1 else "it"
        pieces = counted(self._piece_count, "piece")
        what = f", and {lost} of {pieces} with {theirs}" if lost else " before all pieces had left"
        return f"{seeders}{what}; what is here is kept. Run the same command again"

    def _lacks_of(self, waiting: Iterable[str]) -> set[int]:
        """Return how many pieces hosts find nowhere; of those that never said there is none."""
        return {self._unavailable[host] for host in waiting if host in self._unavailable}
