"""In which waves the hosts of a run are switched, and when the first one is: pure planning."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from ..errors import BadInput, HostRangeError, HostsFailed
from .ranges import RoleHosts, expand, fold
from .settings import Settings

#: How far ahead `--at` may be, in seconds; the run keeps SSH connections and locks until then.
FARTHEST = 24 * 3600.0

_CANARY = "the canary"
_CLOCK_TIME = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9]))?")


class Wave(NamedTuple):
    """Hosts that are switched together; *name* is empty where there is only this one."""

    name: str
    hosts: list[str]


@dataclass(frozen=True)
class Pace:
    """How the hosts of a run are to be switched."""

    #: Those that go first and alone, all of them peers.
    canary: Sequence[str] = ()
    #: How many of the others go at a time: a number of hosts, or a share of all peers; empty for all.
    batch: str = ""
    #: The moment of the first wave, in Unix seconds; None: as soon as can be.
    at: float | None = None
    #: Seconds from the decision to switch a wave to its moment; 0: each host as soon as it hears of it.
    delay: float = 0.0

    def waves(self, going: Sequence[str], host_count: int, there: Sequence[str] = ()) -> list[Wave]:
        """
        Return the waves: the canary, then the others in the order they were named, so many at a time.

        Args:
            going: the hosts that are left.
            host_count: how many were named; a share is one of these.
            there: hosts that have no way to go, of a canary too.

        Raises:
            HostsFailed: of the canary none is left, which could tell whether the others may follow.
        """
        first = [host for host in going if host in self.canary]
        if self.canary and not first and not set(self.canary) & set(there):
            raise HostsFailed(
                f"the canary {fold(self.canary)} failed, so nothing was switched; put that right, or name"
                " another --canary"
            )
        others = [host for host in going if host not in self.canary]
        size = batch_size(self.batch, host_count) or max(1, len(others))
        batches = [others[start : start + size] for start in range(0, len(others), size)]
        named = [
            Wave(f"batch {number} of {len(batches)}" if batches[1:] else "the others", hosts)
            for number, hosts in enumerate(batches, 1)
        ]
        found = [Wave(_CANARY, first)] * bool(first) + named
        return found if found[1:] else [Wave("", wave.hosts) for wave in found]


#: Every host as soon as it hears of it.
AT_ONCE = Pace()


def pace_of(settings: Settings, peers: Sequence[str], *, now: float) -> Pace:
    """
    Return how *settings* want *peers* to be switched.

    Args:
        now: Unix seconds.

    Raises:
        BadInput: the canary is no peer, or the moment has passed.
    """
    return Pace(
        canary_of(settings.canary, peers, settings.roles),
        settings.batch,
        moment_of(settings.at, now=now) if settings.at else None,
        float(settings.switch_delay),
    )


def unproven(waves: Sequence[Wave], settings: Settings) -> str:
    """Return what is to be known of a canary whose health nobody checks; empty where there is none."""
    if settings.health_check or not any(wave.name == _CANARY for wave in waves):
        return ""
    return "no murder.health_check: the canary proves only that the switch went well"


def batch_size(batch: str, host_count: int) -> int:
    """Return how many hosts a batch has, a share rounded up; 0 where there are no batches."""
    if batch.endswith("%"):
        return math.ceil(host_count * int(batch[:-1]) / 100)
    return int(batch or 0)


def canary_of(text: str, peers: Sequence[str], roles: Mapping[str, RoleHosts]) -> list[str]:
    """
    Return the hosts that *text*, a host expression, makes the canary.

    Raises:
        BadInput: it is none, or one of them is no peer of this run.
    """
    if not text:
        return []
    try:
        canary = list(dict.fromkeys(expand(text, roles=roles)))
    except HostRangeError as error:
        raise HostRangeError(f"--canary: {error}") from None
    strangers = [host for host in canary if host not in peers]
    if strangers:
        raise BadInput(
            f"--canary names {fold(strangers)}, and this run is about {fold(peers)}; no host was touched"
        )
    return canary


def moment_of(text: str, *, now: float) -> float:
    """
    Return the moment that *text* means, in Unix seconds.

    It is ISO 8601 with a zone, `2026-11-22T03:00:00+01:00`; or `HH:MM`, the next one by the local clock if
    that is less than twelve hours off, so that what has just passed is not taken for tomorrow's.

    Raises:
        BadInput: it is neither, or has passed, or is more than `FARTHEST` off.
    """
    match = _CLOCK_TIME.fullmatch(text)
    at = _next(*(int(part or 0) for part in match.groups()), now=now) if match else _dated(text, now=now)
    if at < now:
        tomorrows = "; tomorrow's is written with its date" * bool(match)
        raise BadInput(f"--at {text} has passed{tomorrows}; no host was touched")
    if at > now + FARTHEST:
        raise BadInput(f"--at {text} is more than 24 hours off; no host was touched")
    return at


def _next(hour: int, minute: int, second: int, *, now: float) -> float:
    """Return the next such time of day by the local clock, or today's, where that is nearer."""
    today = datetime.fromtimestamp(now).astimezone().replace(tzinfo=None, microsecond=0)
    moment = today.replace(hour=hour, minute=minute, second=second)
    tomorrow = (moment + timedelta(days=1)).timestamp()
    return tomorrow if moment.timestamp() < now and tomorrow - now < FARTHEST / 2 else moment.timestamp()


def _dated(text: str, *, now: float) -> float:
    try:
        moment = datetime.fromisoformat(re.sub(r"[Zz]$", "+00:00", text))
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        example = datetime.fromtimestamp(now).astimezone().isoformat(timespec="seconds")
        raise BadInput(
            f"--at {text!r:.60} is no moment: give HH:MM, or a date and time with its zone such as {example}"
        )
    return moment.timestamp()
