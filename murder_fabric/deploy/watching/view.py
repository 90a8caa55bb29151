"""What the operator sees while a run goes on: a line a stage, and on a terminal the fleet as it is now."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol, TextIO

from ..outcome import Outcome
from .fleet_state import FleetState
from .screen import Screen

#: Seconds between two progress lines where nobody watches.
QUIET_INTERVAL = 10.0


class Observer(Protocol):
    """Who notes what happens besides those who look at it."""

    def stage_ended(self, fleet: FleetState, name: str, said: str, *, began: float, now: float) -> None:
        """A stage is over; *said* is empty where it came to no good end."""

    def heard(self, fleet: FleetState, *, now: float) -> None:
        """A host has told how far it is."""


class View:
    """
    Writes to *stream*, which is stderr, as stdout is for records; to nobody where it is None.

    Once it cannot be written to, nobody is told any more, and what is under way goes on.

    Args:
        quiet: nothing is said but what somebody should know or do.
    """

    def __init__(self, stream: TextIO | None, *, quiet: bool = False) -> None:
        self._stream = stream
        #: Whether nothing is said but what somebody should know or do.
        self.is_quiet = quiet
        self._screen: Screen | None = None
        self._shown_at = 0.0
        self._begun: dict[str, float] = {}
        #: What the hosts do; who hears them says it to this.
        self.fleet = FleetState(Outcome(()))
        #: They are told of stages and of what hosts say.
        self.observers: list[Observer] = []

    @contextmanager
    def watch(self, outcome: Outcome) -> Iterator[None]:
        """Follow the hosts of *outcome*; meanwhile a terminal shows what they do."""
        self.fleet = FleetState(outcome)
        self._begun.clear()  # a run before this one may have ended while it began
        if self._stream is None or self.is_quiet or not _can_draw(self._stream):
            yield
            return
        with Screen(self._stream, self.fleet) as self._screen:
            try:
                yield
            finally:
                self._screen = None

    def say(self, text: str) -> None:
        """Write a line that stays."""
        if self._screen is not None:
            self._screen.say(text)
        else:
            self._write(text)

    def remark(self, text: str) -> None:
        """Write a line that stays, unless only what matters is to be said."""
        if not self.is_quiet:
            self.say(text)

    def begin(self, name: str) -> None:
        """Let stage *name* begin now: what comes before its body counts, and may show progress."""
        self._shown_at = self._begun[name] = time.monotonic()
        self.fleet.begun(name, now=self._shown_at)

    @contextmanager
    def stage(self, name: str) -> Iterator[list[str]]:
        """Time a stage; what the body puts into the list is said of it at the end, if it comes to an end."""
        if name not in self._begun:
            self.begin(name)
        began, self._shown_at = self._begun.pop(name), time.monotonic()
        said: list[str] = []
        try:
            yield said
        except BaseException:
            self._ended(name, "", began)
            raise
        self._ended(name, "; ".join(said) or "done", began)

    def progress(self, text: str) -> None:
        """Say how far the stage is, now and then."""
        self.fleet.said = text
        self._now_and_then()

    def brought(self, host: str, sent: int, total: int) -> None:
        """Of *total* bytes that go to *host* over SSH, *sent* have arrived: show that now and then."""
        self.fleet.brought(host, sent, total, now=time.monotonic())
        self._now_and_then()

    def asked(self, hosts: Iterable[str], done: str = "have answered") -> None:
        """*hosts* were asked something: show how many of them have *done* it, now and then."""
        self.fleet.asked(hosts, done)

    def answered(self, host: str) -> None:
        """*host* did what it was asked."""
        self.fleet.answered(host)
        self._now_and_then()

    def heard(self, host: str, fields: Mapping[str, Any]) -> None:
        """*host* sent a `progress` record of `control.Join`: show how far all are, now and then."""
        now = time.monotonic()
        self.fleet.heard(host, fields, now=now)
        for observer in self.observers:
            observer.heard(self.fleet, now=now)
        self._now_and_then()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Let somebody else write to the terminal: a task of the user's own."""
        if self._screen is None:
            yield
            return
        with self._screen.aside():
            yield

    def _ended(self, name: str, said: str, began: float) -> None:
        now = time.monotonic()
        self.fleet.ended()
        for observer in self.observers:
            observer.stage_ended(self.fleet, name, said, began=began, now=now)
        self.remark(f"  {name:<9}{said or 'not finished'} ({now - began:.1f} s)")

    def _now_and_then(self) -> None:
        now, stage = time.monotonic(), self.fleet.stage
        if stage and self._screen is None and now - self._shown_at >= QUIET_INTERVAL:
            self._shown_at = now
            self.remark(f"  {stage:<9}{', '.join(self.fleet.look(now=now).summary())}")

    def _write(self, text: str) -> None:
        if self._stream is None:
            return
        try:
            print(text, file=self._stream, flush=True)
        except OSError:  # a closed terminal, a pipe that nobody reads: no reason to leave hosts half done
            self._stream = None


def _can_draw(stream: TextIO) -> bool:
    """Return whether *stream* is a terminal whose lines can be written again."""
    return stream.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")
