"""Starting the reactor, and ending in order: the one place that knows the global one."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from ..errors import MurderError


def run(main: Callable[[Any], Coroutine[Any, Any, int]]) -> int:
    """
    Run `main(reactor)` until it returns the exit code; SIGINT and SIGTERM cancel it, and it may clean up.

    Raises:
        MurderError: what *main* raised.
    """
    from twisted.internet import reactor

    the_reactor: Any = reactor
    the_reactor.seconds = time.monotonic  # Twisted's own is the wall clock, which somebody may set
    outcome: list[int | Failure] = []
    running: list[Deferred[int]] = []

    def start() -> None:
        deferred = Deferred.fromCoroutine(main(the_reactor))
        running.append(deferred)
        deferred.addBoth(outcome.append)
        deferred.addBoth(lambda _: the_reactor.running and not stopping and the_reactor.stop())

    stopping: list[bool] = []

    def stop() -> Deferred[int] | None:
        stopping.append(True)
        if not running or outcome:
            return None
        running[0].cancel()
        return running[0]

    def leave() -> None:
        ended = outcome[0] if outcome else None
        _leave_threads(the_reactor.threadpool, _exit_code(ended))

    the_reactor.callWhenRunning(start)
    the_reactor.addSystemEventTrigger("before", "shutdown", stop)
    # Before the reactor waits for its threads, which it asks for later than we do.
    the_reactor.addSystemEventTrigger("during", "shutdown", leave)
    the_reactor.run()
    ended = outcome[0] if outcome else 130
    code = _exit_code(ended)
    if code is not None:
        return code
    assert isinstance(ended, Failure)
    if isinstance(ended.value, MurderError):
        raise ended.value
    ended.raiseException()


def _exit_code(ended: int | Failure | None) -> int | None:
    """Return what the process ends with, or None where an error is still to be told."""
    if isinstance(ended, Failure):
        return 130 if isinstance(ended.value, CancelledError) else None
    return ended


def _leave_threads(pool: Any, code: int | None) -> None:
    """
    Let no thread of *pool* keep the process: end it here with *code* where one works.

    A thread that hashes a large tree cannot be told to stop; killing it is as safe as a crash would be.
    Not so while an error is still to be told (None): its thread may count as working for a moment more.
    """
    if pool is None:
        return
    if code is not None and pool.working:
        os._exit(code)
    # Threads that the kernel did not let us have cannot be waited for.
    pool.threads[:] = [thread for thread in pool.threads if thread.ident is not None]
