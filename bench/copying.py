"""`central` and `small`: rsync and scp from one host to all others at once, beside our swarm."""

from __future__ import annotations

import contextlib
import random
import statistics
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Callable

from lab.rig import Lab

from .clients import Ours, missing_program
from .results import OURS, Gate, Sample
from .rows import Contender, Row, scratch
from .swarming import Shape, must_be_same, random_file, run_swarm
from .trees import make_tree

#: How many hosts `small` has, one after the other.
FEW = (1, 2, 3, 8)
#: Given how to reach hosts, what to copy and the host to copy it to: the command.
Copy = Callable[[str, Path, str], "list[str]"]


def rsync(ssh_config: str, payload: Path, host: str) -> list[str]:
    """Return how rsync is called as a user would."""
    return ["rsync", "-a", "-e", f"ssh -F {ssh_config}", str(payload), f"{host}:/srv/"]


def scp(ssh_config: str, payload: Path, host: str) -> list[str]:
    """Return how scp is called as a user would."""
    return ["scp", "-q", "-r", "-p", "-F", ssh_config, str(payload), f"{host}:/srv/"]


COPIES: dict[str, tuple[Copy, str]] = {"rsync": (rsync, "rsync"), "scp": (scp, "openssh-client")}


def run_copies(copy: Copy, shape: Shape, payload: Path, directory: Path) -> Sample:
    """Copy the payload from the first host to all others at once; RuntimeError where a copy fails."""
    with Lab(directory / "lab", hosts=shape.hosts + 1, rate=shape.rate) as lab:
        first, *others = lab.names
        done: list[float] = []
        began = time.monotonic()

        def run(host: str) -> None:
            command = copy(str(lab.ssh_config), payload, host)
            if lab.run_in(first, command, stdout=subprocess.DEVNULL).wait() == 0:
                done.append(time.monotonic() - began)

        threads = [threading.Thread(target=run, args=(host,)) for host in others]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if len(done) < len(others):
            raise RuntimeError(f"{len(others) - len(done)} of {len(others)} copies failed")
        must_be_same(lab, others, payload)
    return Sample({"median s": statistics.median(done), "last s": max(done)})


@contextlib.contextmanager
def _central(small: bool) -> Iterator[Sequence[Contender]]:
    shape = _CENTRAL[small]
    with scratch() as directory:
        payload = directory / "payload"
        random_file(payload, shape.length)
        yield [
            Contender(OURS, partial(run_swarm, Ours(), shape, payload, directory)),
            *(
                Contender(
                    name, partial(run_copies, copy, shape, payload, directory), missing_program(name, package)
                )
                for name, (copy, package) in COPIES.items()
            ),
        ]


@contextlib.contextmanager
def _small(small: bool) -> Iterator[Sequence[Contender]]:
    fleets, length = _FLEETS[small]
    with scratch() as directory:
        payload = directory / "tree"
        make_tree(payload, length, max(1, length // 500_000), random.Random(1))
        shapes = [Shape(hosts, length) for hosts in fleets]
        runs: dict[str, Callable[[Shape], Sample]] = {
            OURS: lambda shape: run_swarm(Ours(), shape, payload, directory)
        }
        for name, (copy, _) in COPIES.items():
            runs[name] = partial(_copied, copy, payload, directory)
        missing = {name: missing_program(name, package) for name, (_, package) in COPIES.items()}
        yield [
            Contender(name, partial(_each, shapes, run), missing.get(name, "")) for name, run in runs.items()
        ]


def _copied(copy: Copy, payload: Path, directory: Path, shape: Shape) -> Sample:
    return run_copies(copy, shape, payload, directory)


def _each(shapes: Sequence[Shape], run: Callable[[Shape], Sample]) -> Sample:
    """Return how long the last host of each fleet took."""
    return Sample({_hosts(shape.hosts): run(shape).figures["last s"] for shape in shapes})


def _hosts(count: int) -> str:
    return f"{count} host{'' if count == 1 else 's'} s"


_CENTRAL = (Shape(16, 64_000_000, "50mbit"), Shape(4, 4_000_000, "50mbit"))
_FLEETS = ((FEW, 256_000_000), ((1, 2), 32_000_000))

CENTRAL = Row(
    "central",
    (f"{_CENTRAL[0]}; rsync and scp from one host", f"{_CENTRAL[1]}; rsync and scp from one host"),
    [
        Gate(f"last host, {name} ÷ ours", (name, "last s"), 12.0, (OURS, "last s"), least=True)
        for name in COPIES
    ],
    _central,
)
SMALL = Row(
    "small",
    tuple(  # type: ignore[arg-type]
        f"{', '.join(map(str, fleets))} hosts, a tree of {length / 1e6:.0f} MB on the seeder, unshaped links"
        for fleets, length in _FLEETS
    ),
    [
        Gate(f"{hosts} hosts, ours ÷ {name}", (OURS, _hosts(hosts)), 1.0, (name, _hosts(hosts)))
        for hosts in FEW
        for name in COPIES
    ],
    _small,
)
