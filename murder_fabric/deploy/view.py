"""What the operator sees while a run goes on: a line a stage, and on a terminal one that moves."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

#: Seconds between two progress lines where nobody watches.
QUIET_INTERVAL = 10.0
#: Seconds between two changes of the moving line.
LIVE_INTERVAL = 0.2


class View:
    """
    Writes to *stream*, which is stderr, as stdout is for records; to nobody where it is None.

    Once it cannot be written to, nobody is told any more, and what is under way goes on.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._live = stream is not None and stream.isatty()
        self._shown_at = 0.0
        self._moving = False
        self._begun: dict[str, float] = {}

    def say(self, text: str) -> None:
        """Write a line that stays."""
        self._clear()
        self._write(text, "\n")

    def begin(self, name: str) -> None:
        """Let stage *name* begin now: what comes before its body counts, and may show progress."""
        self._name = name
        self._shown_at = self._begun[name] = time.monotonic()

    @contextmanager
    def stage(self, name: str) -> Iterator[list[str]]:
        """Time a stage; what the body puts into the list is said of it at the end, if it comes to an end."""
        self._shown_at = time.monotonic()
        began = self._begun.pop(name, self._shown_at)
        self._name = name
        said: list[str] = []
        try:
            yield said
        except BaseException:
            took = time.monotonic() - began
            self.say(f"  {name:<9}not finished ({took:.1f} s)")
            raise
        took = time.monotonic() - began
        self.say(f"  {name:<9}{'; '.join(said) or 'done'} ({took:.1f} s)")

    def progress(self, text: str) -> None:
        """Say how far the stage is, now and then."""
        now = time.monotonic()
        if now - self._shown_at < (LIVE_INTERVAL if self._live else QUIET_INTERVAL):
            return
        self._shown_at = now
        if self._live:
            self._moving = True
            self._write(f"\r\033[K  {self._name:<9}{text}")
        else:
            self.say(f"  {self._name:<9}{text}")

    def _clear(self) -> None:
        if self._moving:
            self._moving = False
            self._write("\r\033[K")

    def _write(self, text: str, end: str = "") -> None:
        if self._stream is None:
            return
        try:
            print(text, end=end, file=self._stream, flush=True)
        except OSError:  # a closed terminal, a pipe that nobody reads: no reason to leave hosts half done
            self._stream, self._live = None, False
