"""The benchmark in small: it runs, and nothing has become slower by an order of magnitude."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.clients import Aria2, Ours
from bench.results import Sample
from bench.swarming import Shape, random_file, run_swarm
from lab import rig

#: Seconds that a machine which became busy in between may take for starting processes alone.
STARTS = 30.0

pytestmark = pytest.mark.skipif(
    bool(rig.missing() or Aria2().missing()), reason=rig.missing() or Aria2().missing() or "both are there"
)


def measured(shape: Shape, directory: Path) -> tuple[Sample, Sample]:
    """Return what ours and aria2 did, one after the other."""
    payload = directory / "payload"
    random_file(payload, shape.length)
    ours, theirs = (run_swarm(client, shape, payload, directory) for client in (Ours(), Aria2()))
    assert ours.figures["complete"] == theirs.figures["complete"] == shape.hosts
    return ours, theirs


def test_one_connection_is_not_slower_than_aria2(tmp_path: Path) -> None:
    ours, theirs = measured(Shape(1, 1 << 25, piece_length=1 << 20), tmp_path)
    assert ours.figures["last s"] < 2 * theirs.figures["last s"] + STARTS


def test_a_swarm_is_not_slower_than_aria2_and_spares_its_seeder(tmp_path: Path) -> None:
    ours, theirs = measured(Shape(3, 4_000_000, "50mbit"), tmp_path)
    assert ours.figures["last s"] < 2 * theirs.figures["last s"] + STARTS
    assert ours.figures["sent by the seeder"] < 3, "each host had everything from the seeder"
    (_, first), *_, (_, last) = ours.curve
    assert first < last == 1.0
