"""The picture of a fleet, on terminals of any size, with and without colours, and what is never on it."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ElementTree

import pytest
from rich.console import Console

from demo import pictures
from murder_fabric.deploy.failures import HostFailure
from murder_fabric.deploy.outcome import HostState, Outcome
from murder_fabric.deploy.watching.drawing import Picture
from murder_fabric.deploy.watching.fleet_state import FleetState


def fleet_of(count: int, name: str = "web{}") -> FleetState:
    """Return *count* hosts in the swarm: the first complete, the last slow by its disk, others half way."""
    outcome = Outcome(name.format(number) for number in range(1, count + 1))
    fleet = FleetState(outcome)
    fleet.begun("swarm", now=0.0)
    fleet.asked(outcome)
    for place, host in enumerate(outcome):
        outcome.reached(host, HostState.READY)
        share = 1.0 if place == 0 else 0.5 if place < count - 1 else 0.1
        for sent in (1.0, 2.0):
            waited = sent * 0.9 if place == count - 1 else 0.0
            fields = {"time": sent, "bytes": 1000 * share, "length": 1000, "rate": 100.0, "peers": 9}
            fleet.heard(host, {**fields, "disk_seconds": waited}, now=sent)
    return fleet


def drawn(
    fleet: FleetState, width: int = 100, height: int = 24, encoding: str = "utf-8", **options: object
) -> str:
    stream = io.TextIOWrapper(io.BytesIO(), encoding)
    console = Console(file=stream, width=width, height=height, force_terminal=True, **options)  # type: ignore[arg-type]
    console.print(Picture(fleet.look(now=2.0)))
    stream.seek(0)
    return stream.read()


def plainly(fleet: FleetState, width: int = 100, height: int = 24, encoding: str = "utf-8") -> list[str]:
    return drawn(fleet, width, height, encoding, color_system=None).splitlines()


def test_a_small_fleet_is_one_line_its_cells_what_they_mean_and_who_is_waited_for() -> None:
    fleet = fleet_of(4)
    fleet.outcome.failed("web3", HostFailure("failed", "no space left"))
    assert [line.rstrip() for line in plainly(fleet)] == [
        "  swarm    1 of 3 hosts complete, 53 % of 3.0 kB, 300 B/s, the last in about 9 s (2 s)",
        "  web1 █▄✗▁",
        "  ▄ 2 fetching  █ 1 complete  ✗ 1 failed",
        "  waits for  web4        100 B/s  9 s left        slow disk: waits for it 90 % of the time",
        "             web2        100 B/s  5 s left",
    ]


def test_each_of_500_hosts_has_a_cell_at_100_columns() -> None:
    lines = plainly(fleet_of(500))
    rows = [line for line in lines if line.startswith("  web") and "MB/s" not in line]
    assert [row.split()[0] for row in rows] == [f"web{first}" for first in range(1, 500, 80)]
    assert sum(len("".join(row.split()[1:])) for row in rows) == 500
    assert len(lines) <= 23


@pytest.mark.parametrize("count", [1, 2, 8, 500])
@pytest.mark.parametrize("width", [1, 5, 12, 40, 79, 300])
@pytest.mark.parametrize("height", [1, 2, 3, 4, 10, 60])
def test_it_fits_whatever_the_terminal(count: int, width: int, height: int) -> None:
    lines = plainly(fleet_of(count), width, height)
    assert 1 <= len(lines) <= max(1, height - 1)
    assert max(map(len, lines)) <= width


def test_where_there_is_no_room_for_all_a_cell_is_several_hosts_and_as_the_last_of_them() -> None:
    fleet = fleet_of(200)
    fleet.outcome.failed("web77", HostFailure("lost", "gone"))
    lines = plainly(fleet, width=40, height=8)
    assert sum(line.count("✗") for line in lines[1:-2]) == 1
    assert "web200 9 s left, slow disk" in lines[-1]
    assert "a cell is 3 hosts" in plainly(fleet, width=90, height=5)[-2]


@pytest.mark.parametrize(
    ("width", "first"),
    [(40, "1/4, 62 %, 5 s left (2 s)"), (46, "1/4, 62 %, 5 s left, 300 B/s (2 s)"), (30, "1/4, 62 % (2 s)")],
)
def test_a_narrow_terminal_says_in_short_how_far_it_is_and_when_it_ends(width: int, first: str) -> None:
    fleet = fleet_of(4)
    for host in ("web1", "web4"):
        there = 1000 if host == "web1" else 500
        fields = {"time": 3.0, "bytes": there, "length": 1000, "rate": 0.0 if host == "web1" else 100.0}
        fleet.heard(host, {**fields, "peers": 9, "disk_seconds": 0.9}, now=2.0)
    lines = [line.rstrip() for line in plainly(fleet, width)]
    assert lines[0] == f"  swarm    {first}"
    assert lines[-1] == "  web4 5 s left, 100 B/s"


def test_what_goes_over_ssh_is_said_with_its_rate_and_its_end_in_short_where_there_is_little_room() -> None:
    fleet = fleet_of(4)
    fleet.begun("upload", now=0.0)
    fleet.brought("web1", 250_000, 1_000_000, now=2.0)
    said = "250.0 kB of 1.0 MB to web1, 125.0 kB/s, 6 s left (2 s)"
    assert plainly(fleet)[0].rstrip() == f"  upload   {said}"
    assert plainly(fleet, width=40)[0].rstrip() == "  upload   25 %, 6 s left (2 s)"
    fleet.begun("swarm", now=2.0)
    assert "to web1" not in plainly(fleet)[0]


def test_a_terminal_that_only_knows_ascii_gets_nothing_else() -> None:
    drawn(fleet_of(60, "a-host-with-a-name-that-is-far-too-long-{}"), encoding="ascii").encode("ascii")
    assert any("#555" in line for line in plainly(fleet_of(60), encoding="ascii"))


def test_a_host_name_of_200_characters_leaves_room_for_the_reason() -> None:
    fleet = fleet_of(3, "x" * 190 + "-{}")
    lines = plainly(fleet, width=90)
    assert any("-3 " in line and "slow disk" in line for line in lines)
    assert max(map(len, lines)) <= 90


def test_colours_are_left_out_where_nobody_wants_them(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\033[36m" in drawn(fleet_of(4), color_system="standard")
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\033[36m" not in drawn(fleet_of(4), color_system="standard")


def test_between_two_stages_nothing_is_drawn() -> None:
    fleet = fleet_of(4)
    fleet.ended()
    assert plainly(fleet) == []


@pytest.mark.parametrize(("count", "width", "height"), pictures.SIZES)
def test_the_pictures_of_the_pages_are_drawn_of_it_and_fetch_nothing(
    count: int, width: int, height: int
) -> None:
    svg = pictures.drawn(count, width, height)
    ElementTree.fromstring(svg)
    assert "slow&#160;disk" in svg
    assert "http" not in svg.replace("http://www.w3.org/2000/svg", "")
    assert (pictures.IMAGES / f"live-{count}.svg").is_file()
