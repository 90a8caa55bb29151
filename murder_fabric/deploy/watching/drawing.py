"""The picture of a fleet at work: one line for all of it, a cell for each host, and the hosts waited for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TextIO

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.segment import Segment
from rich.style import Style

from ...units import shown_seconds, shown_size
from .fleet_state import Doing, FleetNow, HostNow, Slow

#: How many hosts are named that the others wait for.
SLOWEST = 5
#: Cells between two gaps, so that one can count.
GROUP = 10
#: Widest name before a row of cells, and before what is said of a slow host.
LABEL, NAME = 16, 24
#: Below so many columns there is no room for columns of what is said of a slow host.
NARROW = 72
#: Before every line.
MARGIN = "  "


class Look(NamedTuple):
    """How one state is drawn: a sign that tells it without colours, one for plain ASCII, and a colour."""

    sign: str
    ascii: str
    style: Style


NO_STYLE, BOLD, GREY = Style(), Style(bold=True), Style(color="bright_black")
FETCHING = Look("▁▂▃▄▅▆▇", "123456789", Style(color="cyan"))
LOOKS = {
    Doing.WAITING: Look("·", ".", GREY),
    Doing.CONNECTED: Look("-", "-", NO_STYLE),
    Doing.FETCHING: FETCHING,
    Doing.COMPLETE: Look("█", "#", Style(color="blue")),
    Doing.VERIFIED: Look("◆", "v", Style(color="green")),
    Doing.SWITCHED: Look("✓", "s", Style(color="green", bold=True)),
    Doing.SKIPPED: Look("=", "=", GREY),
    Doing.FAILED: Look("✗", "X", Style(color="red", bold=True)),
}
#: Of a host that is waited for, and why is known.
HELD_BACK = Style(color="yellow", bold=True)
_ORDER = {doing: place for place, doing in enumerate(Doing)}


def live(stream: TextIO) -> Live:
    """Return what keeps a picture at the end of *stream*, and takes it away when it is stopped."""
    console = Console(file=stream, force_terminal=True, highlight=False, markup=False, emoji=False)
    return Live(
        console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
    )


class Picture:
    """*fleet* as wide and high as the terminal allows; nothing between two stages."""

    def __init__(self, fleet: FleetNow) -> None:
        self._fleet = fleet

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the lines, each cut to the width."""
        width, height = options.size
        if not self._fleet.stage:
            return
        # Segments and not rich's texts, which cost as much as all the rest (docs/performance.md).
        for line in _Drawing(self._fleet, width, max(1, height - 1), options.ascii_only).lines():
            yield from Segment.adjust_line_length(line, width, pad=False)
            yield Segment.line()


