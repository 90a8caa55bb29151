"""The pictures of a run, as SVG within the page: how far it was when, and who did what."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from ...units import shown_size
from .markup import Content, Markup, joined, tag
from .record import RunRecord, Sample

#: Units of all pictures; the page scales them to its width.
WIDTH = 960.0
_LEFT, _RIGHT, _BOTTOM = 54.0, 12.0, 26.0
_PLOT = WIDTH - _LEFT - _RIGHT
#: Steps of colour from nothing to all.
_SHADES = 10


def completion_curve(record: RunRecord) -> Markup:
    """Return bytes there and hosts complete, in per cent, over the seconds of the run."""
    height, top = 220.0, 10.0
    end = _end(record)
    samples = [sample for sample in record.samples if sample.shares]

    def x(at: float) -> float:
        return _LEFT + _PLOT * at / end

    def y(share: float) -> float:
        return top + height * (1 - share / 100)

    def line(shares: Iterable[tuple[float, float]], class_: str) -> Markup:
        points = " ".join(f"{x(at):.1f},{y(share):.1f}" for at, share in shares)
        return tag("polyline", points=points, class_=class_)

    grid = [
        joined(
            tag("line", x1=_LEFT, x2=WIDTH - _RIGHT, y1=y(share), y2=y(share), class_="grid"),
            tag("text", f"{share} %", x=_LEFT - 8, y=y(share) + 4, class_="axis end"),
        )
        for share in (0, 25, 50, 75, 100)
    ]
    fetched = [(one.at, sum(one.shares) / len(one.shares)) for one in samples]
    complete = [(one.at, 100 * _complete(one) / len(one.shares)) for one in samples]
    return _picture(
        height + top + _BOTTOM,
        "completion",
        *grid,
        *_time_axis(end, top + height),
        line(fetched, "curve bytes"),
        line(complete, "curve hosts"),
    )


def heat_map(record: RunRecord) -> Markup:
    """Return a row for each host, from left to right how far it was; what it ended as is its last cell."""
    hosts, end = list(record.hosts), _end(record)
    row = max(2.0, min(14.0, 480.0 / len(hosts)))
    height, last = row * len(hosts), 14.0
    width = _PLOT - last - 4
    starts = [sample.at for sample in record.samples]
    cells: list[Markup] = []
    for number, host in enumerate(hosts):
        shares = [sample.shares[number] for sample in record.samples]
        rects = [
            tag(
                "rect",
                x=_LEFT + width * since / end,
                y=number * row,
                width=width * (until - since) / end,
                height=row,
                class_=f"heat{shade}",
            )
            for since, until, shade in _runs(starts, shares, end)
        ]
        state = record.hosts[host].state
        rects.append(
            tag("rect", x=WIDTH - _RIGHT - last, y=number * row, width=last, height=row, class_=f"is {state}")
        )
        cells.append(tag("g", tag("title", f"{host}: {state}"), *rects))
    labels = [
        tag("text", number + 1, x=_LEFT - 8, y=(number + 0.5) * row + 4, class_="axis end")
        for number in range(0, len(hosts), max(1, math.ceil(20 / row)))
    ]
    axis = _time_axis(end, height, width)
    return _picture(height + _BOTTOM, "heat", *labels, *axis, *cells)


def exchange_matrix(record: RunRecord) -> Markup:
    """Return a cell for each pair: who is in the row sent to who is in the column, the darker the more."""
    names, sent = record.exchange.names, record.exchange.sent
    side = min(26.0, (_PLOT - 120) / max(len(names), len(sent)))
    left = _LEFT + 120
    most = max((count for row in sent for count in row), default=0)
    cells = []
    for number, row in enumerate(sent):
        sender = names[number] if number < len(names) else "elsewhere"
        for column, count in enumerate(row):
            if count:
                said = f"{sender} to {names[column]}: {shown_size(count)}"
                place = {"x": left + column * side, "y": number * side, "width": side, "height": side}
                shade = max(1, math.ceil(_SHADES * count / most))
                cells.append(tag("rect", tag("title", said), class_=f"heat{shade}", **place))
    every = max(1, math.ceil(13 / side))
    rows = [*names, *["elsewhere"] * (len(sent) - len(names))]
    labels = [
        tag("text", _short(name), x=left - 8, y=(number + 0.5) * side + 4, class_="axis end")
        for number, name in enumerate(rows)
        if number % every == 0
    ]
    frame = tag("rect", x=left, y=0, width=side * len(names), height=side * len(sent), class_="frame")
    return _picture(side * len(sent) + 2, "exchange", frame, *labels, *cells)


def stage_bars(record: RunRecord) -> Markup:
    """Return a bar for each stage, where it lies in the time of the run."""
    end, row = _end(record), 22.0
    left = _LEFT + 40
    width = WIDTH - left - 70
    bars = []
    for number, stage in enumerate(record.stages):
        start, long = width * stage.began / end, max(1.0, width * stage.seconds / end)
        middle = number * row + 15
        bars += [
            tag("text", stage.name, x=left - 8, y=middle, class_="axis end"),
            tag("rect", x=left + start, y=number * row + 4, width=long, height=row - 8, class_="stage"),
            tag("text", f"{stage.seconds:.1f} s", x=left + start + long + 6, y=middle, class_="axis"),
        ]
    return _picture(row * len(record.stages) + 4, "stages", *bars)


def upload_bar(record: RunRecord) -> Markup:
    """Return one bar: what the seeders sent, and what the other hosts did."""
    seeders, peers = record.uploaded
    whole, parts, start = seeders + peers, [], 0.0
    for name, count in (("seeders", seeders), ("peers", peers)):
        width = WIDTH * count / whole if whole else 0.0
        title = tag("title", f"{name}: {shown_size(count)}")
        parts.append(tag("rect", title, x=start, y=0, width=width, height=26, class_=f"upload {name}"))
        start += width
    return _picture(26, "uploads", *parts)


def _picture(height: float, id_: str, *content: Content) -> Markup:
    return tag("svg", *content, viewBox=f"0 0 {WIDTH:g} {height:.0f}", id=id_, role="img")


def _end(record: RunRecord) -> float:
    """Return the last second of the pictures."""
    return max(record.seconds, *(sample.at for sample in record.samples), 0.001)


def _complete(sample: Sample) -> int:
    return sum(share >= 100 for share in sample.shares)


def _time_axis(end: float, y: float, width: float = _PLOT) -> list[Markup]:
    step = _step(end)
    ticks = [step * number for number in range(int(end / step) + 1)]
    return [
        tag("text", f"{at:g} s", x=_LEFT + width * at / end, y=y + 18, class_="axis middle") for at in ticks
    ]


def _step(end: float) -> float:
    """Return a round number of seconds, of which four to ten are in *end*."""
    rough = end / 8
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)


def _runs(starts: Sequence[float], shares: Sequence[int], end: float) -> Iterator[tuple[float, float, int]]:
    """Yield from when to when a host was at one shade: few rectangles also where there are many samples."""
    untils = [*starts[1:], end]
    shades = [0 if share <= 0 else max(1, share * _SHADES // 100) for share in shares]
    for shade, group in groupby(zip(starts, untils, shades), key=lambda cell: cell[2]):
        cells = list(group)
        yield cells[0][0], cells[-1][1], shade


def _short(name: str) -> str:
    return name if len(name) <= 24 else f"{name[:11]}…{name[-12:]}"
