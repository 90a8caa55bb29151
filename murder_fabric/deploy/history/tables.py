"""Runs as text: a line for each, and one run as a whole."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ...units import counted, shown_size
from ..failures import printable
from ..outcome import grouped
from ..ranges import fold
from .record import RunRecord

#: Hosts whose times are told one by one.
_MOST_NAMED = 5


def history_text(records: Sequence[RunRecord]) -> str:
    """Return a line for each run, with a heading."""
    head = ("run", "task", "tag", "destination", "hosts", "took", "exit", "by")
    lines = [head, *map(_line, records)]
    widths = [max(map(len, column)) for column in zip(*lines)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines
    )


def run_text(record: RunRecord) -> str:
    """Return what there is to say of a run in a screen or two."""
    began = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(record.began_at))
    lines = [
        f"{record.task} {record.tag or '-'} to {record.destination}, run {record.id}",
        f"  {began} by {record.operator}, " + f"{record.took}, " * record.has_ended + record.verdict,
        f"  {printable(record.message, 1000)}",
    ]
    if record.digest:
        lines.append(f"  digest {record.digest}" + f", {shown_size(record.length)}" * bool(record.length))
    if record.stages:
        lines += ["stages", *(f"  {one.name:<10}{one.seconds:8.1f} s" for one in record.stages)]
    by_state: dict[str, list[str]] = {}
    for host, one in record.hosts.items():
        by_state.setdefault(one.state, []).append(host)
    lines += ["hosts"]
    lines += [
        f"  {state:<12}{fold(hosts)} ({counted(len(hosts), 'host')})" for state, hosts in by_state.items()
    ]
    lines += [
        f"  {printable(line, 1000)}"
        for line in grouped({host: record.hosts[host].error for host in record.failed})
    ]
    lines += _moved(record)
    return "\n".join(lines)


def _moved(record: RunRecord) -> list[str]:
    if not record.total("bytes_moved") and not record.total("bytes_reused"):
        return []
    seeders, peers = record.uploaded
    slowest = sorted(record.hosts, key=lambda host: -record.hosts[host].seconds)[:_MOST_NAMED]
    said = [f"{host} {record.hosts[host].seconds:.1f} s" for host in slowest if record.hosts[host].seconds]
    return [
        "bytes",
        f"  moved       {shown_size(record.total('bytes_moved'))}",
        f"  reused      {shown_size(record.total('bytes_reused'))}",
        f"  sent        {shown_size(seeders)} by seeders, {shown_size(peers)} by other hosts",
        f"  slowest     {', '.join(said) or '-'}",
    ]


def _line(record: RunRecord) -> tuple[str, ...]:
    return (
        record.id,
        record.task,
        record.tag or "-",
        record.destination,
        f"{record.count(record.aim)} of {len(record.hosts)}",
        record.took,
        str(record.exit_code) if record.has_ended else "-",
        printable(record.operator, 60),
    )
