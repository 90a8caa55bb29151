"""What a lab asks of the machine it stands on: addresses, neighbour table, namespaces and processes."""

from __future__ import annotations

import contextlib
import fcntl
import ipaddress
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

#: Where `ip netns` keeps the names of network namespaces.
NAMESPACES = Path("/run/netns")
#: What the neighbour table's limits were before the first lab; all namespaces of a machine share the table.
NEIGHBOUR_RECORD = Path("/run/murder-lab-neighbours.json")
NEIGHBOUR_LIMITS = {"gc_thresh1": 4096, "gc_thresh2": 16384, "gc_thresh3": 32768}
#: Every lab's namespaces begin so; what follows tells the labs apart.
FAMILY = "murderlab-"
#: Labs take their /22 networks from here, wherever the machine has none of its own.
RANGE = ipaddress.IPv4Network("10.96.0.0/12")


class LabError(Exception):
    """The lab cannot stand or go; one sentence that says what to do."""


def run(*argv: str, lines: Iterable[str] = ()) -> str:
    """Run *argv* with *lines* on its stdin and return its stdout; `LabError` names what failed."""
    done = subprocess.run(argv, input="\n".join(lines) + "\n", capture_output=True, text=True)
    if done.returncode:
        why = (done.stderr or done.stdout).strip().replace("\n", "; ") or f"exit code {done.returncode}"
        raise LabError(f"{' '.join(argv)} failed: {why}")
    return done.stdout


def free_network(wanted: int) -> ipaddress.IPv4Network:
    """Return a /22 that no route of this machine touches, searching from the *wanted*-th on."""
    taken = []
    for route in json.loads(run("ip", "-4", "-json", "route", "show", "table", "all") or "[]"):
        with contextlib.suppress(ValueError):  # "default" is not an address
            taken.append(ipaddress.IPv4Network(route["dst"], strict=False))
    candidates = list(RANGE.subnets(new_prefix=22))
    start = wanted % len(candidates)
    for candidate in candidates[start:] + candidates[:start]:
        if not any(candidate.overlaps(network) for network in taken):
            return candidate
    raise LabError(f"no free /22 network is left in {RANGE} on this machine")


def namespaces(prefix: str) -> list[str]:
    """Return the names of this machine's network namespaces that begin with *prefix*."""
    if not NAMESPACES.is_dir():
        return []
    return sorted(entry.name for entry in NAMESPACES.iterdir() if entry.name.startswith(prefix))


def same_namespace(pid: int, namespace: str) -> bool:
    """Tell whether process *pid* lives in *namespace*; a number that was used again does not."""
    found = _identity(Path(f"/proc/{pid}/ns/net"))
    return found is not None and found == _identity(NAMESPACES / namespace)


def processes_in(names: Iterable[str]) -> list[int]:
    """Return the processes that live in the network namespaces *names*."""
    inside = {_identity(NAMESPACES / name) for name in names} - {None}
    pids = [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]
    return [pid for pid in pids if _identity(Path(f"/proc/{pid}/ns/net")) in inside]


def end_processes_in(names: list[str], patience: float = 2.0) -> None:
    """End every process in the namespaces *names*: asked first, forced after *patience* seconds."""
    deadline = time.monotonic() + patience
    _signal(processes_in(names), signal.SIGTERM)
    while left := processes_in(names):
        if time.monotonic() > deadline:
            _signal(left, signal.SIGKILL)
        if time.monotonic() > deadline + 10:
            raise LabError(
                f"processes {left} of the lab do not end; look at them, then run inv lab.down again"
            )
        time.sleep(0.02)


def mounts_below(path: Path) -> list[str]:
    """Return what is mounted below *path*: deleting the tree would delete what is mounted there."""
    fields = (line.split(" ") for line in Path("/proc/self/mountinfo").read_text().splitlines())
    return [field[4] for field in fields if field[4].startswith(f"{path}/")]


def raise_neighbour_limits() -> None:
    """
    Make room in the neighbour table, which all namespaces share, and note what it was.

    At its default of 1,024 entries, 48 hosts that all talk overflow it, and single hosts stall for a minute.
    """
    with _neighbour_record() as record:
        if record.stat().st_size == 0:
            before = {name: int(_limit(name).read_text()) for name in NEIGHBOUR_LIMITS}
            record.write_text(json.dumps(before))
            for name, least in NEIGHBOUR_LIMITS.items():
                _limit(name).write_text(str(max(before[name], least)))


def restore_neighbour_limits() -> None:
    """Put the neighbour table's limits back if no lab is left on this machine."""
    if not NEIGHBOUR_RECORD.exists():
        return
    with _neighbour_record() as record:
        if namespaces(FAMILY):
            return
        if record.stat().st_size:
            for name, value in json.loads(record.read_text()).items():
                _limit(name).write_text(str(value))
        record.unlink()


@contextlib.contextmanager
def _neighbour_record() -> Iterator[Path]:
    with NEIGHBOUR_RECORD.open("a") as opened:
        fcntl.flock(opened, fcntl.LOCK_EX)
        if not NEIGHBOUR_RECORD.exists():  # another lab's last one left while we waited for the lock
            NEIGHBOUR_RECORD.touch()
        yield NEIGHBOUR_RECORD


def _limit(name: str) -> Path:
    return Path("/proc/sys/net/ipv4/neigh/default") / name


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:  # ended meanwhile, or a kernel thread
        return None
    return found.st_dev, found.st_ino


def _signal(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
