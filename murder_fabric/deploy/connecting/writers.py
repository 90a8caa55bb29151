"""Sends to many channels with a few threads, so that a host that does not read holds up nobody else."""

from __future__ import annotations

import collections
import queue
import socket
import threading
from collections.abc import Callable

from paramiko import Channel, SSHException

from .local_agent import LocalAgent
from .room import start_thread

#: Paramiko sends at most one packet at a time anyhow.
PART_LENGTH = 32 * 1024


class Outgoing:
    """What is still to be sent to one host, in order."""

    def __init__(self, channel: Channel | LocalAgent, on_broken: Callable[[], None]) -> None:
        """*on_broken* is called once nothing more can be sent, from a writer's thread."""
        # Without a timeout Paramiko waits for the host to read; with 0 it says at once that it would wait.
        channel.settimeout(0.0)
        self._channel = channel
        self._on_broken = on_broken
        self._parts: collections.deque[bytes] = collections.deque()
        self._sent = 0
        self._lock = threading.Lock()
        self._scheduled = False

    def add(self, parts: tuple[bytes, ...]) -> bool:
        """Append *parts*; return whether a writer must be woken for it."""
        with self._lock:
            self._parts += [part for part in parts if part]
            wake = bool(self._parts) and not self._scheduled
            self._scheduled = self._scheduled or wake
            return wake

    @property
    def idle(self) -> bool:
        """Whether everything was handed to SSH."""
        return not self._parts

    def advance(self) -> bool:
        """Send until all is sent or the host's window is full; return whether it is full."""
        while True:
            with self._lock:
                if not self._parts:
                    self._scheduled = False
                    return False
                part = self._parts[0]
            try:
                count = self._channel.send(part[self._sent : self._sent + PART_LENGTH])
            except socket.timeout:
                return True
            except (OSError, EOFError, SSHException):
                count = 0
            if not count:
                with self._lock:
                    self._parts.clear()
                self._on_broken()
                continue
            self._sent += count
            if self._sent == len(part):
                self._sent = 0
                with self._lock:
                    self._parts.popleft()


class Writers:
    """The threads that send; `retry` must be called now and then while `blocked`."""

    def __init__(self, count: int) -> None:
        self._queue: queue.SimpleQueue[Outgoing | None] = queue.SimpleQueue()
        self._blocked: collections.deque[Outgoing] = collections.deque()
        self._count = count
        for _ in range(count):
            start_thread(self._work, "ssh-write")

    def send(self, outgoing: Outgoing, *parts: bytes) -> None:
        """Send *parts* after all that was sent before; returns at once."""
        if outgoing.add(parts):
            self._queue.put(outgoing)

    @property
    def blocked(self) -> bool:
        """Whether some host does not read as fast as we send."""
        return bool(self._blocked)

    def retry(self) -> None:
        """Try again where the window was full: Paramiko does not tell when it opens."""
        for _ in range(len(self._blocked)):
            self._queue.put(self._blocked.popleft())

    def stop(self) -> None:
        """Let the threads end once they have sent what they can."""
        for _ in range(self._count):
            self._queue.put(None)

    def _work(self) -> None:
        while (outgoing := self._queue.get()) is not None:
            if outgoing.advance():
                self._blocked.append(outgoing)
