"""The record of a run as one HTML page that needs nothing else: no script, no font, no network."""

from __future__ import annotations

import time

from ...units import counted, shown_size
from ..outcome import grouped
from .charts import completion_curve, exchange_matrix, heat_map, stage_bars, upload_bar
from .markup import Content, Markup, joined, tag
from .record import RunRecord
from .stylesheet import STYLE

#: A page may show what hosts said; whatever got past escaping could still load and run nothing.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def page(record: RunRecord) -> str:
    """Return the whole page of *record*."""
    title = f"{record.task} {record.tag or '-'} to {record.destination}: run {record.id}"
    head = joined(
        Markup('<meta charset="utf-8">'),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'),
        Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        tag("title", title),
        tag("style", Markup(STYLE)),
    )
    body = joined(_header(record), _figures(record), *_sections(record), _footer(record))
    return f"<!DOCTYPE html>\n{tag('html', tag('head', head), tag('body', tag('main', body)), lang='en')}\n"


def _header(record: RunRecord) -> Markup:
    began = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(record.began_at))
    kind = "good" if record.exit_code == 0 else "bad"
    return tag(
        "header",
        tag("h1", f"{record.task} ", tag("b", record.tag or "-"), f" to {record.destination}"),
        tag("p", tag("span", record.verdict, class_=f"pill {kind}"), " ", record.message),
        tag("p", f"{began} by {record.operator}, digest {record.digest[:12] or '-'}", class_="quiet"),
    )


def _figures(record: RunRecord) -> Markup:
    """Return the figures that one looks for first; `data-value` is each as the record has it."""
    seeders, _ = record.uploaded
    done = record.count(record.aim)
    slowest = max(record.hosts.items(), key=lambda item: item[1].seconds, default=None)
    figures: list[tuple[str, str, float, str]] = [
        ("done", record.aim, done, f"{done} of {len(record.hosts)}"),
        ("failed", "failed", len(record.failed), str(len(record.failed))),
        ("seconds", "took", record.seconds, record.took),
        ("moved", "moved", record.total("bytes_moved"), shown_size(record.total("bytes_moved"))),
        ("reused", "reused", record.total("bytes_reused"), shown_size(record.total("bytes_reused"))),
    ]
    if record.length and seeders:
        copies = seeders / record.length
        figures.append(("copies", "sent by seeders", seeders, f"{copies:.2f} payloads"))
    if slowest is not None and slowest[1].seconds:
        host, one = slowest
        figures.append(("slowest", f"slowest: {host}", one.seconds, f"{one.seconds:.1f} s"))
    tiles = [
        tag("div", tag("dt", name), tag("dd", shown, id=id_, data_value=repr(value)))
        for id_, name, value, shown in figures
    ]
    return tag("dl", *tiles, class_="figures")


def _sections(record: RunRecord) -> list[Markup]:
    found = []
    if record.failed:
        reasons = grouped({host: record.hosts[host].error for host in record.failed})
        found.append(_section("Failures", tag("ul", *(tag("li", line) for line in reasons), id="failures")))
    if record.samples:
        legend = _legend(("curve bytes", "bytes there"), ("curve hosts", "hosts complete"))
        found.append(_section("Completion", completion_curve(record), legend))
    if record.stages:
        found.append(_section("Stages", stage_bars(record)))
    if any(record.uploaded):
        of_seeders, of_peers = record.uploaded
        legend = _legend(
            ("upload seeders", f"seeders: {shown_size(of_seeders)}"),
            ("upload peers", f"other hosts: {shown_size(of_peers)}"),
        )
        found.append(_section("Who sent", upload_bar(record), legend))
    if record.samples:
        said = "A row for each host, in the order of the table below; the last cell is how it ended."
        found.append(_section("Hosts over time", tag("p", said, class_="quiet"), heat_map(record)))
    if record.exchange.names:
        said = (
            "Who is in the row sent to who is in the column; darker is more, and pointing at a cell tells it."
        )
        found.append(_section("Who sent to whom", tag("p", said, class_="quiet"), exchange_matrix(record)))
    if record.hosts:
        found.append(_section(f"{counted(len(record.hosts), 'host')}", _table(record)))
    return found


def _section(title: str, *content: Content) -> Markup:
    return tag("section", tag("h2", title), *content)


def _legend(*entries: tuple[str, str]) -> Markup:
    return tag(
        "p", *(joined(tag("i", class_=f"mark {kind}"), f" {name} ") for kind, name in entries), class_="quiet"
    )


def _table(record: RunRecord) -> Markup:
    head = tag(
        "tr", *(tag("th", name) for name in ("", "host", "state", "moved", "reused", "sent", "took", ""))
    )
    rows = [
        tag(
            "tr",
            tag("td", number),
            tag("td", host),
            tag("td", tag("i", class_=f"mark is {one.state}"), f" {one.state}"),
            *(
                tag("td", shown_size(count), data_value=count)
                for count in (one.bytes_moved, one.bytes_reused, record.uploads.get(host, 0))
            ),
            tag("td", f"{one.seconds:.1f} s"),
            tag("td", one.error),
        )
        for number, (host, one) in enumerate(record.hosts.items(), 1)
    ]
    return tag("table", tag("thead", head), tag("tbody", *rows), id="hosts")


def _footer(record: RunRecord) -> Markup:
    return tag("footer", f"murder_fabric, run {record.id}; murder.show {record.id} shows it as text")
