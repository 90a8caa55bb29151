"""What ends a process from outside, taken as Ctrl-C is: hosts go back, and nothing of ours stays."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

#: How a service or a CI runner ends what it started, and a terminal that is closed.
SIGNALS = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """
    Let Ctrl-C, and what else would raise an exception in this thread, come when the block is over.

    Where we are not in the main thread nothing does, and nothing is changed.
    """
    came: list[int] = []

    def wait(number: int, frame: FrameType | None) -> None:
        came.append(number)

    is_main = threading.current_thread() is threading.main_thread()
    before = {
        number: handler
        for number in (signal.SIGINT, *SIGNALS)
        if is_main and callable(handler := signal.getsignal(number))
    }
    for number in before:
        signal.signal(number, wait)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for late in dict.fromkeys(came):
            signal.raise_signal(late)


@contextmanager
def signals_as_interrupts() -> Iterator[None]:
    """
    Raise KeyboardInterrupt for a signal of `SIGNALS` that would else end this process at once.

    This is for the command line, whose process it is. What has a meaning already, as under `nohup`, keeps it;
    and so do all where we are not in the main thread, which alone may change that.
    """
    is_main = threading.current_thread() is threading.main_thread()
    taken = [number for number in SIGNALS if is_main and signal.getsignal(number) is signal.SIG_DFL]

    def interrupt(number: int, frame: FrameType | None) -> None:
        # A terminal that is closed says so twice, itself and by its shell; a second Ctrl-C leaves at once.
        signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in taken:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)
