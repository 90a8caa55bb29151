"""What is kept and told of a run besides what is on the screen; nothing of it can make a run fail."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
from typing import TYPE_CHECKING

from ...errors import BadInput, Interrupted, StorageError, quoted
from ...units import counted
from ..ending import uninterrupted
from ..outcome import HostState, Outcome
from ..ranges import fold
from ..results import Result
from ..trust import certificates
from ..wanted import operator_name
from ..watching.view import View
from . import shelf
from .exchange import exchange_of
from .notices import Notices
from .page import page
from .record import HostRecord, RunRecord
from .recording import Recording

if TYPE_CHECKING:
    from ..undertaking import Undertaking


class Chronicle:
    """
    Follows one run from `begin` to `end`.

    Args:
        task: its name.
        view: told what could not be kept, and observed.
        run_id: what it is called.

    Raises:
        BadInput: `murder.ca_file` is wrong, and is needed for the webhook.
    """

    def __init__(self, task: str, undertaking: Undertaking, view: View, run_id: str) -> None:
        self._undertaking = undertaking
        self._view = view
        self._begun = _beginning(task, undertaking, run_id)
        self._recording = Recording(now=time.monotonic())
        self._notices = self._told()
        view.observers.append(self._recording)
        if self._notices is not None:
            view.observers.append(self._notices)

    def begin(self) -> None:
        """Keep a record, for the case that the run is killed; where that cannot be, `end` says so."""
        with contextlib.suppress(StorageError, BadInput):
            shelf.keep(self._begun)

    def _told(self) -> Notices | None:
        """Tell the webhook, if there is one, that the run begins."""
        begun, settings = self._begun, self._undertaking.settings
        if not settings.webhook:
            return None
        facts = {
            "run": begun.id,
            "task": begun.task,
            "tag": begun.tag or None,
            "destination": begun.destination,
            "operator": begun.operator,
            "hosts": len(begun.hosts),
        }
        subject = f"{begun.task}{f' of {begun.tag}' * bool(begun.tag)} to {begun.destination}"
        notices = Notices(settings.webhook, certificates(settings), subject, facts)
        named = f"{fold(begun.hosts)} ({counted(len(begun.hosts), 'host')})"
        notices.tell("start", f"begun by {begun.operator} on {named}")
        return notices

    def end(self, result: Result, outcome: Outcome) -> None:
        """
        Keep the record of the run, write the page that was asked for, and tell the webhook.

        Raises:
            KeyboardInterrupt: Ctrl-C came meanwhile; all of it was done.
        """
        self._view.observers.remove(self._recording)
        try:
            with uninterrupted():
                record = self._record(result, outcome)
                self._tell_end(record)
                self._keep(record)
        finally:
            in_haste = result.exit_code == Interrupted.exit_code
            if self._notices is not None and (problem := self._notices.close(in_haste=in_haste)):
                self._view.say(f"  {problem}")

    def _keep(self, record: RunRecord) -> None:
        try:
            shelf.keep(record)
        except (StorageError, BadInput) as error:
            self._view.say(f"  the record of this run could not be kept: {error}")
        path = self._undertaking.report_path
        if path:
            try:
                write_page(record, path)
                self._view.remark(f"  the report is {path}")
            except StorageError as error:
                self._view.say(f"  {error}")

    def _tell_end(self, record: RunRecord) -> None:
        if self._notices is None:
            return
        self._view.observers.remove(self._notices)
        facts = {"exit_code": record.exit_code, "seconds": record.seconds, "failed": record.failed}
        self._notices.tell("failure" if record.exit_code else "finish", _ending(record), **facts)

    def _record(self, result: Result, outcome: Outcome) -> RunRecord:
        hosts = {
            host: HostRecord(
                one.state.value, one.error, one.bytes_moved, one.bytes_reused, round(one.seconds, 3)
            )
            for host, one in outcome.by_host().items()
        }
        return dataclasses.replace(
            self._begun,
            seconds=round(result.seconds, 3),
            exit_code=result.exit_code,
            message=result.message,
            tag=result.tag,
            destination=result.destination,
            digest=result.digest,
            length=self._recording.length,
            seeders=list(outcome.seeders),
            hosts=hosts,
            uploads=dict(outcome.uploads),
            stages=self._recording.stages,
            samples=self._recording.samples,
            exchange=exchange_of(list(hosts), outcome.received),
        )


def _beginning(task: str, planned: Undertaking, run_id: str) -> RunRecord:
    """Return what is known of a run that begins; where it is killed, it is the last one all the same."""
    return RunRecord(
        run_id,
        task,
        operator_name(),
        round(time.time(), 3),
        seconds=0.0,
        exit_code=None,
        message="it has not ended yet, or was killed before it could say how",
        tag=planned.tag,
        destination=planned.destination,
        digest="",
        length=0,
        seeders=(),
        hosts=dict.fromkeys(planned.hosts, HostRecord(HostState.WAITING.value)),
    )


def _ending(record: RunRecord) -> str:
    """Return how a run ended, for those who see nothing else of it."""
    there = record.count(record.aim)
    if not record.exit_code or not there or record.aim != "switched":
        return record.message
    return f"{there} of {counted(len(record.hosts), 'host')} switched, but {record.message}"


def write_page(record: RunRecord, path: str) -> None:
    """
    Write the page of *record*, whole or not at all; others may read it, as it is there to be shown.

    Raises:
        StorageError: it cannot be written there.
    """
    try:
        shelf.write(path, page(record), 0o644)
    except OSError as error:
        raise StorageError(f"the report could not be written to {path}: {error.strerror}") from None


def check_report_path(path: str) -> str:
    """
    Return where the page is to be written, absolute; behind a link, as the link is to stay one.

    Raises:
        BadInput: nothing can be written there.
    """
    if not path:
        raise BadInput("--report is empty; name a file, such as --report out.html")
    path = os.path.realpath(os.path.expanduser(path))
    shown = quoted(path)
    if os.path.isdir(path):
        raise BadInput(f"--report {shown} is a directory; name a file in it. No host was touched")
    if os.path.exists(path) and not os.path.isfile(path):  # what is there gives way: for root /dev/null too
        raise BadInput(f"--report {shown} is no file that a page could replace; no host was touched")
    if not os.access(os.path.dirname(path), os.W_OK | os.X_OK):
        raise BadInput(f"--report {shown}: nothing can be written there; no host was touched")
    return path
