"""The part of a terminal that is drawn again ten times a second; lines that stay go above it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO, cast

from .fleet_state import FleetState

if TYPE_CHECKING:
    from rich.live import Live

#: Seconds between two pictures.
INTERVAL = 0.1
#: A task that is over sooner draws nothing, and does not pay for loading what draws.
PATIENCE = 0.5


class _Unbroken:
    """A terminal that may be closed: what is written to it then goes nowhere, and stops nobody."""

    def __init__(self, stream: TextIO) -> None:
        self._stream: TextIO | None = stream
        self.encoding = getattr(stream, "encoding", None) or "ascii"

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        if self._stream is None:
            raise OSError
        return self._stream.fileno()

    def write(self, text: str) -> int:
        try:
            if self._stream is not None:
                self._stream.write(text)
        except (OSError, ValueError):
            self._stream = None
        return len(text)

    def flush(self) -> None:
        try:
            if self._stream is not None:
                self._stream.flush()
        except (OSError, ValueError):
            self._stream = None


class Screen:
    """
    Shows *fleet* at the end of *stream*, a terminal, from entry to exit; what was drawn is gone then.

    A thread draws; `say` and `aside` may be called by any.
    """

    def __init__(self, stream: TextIO, fleet: FleetState) -> None:
        self._stream = _Unbroken(stream)
        self._fleet = fleet
        self._live: Live | None = None
        #: Held by whoever writes.
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._draw, daemon=True, name="screen")

    def __enter__(self) -> Screen:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        self._thread.join()

    def say(self, text: str) -> None:
        """Write a line that stays."""
        with self._lock:
            if self._live is None:
                self._stream.write(f"{text}\n")
                self._stream.flush()
            else:
                self._live.console.out(text, highlight=False)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Draw nothing for a while, and let others write."""
        with self._lock:
            if self._live is not None:
                self._live.stop()
            try:
                yield
            finally:
                if self._live is not None:
                    self._live.start()

    def _draw(self) -> None:
        if self._over.wait(PATIENCE):
            return
        from .drawing import Picture, live

        with self._lock:
            self._live = live(cast(TextIO, self._stream))
            self._live.start()
        try:
            while not self._over.wait(INTERVAL):
                with self._lock:
                    self._live.update(Picture(self._fleet.look(now=time.monotonic())), refresh=True)
        finally:  # whatever cannot be drawn: the cursor comes back, and lines are written as without us
            with self._lock:
                self._live.stop()
                self._live = None
