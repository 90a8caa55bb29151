"""Tasks about runs: what runs on the hosts now, and what ran before."""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING, Any

from ..errors import BadInput
from .executor import GroupContext
from .lazily import lazily
from .murder_task import murder_task, settings_of
from .ranges import fold
from .roles import assign_roles
from .settings import AnyPath

if TYPE_CHECKING:
    from . import status as running
    from .muster import Muster
    from .results import Result
    from .undertaking import Undertaking
else:
    running = lazily("status")


@murder_task()
def status(c: GroupContext, /, **settings: Any) -> Undertaking:
    """Show what runs on the hosts now, whoever started it, and how far each is; changes nothing."""
    from .undertaking import Undertaking

    known = settings_of(c, settings)
    hosts = assign_roles(c.hosts, known.roles).hosts()

    def steps(muster: Muster) -> str:
        muster.greet()
        return running.status(muster)

    return Undertaking(f"what runs on {fold(hosts)}", known, hosts, steps)


@murder_task(
    help={
        "destination_path": "Only runs to there.",
        "limit": "How many are shown, the newest of them.",
    }
)
def history(
    c: GroupContext, /, destination_path: AnyPath | None = None, limit: str | int = "20", **settings: Any
) -> Result:
    """Show the runs of this machine that changed hosts, newest first; asks no host."""
    from .history import shelf, tables
    from .results import Result

    known = settings_of(c, settings, default_destination_path=destination_path)
    try:
        count = int(limit)
    except ValueError:
        count = 0
    if count < 1:
        raise BadInput(f"--limit is {limit!r:.80}, but must be a number of runs such as 20")
    where = None if destination_path is None else known.default_destination_path
    records = list(itertools.islice(shelf.newest(where), count))
    text = tables.history_text(records) if records else f"no run is known in {shelf.directory()}"
    return Result("history", report=text, details={"runs": [record.summary() for record in records]})


@murder_task(
    help={
        "run": "The run's id, the beginning or the end of it, or `last`.",
        "report": "Write it as one HTML page to this file.",
    }
)
def show(c: GroupContext, /, run: str, report: AnyPath | None = None, **settings: Any) -> Result:
    """Show what came of one run: stages, hosts, bytes, failures; asks no host."""
    from .history import chronicle, shelf, tables
    from .results import Result

    record = shelf.find(run)
    text = tables.run_text(record)
    if report is not None:
        path = chronicle.check_report_path(os.fspath(report))
        chronicle.write_page(record, path)
        text += f"\nthe report is {path}"
    return Result(
        "show",
        tag=record.tag,
        destination=record.destination,
        digest=record.digest,
        report=text,
        details={"record": record.fields()},
    )


TASKS = (status, history, show)
