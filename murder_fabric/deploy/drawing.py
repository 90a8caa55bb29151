"""The picture of a fleet at work: one line for all of it, a cell for each host, and the hosts waited for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TextIO

from rich.cells import cell_len, set_cell_size
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from ..units import shown_seconds, shown_size
from .fleet_state import Doing, FleetState, Slow, summary

#: How many hosts are named that the others wait for.
SLOWEST = 5
#: Cells between two gaps, so that one can count.
GROUP = 10
#: Widest name before a row of cells, and before what is said of a slow host.
LABEL, NAME = 16, 24
#: Before every line but the first word of the first.
MARGIN = "  "


class Look(NamedTuple):
    """How one state is drawn: a sign that tells it without colours, one for plain ASCII, and a colour."""

    sign: str
    ascii: str
    style: str


LOOKS = {
    Doing.WAITING: Look("·", ".", "bright_black"),
    Doing.CONNECTED: Look("-", "-", ""),
    Doing.FETCHING: Look("▁▂▃▄▅▆▇", "123456789", "cyan"),
    Doing.COMPLETE: Look("█", "#", "blue"),
    Doing.VERIFIED: Look("◆", "v", "green"),
    Doing.SWITCHED: Look("✓", "s", "bold green"),
    Doing.SKIPPED: Look("=", "=", "bright_black"),
    Doing.FAILED: Look("✗", "X", "bold red"),
}


def live(stream: TextIO) -> Live:
    """Return what keeps a picture at the end of *stream*, and takes it away when it is stopped."""
    console = Console(file=stream, force_terminal=True, highlight=False, markup=False, emoji=False)
    return Live(
        console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
    )


def picture(fleet: FleetState, console: Console, *, now: float) -> Group:
    """Return *fleet* as it is now, as wide and high as *console* allows; nothing between two stages."""
    width, height = console.size
    plain = console.options.ascii_only
    lines = list(_lines(fleet, width, max(1, height - 1), plain, now)) if fleet.stage else []
    for line in lines:
        line.truncate(width, overflow="crop" if plain else "ellipsis")
    return Group(*lines)


def _lines(fleet: FleetState, width: int, height: int, plain: bool, now: float) -> Iterator[Text]:
    """Yield the lines of the picture, *height* of them at the most; those that matter most come first."""
    yield _first_line(fleet, width, now)
    slow = _slow_lines(fleet, now) if fleet.moves else []
    # Where there is little room, the map has it, but for the host that is waited for most.
    rows = height - 2 - min(len(slow), max(1, height - 2 - _rows_wanted(fleet, width)))
    if rows < 1 or len(fleet.hosts) < 2:
        yield from slow[: height - 1]
        return
    yield from _map(fleet, width, rows, plain)
    yield from slow[: height - 2 - min(rows, _rows_wanted(fleet, width))]


def _first_line(fleet: FleetState, width: int, now: float) -> Text:
    took = f" ({shown_seconds(now - fleet.stage_began_at)})"
    line = Text(f"{MARGIN}{fleet.stage:<9}", style="bold", no_wrap=True)
    said = Text(summary(fleet, now=now), style="not bold")
    said.truncate(max(0, width - line.cell_len - len(took)))
    return line.append_text(said).append(took, style="not bold bright_black")


def _map(fleet: FleetState, width: int, rows: int, plain: bool) -> Iterator[Text]:
    """Yield a cell for each host, in the order they were named, and what the cells mean."""
    hosts = fleet.hosts
    label, per_row = _columns(hosts, width)
    hosts_per_cell = math.ceil(len(hosts) / (per_row * rows))
    cells = [
        _cell(fleet, hosts[at : at + hosts_per_cell], plain) for at in range(0, len(hosts), hosts_per_cell)
    ]
    for start in range(0, len(cells), per_row):
        line = Text(MARGIN, no_wrap=True)
        if label:
            line.append(set_cell_size(_short(hosts[start * hosts_per_cell], label, plain), label) + " ")
        for at in range(start, min(start + per_row, len(cells)), GROUP):
            _append_cells(line, cells[at : min(at + GROUP, start + per_row)])
            line.append(" ")
        yield line
    yield _legend(fleet, hosts_per_cell, plain)


def _append_cells(line: Text, cells: Sequence[tuple[str, str]]) -> None:
    """Append *cells*, neighbours of one style as one span: this is what makes a picture cheap."""
    run, style = "", ""
    for sign, its in cells:
        if its != style and run:
            line.append(run, style=style)
            run = ""
        run, style = run + sign, its
    line.append(run, style=style)


def _cell(fleet: FleetState, hosts: Sequence[str], plain: bool) -> tuple[str, str]:
    """Return sign and style of the host among *hosts* that is furthest behind; one that failed is."""
    host = hosts[0] if len(hosts) == 1 else min(hosts, key=lambda one: _rank(fleet, one))
    doing = fleet.doing(host)
    signs = LOOKS[doing].ascii if plain else LOOKS[doing].sign
    transfer = fleet.transfer(host)
    if len(signs) == 1 or transfer is None:
        return signs[0], LOOKS[doing].style
    return signs[min(len(signs) - 1, int(transfer.share * len(signs)))], LOOKS[doing].style


def _rank(fleet: FleetState, host: str) -> tuple[int, float]:
    doing, transfer = fleet.doing(host), fleet.transfer(host)
    place = -1 if doing is Doing.FAILED else list(Doing).index(doing)
    return place, transfer.share if transfer is not None else 0.0


def _legend(fleet: FleetState, hosts_per_cell: int, plain: bool) -> Text:
    counts = fleet.counts()
    line = Text(MARGIN, no_wrap=True)
    for doing, look in LOOKS.items():
        if counts[doing]:
            signs = look.ascii if plain else look.sign
            line.append(signs[len(signs) // 2], style=look.style)
            line.append(f" {counts[doing]} {doing.value}  ")
    if hosts_per_cell > 1:
        line.append(f"(a cell is {hosts_per_cell} hosts, as the last of them)", style="bright_black")
    return line


def _slow_lines(fleet: FleetState, now: float) -> list[Text]:
    lines = []
    for place, slow in enumerate(fleet.slowest(SLOWEST, now=now)):
        line = Text(f"{MARGIN}{'waits for' if place == 0 else '':<11}", style="bright_black", no_wrap=True)
        lines.append(line.append(_told_of_slow(slow), style="default not dim"))
    return lines


def _told_of_slow(slow: Slow) -> str:
    host = set_cell_size(_short(slow.host, NAME, plain=False), min(NAME, max(8, cell_len(slow.host))))
    left = "nothing comes" if slow.seconds_left is None else f"{shown_seconds(slow.seconds_left)} left"
    return f"{host}  {shown_size(slow.rate) + '/s':>12}  {left:<14}  {slow.reason}"


def _rows_wanted(fleet: FleetState, width: int) -> int:
    """Return how many rows a cell for each host takes."""
    hosts = fleet.hosts
    return math.ceil(len(hosts) / _columns(hosts, width)[1])


def _columns(hosts: Sequence[str], width: int) -> tuple[int, int]:
    """Return how wide the names before the rows are, and how many cells a row has."""
    label = min(LABEL, max(map(len, hosts)), width // 4)
    groups = (width - len(MARGIN) - label - 1) // (GROUP + 1)
    if groups:
        return label, groups * GROUP
    return 0, max(1, width - len(MARGIN) - 1)


def _short(name: str, width: int, plain: bool) -> str:
    """Return *name*, its middle left out where it is too long: names of hosts differ at either end."""
    if len(name) <= width:
        return name
    mark = "~" if plain else "…"
    head = (width - 1) // 2
    return f"{name[:head]}{mark}{name[len(name) - (width - 1 - head) :]}"
