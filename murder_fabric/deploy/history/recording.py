"""Notes a run as it goes: how long stages took, and every now and then how far each host is."""

from __future__ import annotations

from ..watching.fleet_state import FleetState
from .record import Sample, StageRecord

#: Seconds between two samples, as long as these are few.
INTERVAL = 0.5
#: Where there would be more, every second one goes, and from then on the interval is twice as long.
MOST_SAMPLES = 120


class Recording:
    """
    What is noted of one run; an `Observer` of the view.

    Args:
        now: when the run began.
    """

    def __init__(self, *, now: float) -> None:
        self.stages: list[StageRecord] = []
        self.samples: list[Sample] = []
        #: Bytes of the payload, once a host has told it.
        self.length = 0
        self._began = now
        self._interval = INTERVAL
        self._due = now

    def stage_ended(self, fleet: FleetState, name: str, said: str, *, began: float, now: float) -> None:
        """A stage is over, however it went; what it had moved until then is a sample too."""
        self.stages.append(StageRecord(name, round(began - self._began, 3), round(now - began, 3)))
        if self.samples:
            self._sample(fleet, now=now)

    def heard(self, fleet: FleetState, *, now: float) -> None:
        """A host has told how far it is."""
        if now < self._due:
            return
        if not self.samples:  # they had what they have before anything moved, as far as is known
            at = max(0.0, now - self._began - INTERVAL)
            self.samples.append(Sample(round(at, 3), [0] * len(list(fleet.outcome))))
        self._due = now + self._interval
        self._sample(fleet, now=now)

    def _sample(self, fleet: FleetState, *, now: float) -> None:
        shares = []
        for host in fleet.outcome:
            transfer = fleet.transfer(host)
            shares.append(0 if transfer is None else int(100 * transfer.share))
            self.length = max(self.length, 0 if transfer is None else transfer.length)
        self.samples.append(Sample(round(now - self._began, 3), shares))
        if len(self.samples) > MOST_SAMPLES:
            del self.samples[1:-1:2]
            self._interval *= 2
