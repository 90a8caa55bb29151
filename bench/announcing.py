"""`tracker`: how many announces a second a tracker answers on one core, ours and opentracker."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Callable

from .announce_load import INFO_HASH
from .clients import agent, environment, missing_program, opentracker
from .results import OURS, Gate, Sample
from .rows import Contender, Row, scratch
from .swarming import PATIENCE, end_all, wait_for

LOAD = Path(__file__).with_name("announce_load.py")
#: Members of the one swarm, and of a burst; connections at a time otherwise.
MEMBERS, CONNECTIONS = 1000, 50
#: Seconds of each mode: as the gates mean it, and small.
SECONDS = (5.0, 0.5)
#: Given a directory of its own and a port: the command.
Tracker = Callable[[Path, int], "list[str]"]


def ours(home: Path, port: int) -> list[str]:
    """Return our tracker's command line."""
    return agent("tracker", "--listen", f"127.0.0.1:{port}")


def theirs(home: Path, port: int) -> list[str]:
    """Return opentracker's command line."""
    return opentracker(home, port, INFO_HASH.hex())


def measure(tracker: Tracker, seconds: float) -> Sample:
    """Return announces a second on connections that stay and that do not, and how a burst fares."""
    cores = sorted(os.sched_getaffinity(0))
    with scratch() as home:
        command = tracker(home, port := _free_port())
        process = subprocess.Popen(
            command, env=environment(), cwd=home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            wait_for(("127.0.0.1", port), PATIENCE)
            os.sched_setaffinity(process.pid, {cores[0]})
            found = {}
            for mode in ("kept", "closing", "burst"):
                before = _cpu(process.pid)
                found[mode] = _load(port, mode, seconds, cores[-1])
                found[mode]["cpu"] = _cpu(process.pid) - before
        finally:
            end_all([process])
    return Sample(
        {
            "kept a second": found["kept"]["answered"] / found["kept"]["seconds"],
            "closing a second": found["closing"]["answered"] / found["closing"]["seconds"],
            # On a machine that is busy with other things these say more.
            "kept CPU µs": 1e6 * found["kept"]["cpu"] / max(1, found["kept"]["answered"]),
            "closing CPU µs": 1e6 * found["closing"]["cpu"] / max(1, found["closing"]["answered"]),
            "p99 of a burst s": found["burst"]["p99"],
            "lost": float(sum(one["lost"] for one in found.values())),
        }
    )


def _load(port: int, mode: str, seconds: float, core: int) -> dict[str, Any]:
    command = [sys.executable, str(LOAD), str(port), mode, str(seconds), str(MEMBERS), str(CONNECTIONS)]
    done = subprocess.run(
        ["taskset", "--cpu-list", str(core), *command], stdout=subprocess.PIPE, check=True, timeout=60
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _cpu(pid: int) -> float:
    """Return the CPU seconds that a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def _prepared(small: bool) -> Iterator[Sequence[Contender]]:
    yield [
        Contender(OURS, partial(measure, ours, SECONDS[small])),
        Contender(
            "opentracker",
            partial(measure, theirs, SECONDS[small]),
            missing_program("opentracker", "opentracker"),
        ),
    ]


TRACKER = Row(
    "tracker",
    tuple(  # type: ignore[arg-type]
        f"one swarm of {MEMBERS:,}, {CONNECTIONS} connections at a time for {seconds:g} s; then all at once"
        for seconds in SECONDS
    ),
    (
        Gate("announces a second on connections that stay", (OURS, "kept a second"), 8000, least=True),
        Gate("announces a second, each on its own", (OURS, "closing a second"), 5000, least=True),
        Gate("99th percentile of 1,000 at once, s", (OURS, "p99 of a burst s"), 1.0),
        Gate("announces without an answer", (OURS, "lost"), 0),
    ),
    _prepared,
    needs_hosts=False,
)