class _Drawing:
    """The lines of one picture, *height* of them at the most."""

    def __init__(self, fleet: FleetNow, width: int, height: int, plain: bool) -> None:
        self._fleet, self._width, self._height, self._plain = fleet, width, height, plain
        self._hosts = list(fleet.hosts)
        self._slow = fleet.slowest(SLOWEST) if fleet.moves else []
        self._bar = FETCHING.ascii if plain else FETCHING.sign

    def lines(self) -> Iterator[list[Segment]]:
        """Yield them; where there is little room, the map has it, but for the host waited for most."""
        yield self._first_line()
        label, per_row = _columns(self._hosts, self._width)
        room = self._height - 2
        rows = min(math.ceil(len(self._hosts) / per_row), room - bool(self._slow))
        if rows < 1 or len(self._hosts) < 2:
            yield from self._slow_lines(self._height - 1)
            return
        per_cell = math.ceil(len(self._hosts) / (per_row * rows))
        yield from self._map(label, per_row, per_cell)
        yield self._legend(per_cell)
        yield from self._slow_lines(room - rows)

    def _first_line(self) -> list[Segment]:
        head, took = f"{MARGIN}{self._fleet.stage:<9}", f" ({shown_seconds(self._fleet.seconds)})"
        room, said = self._width - cell_len(head) - len(took), self._fleet.summary()
        if cell_len(", ".join(said)) > room:
            said = self._fleet.summary(short=True)
        while said[1:] and cell_len(", ".join(said)) > room:
            said.pop()
        short = ", ".join(said)
        if cell_len(short) > room:
            short = set_cell_size(short, max(0, room))
        return [Segment(head, BOLD), Segment(short), Segment(took, GREY)]

    def _map(self, label: int, per_row: int, per_cell: int) -> Iterator[list[Segment]]:
        """Yield a cell for each host, or for *per_cell* of them, in the order they were named."""
        held_back = {one.host for one in self._slow if one.reason}
        cells = [
            self._cell(self._hosts[at : at + per_cell], held_back)
            for at in range(0, len(self._hosts), per_cell)
        ]
        for start in range(0, len(cells), per_row):
            row, name = cells[start : start + per_row], ""
            if label:
                name = set_cell_size(_short(self._hosts[start * per_cell], label, self._plain), label)
            yield [Segment(MARGIN + name), *_segments(row, GROUP if label else len(row))]

    def _cell(self, hosts: Sequence[str], held_back: set[str]) -> tuple[str, Style]:
        """Return sign and style of the host among *hosts* that is furthest behind; one that failed is."""
        host = hosts[0] if len(hosts) == 1 else min(hosts, key=lambda one: _rank(self._fleet.hosts[one]))
        doing, transfer = self._fleet.hosts[host]
        if transfer is None or doing is not Doing.FETCHING:
            look = LOOKS[doing]
            return look.ascii if self._plain else look.sign, look.style
        bar = self._bar[min(len(self._bar) - 1, int(transfer.share * len(self._bar)))]
        return bar, HELD_BACK if host in held_back else FETCHING.style

    def _legend(self, per_cell: int) -> list[Segment]:
        line = [Segment(MARGIN)]
        for doing, count in self._fleet.counts().items():
            look = LOOKS[doing]
            signs = look.ascii if self._plain else look.sign
            line += [Segment(signs[len(signs) // 2], look.style), Segment(f" {count} {doing.value}  ")]
        if per_cell > 1:
            line.append(Segment(f"(a cell is {per_cell} hosts, as the last of them)", GREY))
        return line

    def _slow_lines(self, count: int) -> Iterator[list[Segment]]:
        is_narrow = self._width < NARROW
        room = min(NAME, max(1, self._width // 3)) if is_narrow else NAME
        names = [_short(one.host, room, self._plain) for one in self._slow]
        widest = max(map(cell_len, names), default=0)
        for place, (name, one) in enumerate(zip(names, self._slow[: max(0, count)])):
            left = "" if one.seconds_left is None else f"{shown_seconds(one.seconds_left)} left"
            if is_narrow:
                said = ", ".join(filter(None, [left or _rate(one), one.reason or (left and _rate(one))]))
                yield [Segment(f"{MARGIN}{set_cell_size(name, widest)} {said}")]
                continue
            head = Segment(f"{MARGIN}{'waits for' if place == 0 else '':<11}", GREY)
            figures = f"{set_cell_size(name, widest)}  {_rate(one):>13}  {left:<14}  "
            yield [head, Segment(figures), Segment(one.reason, HELD_BACK)]


def _segments(cells: Sequence[tuple[str, Style]], group: int) -> Iterator[Segment]:
    """Yield *cells*, a gap before every *group* of them, and neighbours of one style as one segment."""
    signs, style = "", NO_STYLE
    for place, (sign, its) in enumerate(cells):
        if its is not style:
            yield Segment(signs, style)
            signs, style = "", its
        signs += f" {sign}" if place % group == 0 else sign
    yield Segment(signs, style)


def _rank(host: HostNow) -> tuple[int, float]:
    place = -1 if host.doing is Doing.FAILED else _ORDER[host.doing]
    return place, host.transfer.share if host.transfer is not None else 0.0


def _rate(slow: Slow) -> str:
    return f"{shown_size(slow.rate)}/s" if slow.rate else "nothing comes"


def _columns(hosts: Sequence[str], width: int) -> tuple[int, int]:
    """Return how wide the names before the rows are, and how many cells a row has."""
    label = min(LABEL, cell_len(max(hosts, key=len, default="")), width // 4)
    groups = (width - len(MARGIN) - label) // (GROUP + 1)
    if groups:
        return label, groups * GROUP
    return 0, max(1, width - len(MARGIN))


def _short(name: str, width: int, plain: bool) -> str:
    """Return *name*, its middle left out where it is too long: names of hosts differ at either end."""
    if len(name) <= width:
        return name
    mark = "~" if plain else "…"
    head = (width - 1) // 2
    return f"{name[:head]}{mark}{name[len(name) - (width - 1 - head) :]}"
