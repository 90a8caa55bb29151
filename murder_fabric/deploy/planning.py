"""What a deploy will do, as far as that is known before any host is asked."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from ..units import counted, shown_seconds, shown_size
from .history.record import RunRecord
from .preflight import SPARE_BYTES
from .ranges import fold
from .roles import HERE, Roles
from .settings import Settings
from .wanted import Wanted
from .waves import Pace, unproven

#: Bytes per second of the links that are assumed where nothing was measured: 1 Gbit/s.
ASSUMED_RATE = 125e6
#: How many times the seconds in which a link carries the payload once a swarm takes (docs/performance.md).
SWARM_SHARE = 1.3
#: Seconds to connect, and for the stages that move nothing; and per host besides.
ASSUMED_START, ASSUMED_PER_HOST = 4.0, 0.01
#: Bytes per second at which hosts hash.
ASSUMED_HASHING = 400e6
#: Bytes to a host; less than that takes what the stages take anyhow, and tells no pace.
LEAST_MEASURED = 10_000_000
#: Tasks that bring a release, and the states of hosts that have it then.
_BRINGING, _HAVING = ("deploy", "fetch"), ("switched", "verified")
#: The stages of a run that take longer the more bytes there are to move, and the more there are to read.
MOVING, READING = ("upload", "swarm"), ("stage", "verify")


class Estimate(NamedTuple):
    """How long a deploy takes, and why that is thought."""

    seconds: float
    reason: str


def plan(
    wanted: Wanted, roles: Roles, settings: Settings, pace: Pace | None, records: Iterable[RunRecord]
) -> list[str]:
    """
    Return the plan of a deploy, line by line.

    Args:
        pace: how hosts are to be switched; None: they are not.
        records: of former runs with this destination, newest first.
    """
    length = wanted.metainfo.info.geometry.length if wanted.metainfo is not None else None
    lines = [("roles", _roles(roles, wanted)), ("bytes", _bytes(wanted, roles, length))]
    for_reuse, for_time = itertools.tee(records)
    if wanted.metainfo is not None and length is not None:
        lines.append(("reuse", reuse(wanted.metainfo.info.digest.hex(), roles.peers, for_reuse)))
        lines.append(("disk", _disk(length, wanted, settings)))
    later = "not now: murder.switch does it later"
    lines.append(("switch", later if pace is None else _switch(roles, settings, pace)))
    if length is not None:
        estimate = estimated(length, len(roles.peers), for_time, brought=_is_brought(wanted))
        lines.append(("time", f"about {shown_seconds(estimate.seconds)} {estimate.reason}"))
    return [f"{name:<9}{text}" for name, text in lines]


def reuse(digest: str, peers: Sequence[str], records: Iterable[RunRecord]) -> str:
    """
    Say what *peers* have of a release already, as far as former runs to the destination tell.

    Args:
        digest: of the release, in hex.
        records: newest first.
    """
    brought = (one for one in records if one.task in _BRINGING and one.digest)
    last = next((one for one in brought if one.digest == digest or _handled(one)), None)
    if last is None:
        return "what hosts have of it already only they can tell: no former run to there is known here"
    if last.digest == digest:
        having = [host for host in peers if host in last.hosts and last.hosts[host].state in _HAVING]
        among = f"{len(having)} of {counted(len(peers), 'host')}"
        return f"all of it on {among}, by run {last.id}: nothing moves to there, if nobody changed it since"
    share = 100 * last.total("bytes_reused") // _handled(last)
    found = f"run {last.id} of {last.tag} found {share} % of its bytes on the hosts"
    return f"what hosts have of it already only they can tell; {found}"


def _handled(record: RunRecord) -> int:
    """Return the bytes that came to hosts, or were there already."""
    return record.total("bytes_moved") + record.total("bytes_reused")


def estimated(length: int, host_count: int, records: Iterable[RunRecord], *, brought: bool) -> Estimate:
    """
    Return how long it takes to bring *length* bytes to hosts that have nothing of them.

    Runs to the same destination that moved a good part of their payload tell it.

    1. The stages of the newest that moved `LEAST_MEASURED` take as long again, those that move or read bytes
       as much longer as there are more bytes now.
    2. A newer one that moved less tells what these stages take however few bytes there are: so much of them
       is not multiplied.
    3. Where only little was moved, the stages take as long again, and the bytes what links of 1 Gbit/s need.
    4. Without any run, all is assumed.

    Args:
        brought: whether the bytes go to a seeder over SSH first.
    """
    small: RunRecord | None = None
    for record in records:
        moved = _most_moved(record)
        if record.exit_code or not record.stages or not 2 * moved >= record.length > 0:
            continue
        if moved >= LEAST_MEASURED:
            seconds = _scaled(record, length, small)
            return Estimate(seconds, f"if no host has any of it, at the pace of run {_named(record)}")
        small = small or record
    once = length / ASSUMED_RATE
    moving = once * SWARM_SHARE + length / ASSUMED_HASHING + once * brought
    if_so = f"if no host has any of it and every link has {shown_size(ASSUMED_RATE)}/s"
    if small is not None:
        seconds = sum(stage.seconds for stage in small.stages)
        return Estimate(seconds + moving, f"{if_so}, and else as run {_named(small)}, too little for a pace")
    return Estimate(ASSUMED_START + ASSUMED_PER_HOST * host_count + moving, f"{if_so}: no former run tells")


def _scaled(record: RunRecord, length: int, small: RunRecord | None) -> float:
    """Return how long *length* bytes take at the pace of *record*, given a run of few bytes."""
    factors = {
        **dict.fromkeys(MOVING, length / _most_moved(record)),
        **dict.fromkeys(READING, length / record.length),
    }
    least = {} if small is None else {stage.name: stage.seconds for stage in small.stages}
    seconds = 0.0
    for stage in record.stages:
        fixed = min(stage.seconds, least.get(stage.name, 0.0))
        seconds += fixed + (stage.seconds - fixed) * factors.get(stage.name, 1.0)
    return seconds


def _most_moved(record: RunRecord) -> int:
    return max((one.bytes_moved for one in record.hosts.values()), default=0)


def _named(record: RunRecord) -> str:
    """Return the name of a run, and what it did how fast."""
    hosts, took = counted(len(record.hosts), "host"), shown_seconds(record.seconds)
    return f"{record.id} ({shown_size(_most_moved(record))} to each of {hosts} in {took})"


def _roles(roles: Roles, wanted: Wanted) -> str:
    if wanted.elsewhere:
        return f"tracker and seeders are elsewhere; peers {fold(roles.peers)}"
    if roles.seeders == [roles.tracker]:
        return f"tracker and seeder {roles.tracker}; peers {fold(roles.peers)}"
    return f"tracker {roles.tracker}; seeder {fold(roles.seeders)}; peers {fold(roles.peers)}"


def _is_brought(wanted: Wanted) -> bool:
    return not (wanted.seed_here or wanted.elsewhere or wanted.metainfo is None)


def _bytes(wanted: Wanted, roles: Roles, length: int | None) -> str:
    if length is None:
        return f"not known before {fold(roles.seeders)} has hashed {wanted.files_path}"
    each, less = shown_size(length), "; less by what each has of it already"
    if not _is_brought(wanted):
        source = "this machine" if roles.seeders == [HERE] else "the seeders"
        return f"{each} to each of {counted(len(roles.peers), 'host')}, from {source} and each other{less}"
    others = len({*roles.peers, *roles.seeders} - {roles.seeders[0]})
    among = f", then {shown_size(length * others)} among the hosts" * bool(others)
    return f"{each} over SSH to {roles.seeders[0]}{among}{less}"


def _disk(length: int, wanted: Wanted, settings: Settings) -> str:
    kept, all_kept = settings.keep_releases, shown_size(length * settings.keep_releases)
    stay = f"{counted(kept, 'release')} stay{'s' * (kept == 1)} in the end, {all_kept} if all are as large"
    said = f"{shown_size(length + SPARE_BYTES)} must be free on each host; {stay}"
    if not wanted.files_path:
        return said
    paths = (
        f"--files-path {shlex.quote(wanted.files_path)} --destination-path {shlex.quote(wanted.destination)}"
    )
    return f"{said}; what is free there tells murder.doctor {paths}"


def _switch(roles: Roles, settings: Settings, pace: Pace) -> str:
    waves = pace.waves(roles.peers, len(roles.peers))
    said = "all hosts at once" if len(waves) == 1 else ", then ".join(_wave_names(waves, pace))
    if pace.at is not None:
        when = datetime.fromtimestamp(pace.at).astimezone().isoformat(" ", "seconds")
        said = f"{said}, the first at {when}"
    lack = unproven(waves, settings)
    return said + f"; {lack}" * bool(lack)


def _wave_names(waves: Sequence[tuple[str, list[str]]], pace: Pace) -> list[str]:
    """Return the waves as they are spoken of, batches as one."""
    canary = [f"{name} {fold(hosts)}" for name, hosts in waves if set(hosts) <= set(pace.canary)]
    others = [hosts for _, hosts in waves[len(canary) :]]
    if not others:
        return canary
    if len(others) == 1:
        return [*canary, counted(len(others[0]), "other host")]
    return [*canary, f"{len(others)} batches of {counted(len(others[0]), 'host')} at the most"]
