"""
One command of the operator's own: `sh -c`, in a process group that can be ended as a whole.

It runs in the destination, with this process's environment and

    MURDER_DESTINATION   /srv/app
    MURDER_TAG           v2, empty where no release is meant
    MURDER_RELEASE       /srv/app/releases/v2, empty with the tag
    MURDER_PREVIOUS      v1: what `current` was before; empty for nothing
    MURDER_HOOK          before_switch and so on, or health_check
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Mapping

from ..errors import MurderError
from .destination import Destination

#: Seconds between two looks at a command that says nothing.
_POLL = 0.05
#: Seconds for a command that is asked to end, before it is killed.
_MERCY = 2.0
#: Bytes that are kept of what it says, from the end.
_KEPT = 2000
#: Bytes of these that are told where it failed: the reason stands at the end.
_TAIL = 300


def environment(destination: Destination, tag: str, previous: str, hook: str) -> dict[str, str]:
    """Return the variables of a command, those of this process included."""
    own = {
        "MURDER_DESTINATION": destination.path,
        "MURDER_TAG": tag,
        "MURDER_RELEASE": destination.release(tag) if tag else "",
        "MURDER_PREVIOUS": previous,
        "MURDER_HOOK": hook,
    }
    return {**os.environ, **own}


class Command:
    """
    A command to be run once, by `run` in a thread of its own; `end` may come from any other.

    What it leaves in the background goes on, unless it was ended; its output then goes nowhere.
    """

    def __init__(self, text: str, variables: Mapping[str, str], directory: str) -> None:
        self._text = text
        self._variables = variables
        self._directory = directory
        self._ended = threading.Event()
        self._why = ""
        self._tail = bytearray()
        self._cut = False

    def end(self, why: str) -> None:
        """Let it end, because of *why*."""
        self._why = self._why or why
        self._ended.set()

    def run(self) -> None:
        """
        Run it to its end.

        Raises:
            MurderError: it did not end with 0; says how it ended, and the end of what it said.
        """
        try:
            process = subprocess.Popen(
                ["/bin/sh", "-c", self._text],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=self._directory,
                env=self._variables,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:  # no such directory, no process left, a NUL
            raise MurderError(f"`{self._text}` could not be started: {error}") from None
        try:
            self._follow(process)
        finally:
            if self._ended.is_set():
                _end_group(process)
            status = process.wait()
            assert process.stdout is not None
            process.stdout.close()
        if self._ended.is_set():
            raise MurderError(f"`{self._text}` was ended: {self._why}{self._why_said()}")
        if status:
            how = f"by signal {-status}" if status < 0 else f"with exit code {status}"
            raise MurderError(f"`{self._text}` ended {how}{self._why_said()}")

    def _follow(self, process: subprocess.Popen[bytes]) -> None:
        """Read what it says until it has ended; what it left behind may hold its output open for ever."""
        assert process.stdout is not None
        output = process.stdout.fileno()
        with selectors.DefaultSelector() as selector:
            selector.register(output, selectors.EVENT_READ)
            while not self._ended.is_set():
                gone = _has_ended(process)
                if selector.select(0 if gone else _POLL):
                    # As much as a pipe holds: after its end one look has all that it said itself.
                    data = os.read(output, 1 << 16)
                    if not data:
                        selector.unregister(output)
                    self._tail += data
                    self._cut = self._cut or len(self._tail) > _KEPT
                    del self._tail[:-_KEPT]
                if gone:
                    return

    @property
    def said(self) -> list[str]:
        """The last lines of what it wrote; the first begins with … where there was more."""
        return (("…" if self._cut else "") + self._tail.decode("utf-8", "replace").strip()).splitlines()

    def _why_said(self) -> str:
        said = self._tail[-_TAIL:].decode("utf-8", "replace").strip()
        return f": {said}" if said else ""


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End a command and what it started, politely and then not; the number is its own until the wait."""
    _signal_group(process, signal.SIGTERM)
    deadline = time.monotonic() + _MERCY
    while not _has_ended(process) and time.monotonic() < deadline:
        time.sleep(_POLL)
    _signal_group(process, signal.SIGKILL)


def _signal_group(process: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Say whether it has ended, and leave it to be waited for."""
    options = os.WEXITED | os.WNOHANG | os.WNOWAIT
    return os.waitid(os.P_PID, process.pid, options) is not None
