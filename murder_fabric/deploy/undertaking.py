"""What a task is about to do, decided before any host is asked; and the one way from there to a `Result`."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import HostsFailed, Interrupted, MurderError
from ..units import counted
from .executor import GroupContext
from .ranges import fold
from .roles import HERE
from .settings import Settings
from .watching.view import View

if TYPE_CHECKING:
    from .muster import Muster
    from .outcome import Outcome
    from .results import Result


#: How things are when Ctrl-C comes before any agent was asked anything.
_NOT_BEGUN = "interrupted while connecting; no host was changed"


@dataclass(frozen=True)
class Undertaking:
    """What a task has made of its arguments."""

    #: What is about to be done, for who watches.
    aim: str
    settings: Settings
    #: Those the task is about, and that decide how it ends.
    hosts: Sequence[str]
    #: Does it, from the greeting on, and returns the sentence that the task ends with.
    steps: Callable[[Muster], str]
    #: Those that are needed for it.
    others: Sequence[str] = ()
    tag: str = ""
    destination: str = ""
    #: How things are when Ctrl-C comes while the steps are gone through.
    interrupted: str = "interrupted; what this task had started ends, what ran before goes on"
    #: It may take long: in the end it is said how long it took.
    is_long: bool = False
    #: Done before anybody is connected to.
    first: Callable[[], None] = lambda: None
    #: It changes hosts: what came of it is kept here (`murder.history`), and who never answered said again.
    is_recorded: bool = False
    #: What `--dry` says, line by line.
    plan: Callable[[], Sequence[str]] = tuple
    #: What should be known before it begins, line by line.
    notes: Sequence[str] = ()
    #: Which hosts were named that it is not about, and why: without them not all is done that was asked.
    left_out: str = ""
    #: Where a page about it is to be written; empty for none.
    report_path: str = ""


def carry_out(task: str, context: GroupContext, undertaking: Undertaking, view: View) -> Result:
    """
    Connect to the hosts, go through the steps with them, and say what came of it.

    Args:
        task: its name, for the result.

    Raises:
        HostsFailed: some or all hosts failed; which and why has been said.
        Interrupted: Ctrl-C.
        MurderError: any other reason why it ended; this and each other error has a `result`.
    """
    from .history import shelf
    from .history.chronicle import Chronicle
    from .outcome import Outcome
    from .results import result_of

    outcome, began = Outcome(undertaking.hosts), time.monotonic()
    outcome.tag, outcome.destination = undertaking.tag, undertaking.destination
    view.remark(f"murder: {undertaking.aim}")
    for line in undertaking.notes:
        view.say(f"  {line}")
    if context.config.run.dry:
        return result_of(outcome, task, _planned(undertaking, view), 0.0)
    outcome.run_id = shelf.new_id(time.time(), secrets.token_bytes(shelf.CHANCE))
    chronicle = Chronicle(task, undertaking, view, outcome.run_id) if undertaking.is_recorded else None
    result: Result | None = None
    course = _Course(undertaking)
    try:
        with course.explained(), view.watch(outcome):
            if chronicle is not None:
                chronicle.begin()
            said = _go_through(context, course, outcome, view)
        how_long = f" ({time.monotonic() - began:.1f} s)" if undertaking.is_long else ""
        view.remark(f"murder: {said}{how_long}")
        if outcome.lost or undertaking.left_out:
            raise HostsFailed(_complaint(undertaking, outcome))
        result = result_of(outcome, task, said, time.monotonic() - began)
    except MurderError as error:
        error.result = result = result_of(
            outcome, task, str(error), time.monotonic() - began, error.exit_code
        )
        raise
    finally:
        if chronicle is not None:
            took = time.monotonic() - began
            chronicle.end(
                result or result_of(outcome, task, "a fault of murder_fabric ended it", took, 1), outcome
            )
    return result


def _planned(undertaking: Undertaking, view: View) -> str:
    """Say what would be done; return the sentence that a dry run ends with."""
    for line in undertaking.plan():
        view.say(f"  {line}")
    said = "dry run: no host was touched"
    view.say(said)
    return said


class _Course:
    """How far *undertaking* has come, for whoever interrupts it."""

    def __init__(self, undertaking: Undertaking) -> None:
        self.undertaking = undertaking
        self.has_begun = False
        #: What its steps ended with.
        self._ended: str | MurderError = ""

    def steps(self, muster: Muster) -> str:
        """Go through the steps."""
        try:
            self._ended = said = self.undertaking.steps(muster)
        except MurderError as error:
            self._ended = error
            raise
        return said

    @contextmanager
    def explained(self) -> Iterator[None]:
        """
        Say how things are where Ctrl-C comes: also when the steps are over, and only connections end.

        Raises:
            Interrupted: Ctrl-C came.
            MurderError: it came when this had ended the steps.
        """
        try:
            yield
        except KeyboardInterrupt:
            if isinstance(self._ended, MurderError):
                raise self._ended from None
            if self._ended:
                raise Interrupted(f"interrupted when all was done: {self._ended}") from None
            error = Interrupted(self.undertaking.interrupted if self.has_begun else _NOT_BEGUN)
            error.is_left = self.has_begun
            raise error from None


def _go_through(context: GroupContext, course: _Course, outcome: Outcome, view: View) -> str:
    from .connecting.bundle import build_bundle
    from .connecting.remote import open_channels
    from .muster import Muster
    from .outcome import grouped

    undertaking = course.undertaking
    settings, hosts = undertaking.settings, dict.fromkeys([*undertaking.hosts, *undertaking.others])
    with view.aside():
        undertaking.first()
    bundle = build_bundle()
    view.begin("connect")  # which ends with the greeting
    keys: dict[str, str] = {}  # written by threads that connect
    gateways = context.gateways(keys.__setitem__)
    connections = {host: gateways.connection(context.kwargs_of(host)) for host in hosts if host != HERE}

    def show(count: int) -> None:
        view.progress(f"{count} of {counted(len(connections), 'host')} let us in")

    try:
        opened = open_channels(gateways, connections, settings, bundle, show, here=HERE in hosts)
    finally:
        for line in grouped(dict(keys)):
            view.say(f"  {line}")
    with opened as channels:
        course.has_begun = True
        muster = Muster(channels, outcome, view)
        try:
            return course.steps(muster)
        finally:
            # What was said as it connected has gone up the screen since, if there were many lines.
            is_far_up = undertaking.is_recorded and not view.is_quiet
            for line in outcome.complaints(but=() if is_far_up else muster.silent):
                view.say(f"  {line}")


def _complaint(undertaking: Undertaking, outcome: Outcome) -> str:
    """Return what is said of a task that came to its end without some of the hosts that were named."""
    from .outcome import HostState

    lost = outcome.lost
    if not lost:
        return undertaking.left_out
    allowed = undertaking.settings.failures_allowed(len(outcome.by_host()))
    as_allowed = ", as was allowed" * bool(outcome.hosts(HostState.SWITCHED) and len(lost) <= allowed)
    said = f"{fold(lost)} failed{as_allowed}; put that right and run the same command again"
    return f"{said}. {undertaking.left_out}" if undertaking.left_out else said
