"""Which hosts call at which, so that few calls tell who reaches whom; and what the calls told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from .ranges import fold

#: So many hosts, or fewer, all call at each other.
MOST_HOSTS = 12
#: How many others a host calls at, where there are more hosts: every pair would be too many calls.
MOST_CALLS = 5


class Door(NamedTuple):
    """Where a host waits to be called at, and the mark it tells."""

    host: str
    address: str
    port: int
    mark: str


class Call(NamedTuple):
    """A call that was made; `problem` is why the mark was not heard, empty where it was."""

    caller: str
    door: Door
    problem: str


def rounds(doors: Sequence[Door], for_all: Iterable[Door] = ()) -> list[dict[str, Door]]:
    """
    Return the calls to make, each of a round at the same time: by caller, whose door.

    1. The hosts with *doors* all call at each other, up to `MOST_HOSTS` of them. Of more each calls at those
       1, 5, 22 … places further on, `MOST_CALLS` of them, so that 500 hosts make 2,500 calls, and neighbours
       in a rack as well as strangers hear each other.
    2. All of them call at the doors *for_all*: tracker's and seeder's.
    """
    made: set[tuple[str, str, int]] = set()
    found = []
    ring = [list(zip(doors, [*doors[step:], *doors[:step]])) for step in _steps(len(doors))]
    to_all = [[(door, one) for door in doors] for one in for_all]
    for pairs in [*ring, *to_all]:
        calls = {
            caller.host: door
            for caller, door in pairs
            if caller.host != door.host and (caller.host, door.host, door.port) not in made
        }
        made.update((caller, door.host, door.port) for caller, door in calls.items())
        if calls:
            found.append(calls)
    return found


def is_sample(count: int) -> bool:
    """Return whether so many hosts call at some of the others only, see `rounds`."""
    return count > MOST_HOSTS


def _steps(count: int) -> list[int]:
    """Return how far apart callers and called are in a ring of *count*: near, far, and in between."""
    if not is_sample(count):
        return list(range(1, count))
    return sorted({round((count - 1) ** (part / (MOST_CALLS - 1))) for part in range(MOST_CALLS)})


def faults(calls: Iterable[Call], hosts: Sequence[str]) -> dict[str, list[str]]:
    """
    Return the sentences about calls that were in vain, by the host whose fault that is likely to be.

    That is the one called at, if most who called there did so in vain; else the caller.

    Args:
        hosts: in the order in which they are named.
    """
    order = {host: place for place, host in enumerate(hosts)}
    calls = sorted(calls, key=lambda call: (order[call.caller], order[call.door.host]))
    tried = Counter(call.door for call in calls)
    in_vain = Counter(call.door for call in calls if call.problem)
    closed = {door for door, count in in_vain.items() if 2 * count > tried[door]}
    found: dict[str, list[str]] = {}
    callers: dict[tuple[Door, str], list[str]] = {}
    doors: dict[tuple[str, str], list[Door]] = {}
    for call in calls:
        if call.problem and call.door in closed:
            callers.setdefault((call.door, call.problem), []).append(call.caller)
        elif call.problem:
            doors.setdefault((call.caller, call.problem), []).append(call.door)
    for (door, problem), hosts in callers.items():
        found.setdefault(door.host, []).append(_sentence(hosts, [door], problem))
    for (caller, problem), called in doors.items():
        found.setdefault(caller, []).append(_sentence([caller], called, problem))
    return found


def _sentence(callers: Sequence[str], doors: Sequence[Door], problem: str) -> str:
    if len(doors) == 1:
        address = f"[{doors[0].address}]" if ":" in doors[0].address else doors[0].address
        where = f"{doors[0].host} at {address}:{doors[0].port}"
    else:
        ports = sorted({door.port for door in doors})
        where = f"{fold(door.host for door in doors)} at port {', '.join(map(str, ports))}"
    return f"{fold(callers)} cannot reach {where} ({problem})"
