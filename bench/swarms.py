"""`pipe`, `swarm`, `flock` and `big`: one payload to some hosts, by our agent and by other clients."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from .clients import CLIENTS, Client
from .results import OURS, Gate, Sample
from .rows import Contender, Row, scratch
from .swarming import Shape, random_file, run_swarm

#: Murder limits itself to 10 MB/s, so that a pipe says nothing about it.
WITHOUT_MURDER = tuple(client for client in CLIENTS if client.name != "murder")
_LAST = (OURS, "last s")


def _figures(client: Client, shape: Shape, payload: Path, directory: Path) -> Sample:
    """Return the figures of one swarm, and what they come to beside the wire and for a GiB."""
    sample = run_swarm(client, shape, payload, directory)
    last = sample.figures["last s"]
    more = {"CPU s a GiB": sample.figures["CPU s"] * (1 << 30) / (shape.length * shape.hosts)}
    if shape.rate is None:
        more["MB/s"] = shape.length / last / 1e6
    else:
        more["of the ideal"] = shape.ideal / last
    return replace(sample, figures={**sample.figures, **more})


def _row(
    name: str, full: Shape, small: Shape, gates: Sequence[Gate], clients: Sequence[Client] = CLIENTS
) -> Row:
    @contextlib.contextmanager
    def prepared(as_small: bool) -> Iterator[Sequence[Contender]]:
        shape = small if as_small else full
        with scratch() as directory:
            payload = directory / "payload"
            random_file(payload, shape.length)
            yield [
                Contender(one.name, partial(_figures, one, shape, payload, directory), one.missing())
                for one in clients
            ]

    return Row(name, (str(full), str(small)), gates, prepared)


def _faster_than(others: Sequence[str], limit: float) -> list[Gate]:
    return [Gate(f"last peer, ours ÷ {other}", _LAST, limit, (other, "last s")) for other in others]


PIPE = _row(
    "pipe",
    Shape(1, 1 << 30, piece_length=1 << 20),
    Shape(1, 1 << 26, piece_length=1 << 20),
    (
        Gate("throughput, ours ÷ aria2", (OURS, "MB/s"), 3.0, ("aria2", "MB/s"), least=True),
        Gate("throughput, ours ÷ libtorrent", (OURS, "MB/s"), 3.0, ("libtorrent", "MB/s"), least=True),
        Gate("CPU seconds of both ends a GiB", (OURS, "CPU s a GiB"), 2.0),
        Gate("CPU, ours ÷ aria2", (OURS, "CPU s"), 0.5, ("aria2", "CPU s")),
    ),
    WITHOUT_MURDER,
)
SWARM = _row(
    "swarm",
    Shape(16, 64_000_000, "50mbit"),
    Shape(4, 8_000_000, "50mbit"),
    (
        *_faster_than(("aria2", "libtorrent", "murder"), 0.62),
        Gate("of what the wire allows", (OURS, "of the ideal"), 0.82, least=True),
        Gate("sent by the seeder, payloads", (OURS, "sent by the seeder"), 1.2),
    ),
)
FLOCK = _row(
    "flock",
    Shape(48, 64_000_000, "50mbit"),
    Shape(8, 8_000_000, "50mbit"),
    (
        Gate("peers complete", (OURS, "complete"), 48, least=True),
        *_faster_than(("aria2",), 0.75),
    ),
)
BIG = _row(
    "big",
    Shape(8, 256_000_000, "200mbit"),
    Shape(3, 32_000_000, "200mbit"),
    (Gate("of what the wire allows", (OURS, "of the ideal"), 0.88, least=True),),
)
