"""What an agent says about itself: JSON lines on stdout for programs, a line a second for people."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import TYPE_CHECKING, Any, TextIO

from ..units import shown_size

if TYPE_CHECKING:  # a wrong argument is reported before Twisted is imported
    from .torrent import Progress

#: Seconds between two progress reports.
INTERVAL = 1.0


class Report:
    """
    Where events go.

    With *json*, each is one object a line on *out*, with `event` and `time` (Unix seconds). Without, a person
    reads *err*.
    """

    def __init__(self, *, json: bool, out: TextIO | None = None, err: TextIO | None = None) -> None:
        self._json = json
        self._out = out or sys.stdout
        self._err = err or sys.stderr
        self._last: tuple[object, ...] = ()

    def event(self, event: str, text: str, **fields: Any) -> None:
        """Report that something happened: *fields* to a program, *text* to a person."""
        if self._json:
            line = json.dumps({"event": event, "time": round(time.time(), 3), **fields})
            self._say(line, self._out)
        elif text:
            self._say(text, self._err)

    def result(self, event: str, text: str, **fields: Any) -> None:
        """Report what the command was run for: like `event`, but a person finds it on stdout."""
        if self._json:
            self.event(event, text, **fields)
        else:
            self._say(text, self._out)

    def progress(self, progress: Progress, tracker_problem: str | None = None) -> None:
        """Report how far a torrent is; to a person only once something moved, or somebody came or went."""
        moved = (progress.bytes, progress.bytes_uploaded, progress.peers, tracker_problem)
        text = progress_line(progress)
        if tracker_problem is not None:
            text += f"  (tracker: {tracker_problem})"
        self.event("progress", "" if moved == self._last else text, **progress._asdict())
        self._last = moved
        if self._json and tracker_problem is not None:
            self.event("tracker", "", reason=tracker_problem)

    def _say(self, line: str, out: TextIO) -> None:
        try:
            print(line, file=out, flush=True)
        except BrokenPipeError:
            # Nobody reads any more; the transfer was asked for all the same, and others may depend on it.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, out.fileno())
            os.close(nowhere)


def progress_line(progress: Progress) -> str:
    """Return *progress* as a person wants it: how much, of how much, how fast, from how many."""
    share = 100 * progress.bytes // progress.length if progress.length else 100
    done = f"{share:3d} %  {shown_size(progress.bytes)} of {shown_size(progress.length)}"
    speed = f"down {shown_size(progress.rate)}/s, up {shown_size(progress.upload_rate)}/s"
    return f"{done}  {speed}  {progress.peers} peer{'' if progress.peers == 1 else 's'}"
