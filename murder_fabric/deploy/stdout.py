"""What is printed on stdout, where perhaps nobody reads any more: `murder history | head -1` ends quietly."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from invoke.exceptions import Exit


def show(text: str) -> None:
    """Print *text*; that nobody reads on is no fault, and changes nothing of how a run ends."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        _write_nowhere()


@contextmanager
def for_who_reads() -> Iterator[None]:
    """
    See to what Invoke prints of its own: help, versions, the list of tasks.

    Raises:
        Exit: with code 0, if nobody reads on.
    """
    try:
        try:
            yield
        finally:  # else what is still buffered breaks when the interpreter ends, with a complaint
            print(end="", flush=True)
    except BrokenPipeError:
        _write_nowhere()
        raise Exit from None


def _write_nowhere() -> None:
    """Drop what is buffered, and what comes; the descriptor stays taken, so that no other file gets it."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
