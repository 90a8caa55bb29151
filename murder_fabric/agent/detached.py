"""
Agents that stay: they answer at a Unix socket in our state directory, whoever connects.

Murder's separate tasks need them: a tracker started by one `fab` is used by the next. A state file names pid
and start time, so that a process is known by what it is and never by what it is called.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import signal
import subprocess
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectError
from twisted.internet.protocol import ClientFactory, Factory, Protocol, connectionDone
from twisted.internet.task import LoopingCall, deferLater
from twisted.python.failure import Failure

from .. import control
from ..errors import BadInput, MurderError
from .files import read_limited, write_atomically
from .records import parse_record
from .state import agent_command, state_directory

if TYPE_CHECKING:
    from .control_loop import ControlProtocol
    from .host import Host

#: Seconds a new agent has to answer, and one that is dismissed to be gone.
_START_TIMEOUT = 60.0
_STOP_TIMEOUT = 20.0
_POLL = 0.05
#: Seconds without an operator after which an agent that runs nothing ends: whoever started it failed.
_IDLE_LIFETIME = 5.0
#: `tracker`, or what it does and a tag.
_NAME = re.compile(r"[a-z]+(-(?P<tag>.+))?")


def paths_of(name: str) -> tuple[str, str, str]:
    """
    Return socket, state file and log of the agent *name*.

    Raises:
        BadInput: no agent can be called so.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise BadInput(f"no agent can be called {name!r:.120}")
    if match["tag"]:
        control.check_tag(match["tag"])
    base = os.path.join(state_directory(), name)
    # A socket's path has 107 bytes at most, and a tag alone may have 100.
    short = hashlib.sha256(name.encode()).hexdigest()[:16]
    return os.path.join(state_directory(), f"{short}.socket"), f"{base}.json", f"{base}.log"


def _bindable(socket: str) -> tuple[str, int]:
    """
    Return *socket* in a spelling that fits into a socket address, and the descriptor that it leans on.

    A home may be longer than the 107 bytes a socket's path may have.
    """
    directory = os.open(os.path.dirname(socket), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    return f"/proc/self/fd/{directory}/{os.path.basename(socket)}", directory


async def start(reactor: Any, name: str, lifetime: float) -> dict[str, Any]:
    """
    Leave an agent called *name* running, unless one is; return its pid and whether it was started.

    Raises:
        MurderError: it did not answer in time; says what it logged last.
    """
    lock = await _starting(reactor)
    try:
        pid = running_pid(name)
        if pid is not None:
            return {"pid": pid, "started": False}
        return {"pid": await _start(reactor, name, lifetime), "started": True}
    finally:
        os.close(lock)


async def _starting(reactor: Any) -> int:
    """Return a descriptor by which nobody else starts an agent: two who did so at once would get two."""
    path = os.path.join(state_directory(), "starting.lock")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return descriptor
            except BlockingIOError:
                await deferLater(reactor, _POLL)
    except BaseException:
        os.close(descriptor)
        raise


async def _start(reactor: Any, name: str, lifetime: float) -> int:
    socket, _, log = paths_of(name)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(socket)
    with open(log, "wb", opener=lambda path, flags: os.open(path, flags | os.O_NOFOLLOW, 0o600)) as output:
        process = subprocess.Popen(
            [*agent_command("detached", name), "--lifetime", str(lifetime)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            start_new_session=True,
        )
    deadline = reactor.seconds() + _START_TIMEOUT
    try:
        while running_pid(name) != process.pid:
            if process.poll() is not None or reactor.seconds() > deadline:
                said = _end_of(log) or "it says nothing"
                raise MurderError(f"the {control.spoken(name)} did not start: {said} (log: {log})")
            await deferLater(reactor, _POLL)
    except BaseException:
        process.kill()
        raise
    return process.pid


def _end_of(log: str) -> str:
    with open(log, "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - 300))
        return file.read().decode("utf-8", "replace").strip()


async def dismiss(reactor: Any, name: str) -> dict[str, Any]:
    """
    End the agent *name*; return its pid.

    Raises:
        BadInput: there is none.
        MurderError: it does not go.
    """
    pid = running_pid(name)
    if pid is None:
        raise BadInput(f"no {control.spoken(name)} is running here")
    started = start_time(pid)
    os.kill(pid, signal.SIGTERM)
    deadline = reactor.seconds() + _STOP_TIMEOUT
    while start_time(pid) == started:
        if reactor.seconds() > deadline:
            which = f"the {control.spoken(name)} (process {pid})"
            raise MurderError(f"{which} does not end; have a look at {paths_of(name)[2]}")
        await deferLater(reactor, _POLL)
    return {"pid": pid}


def running_pid(name: str) -> int | None:
    """Return the pid of the agent *name*, if it is that very process that still runs."""
    try:
        state = parse_state(read_limited(paths_of(name)[1], 4096))
    except BadInput:
        return None
    return state[0] if state is not None and start_time(state[0]) == state[1] else None


def parse_state(data: bytes) -> tuple[int, int] | None:
    """Return pid and start time that a state file tells; None where that can be those of no agent."""
    state = parse_record(data)
    pid, started = state.get("pid"), state.get("start_time")
    # Signals to 0, -1 and 1 go to our group, to everybody and to init.
    if type(pid) is int and 1 < pid < 2**31 and type(started) is int:
        return pid, started
    return None


def start_time(pid: int) -> int | None:
    """Return when a process started (clock ticks since boot), which tells it from a later one of that pid."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The second field, the name in parentheses, may hold anything, spaces too.
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if fields[0] == b"Z" else int(fields[19])


class Relays:
    """
    Passes an operator's requests on to detached agents, and their answers back as they are.

    Args:
        write: puts bytes on the operator's connection.
    """

    def __init__(self, reactor: Any, write: Callable[[bytes], None]) -> None:
        self._reactor = reactor
        self._write = write
        self._open: dict[str, _Relay] = {}

    async def send(self, name: str, message: control.Message) -> None:
        """
        Pass *message* on to the agent *name*.

        Raises:
            BadInput: it is not running.
        """
        relay = await self.open(name)
        fields = {key: value for key, value in message.fields.items() if key != "to"}
        relay.pass_on(fields, message.attached)

    async def open(self, name: str) -> _Relay:
        """
        Return the connection to the agent *name*, which is in use as long as there is one.

        Raises:
            BadInput: it is not running.
        """
        relay = self._open.get(name)
        if relay is None or relay.closed:
            relay = self._open[name] = await self._connect(name)
        return relay

    def close(self) -> None:
        """Hang up everywhere."""
        for relay in self._open.values():
            cast(Any, relay.transport).loseConnection()

    async def _connect(self, name: str) -> _Relay:
        if running_pid(name) is None:
            raise BadInput(f"no {control.spoken(name)} is running here")
        factory = _RelayFactory(name, self._write)
        path, directory = _bindable(paths_of(name)[0])
        try:
            self._reactor.connectUNIX(path, factory, timeout=5)
            return await factory.connected
        except ConnectError as error:
            raise MurderError(f"the {control.spoken(name)} does not answer: {error}") from None
        finally:
            os.close(directory)


class _Relay(Protocol):
    """One connection to a detached agent."""

    def __init__(
        self, name: str, write: Callable[[bytes], None], connected: Callable[[_Relay], None]
    ) -> None:
        self.closed = False
        self._connected = connected
        self._name = name
        self._write = write
        self._reader = control.MessageReader()
        self._waiting: set[Any] = set()

    def connectionMade(self) -> None:
        self._connected(self)

    def pass_on(self, fields: dict[str, Any], attached: bytes) -> None:
        """Send a request; its answers go to the operator."""
        self._waiting.add(fields.get("id"))
        cast(Any, self.transport).write(control.encode_message(fields, attached))

    def dataReceived(self, data: bytes) -> None:
        for message in self._reader.receive(data):
            if message.fields.get("event") == "hello":
                continue
            if message.fields.get("event") in ("done", "failed"):
                self._waiting.discard(message.fields.get("id"))
            self._write(control.encode_message(message.fields, message.attached))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.closed = True
        for number in self._waiting:
            fields = {"id": number, "event": "failed", "reason": f"{self._name} ended before it answered"}
            self._write(control.encode_message(fields))


class _RelayFactory(ClientFactory):
    """One attempt to reach a detached agent."""

    noisy = False

    def __init__(self, name: str, write: Callable[[bytes], None]) -> None:
        self.connected: Deferred[_Relay] = Deferred()
        self._name = name
        self._write = write

    def buildProtocol(self, addr: object) -> _Relay:
        return _Relay(self._name, self._write, self.connected.callback)

    def clientConnectionFailed(self, connector: object, reason: Failure) -> None:
        self.connected.errback(reason)


class _Operators(Factory):
    """Takes operators' connections for *host*, and knows how long there has been none."""

    noisy = False

    def __init__(self, host: Host, clock: Any) -> None:
        self._host = host
        self._clock = clock
        self._connected = 0
        self._left_at = clock.seconds()

    def unused_for(self) -> float:
        """Return the seconds since the last operator left; 0 while there is one."""
        return 0.0 if self._connected else self._clock.seconds() - self._left_at

    def buildProtocol(self, addr: object) -> ControlProtocol:
        from .control_loop import ControlProtocol

        protocol = ControlProtocol(self._host, self._clock, forward=False)
        self._connected += 1
        protocol.lost.addCallback(self._left)
        return protocol

    def _left(self, _: None) -> None:
        self._connected -= 1
        self._left_at = self._clock.seconds()


def run_detached(name: str, lifetime: float) -> int:
    """Be the agent *name*: serve who connects to its socket, until told to go or unused for *lifetime* s."""
    from .host import Host
    from .running import run
    from .standing import Standing

    async def main(reactor: Any) -> int:
        host = Host(reactor, None)
        operators = _Operators(host, reactor)
        socket, state, _ = paths_of(name)
        done: Deferred[None] = Deferred()
        path, directory = _bindable(socket)
        port = reactor.listenUNIX(path, operators, mode=0o600)
        # Last, as it says that the socket is there.
        record = {"name": name, "pid": os.getpid(), "start_time": start_time(os.getpid())}
        write_atomically(state, json.dumps(record).encode(), 0o600)

        def look() -> None:
            limit = _IDLE_LIFETIME if host.idle else lifetime
            if not done.called and operators.unused_for() > limit:
                done.callback(None)

        clock = LoopingCall(look)
        clock.clock = reactor
        clock.start(1.0, now=False)
        standing = Standing(host, reactor, name)
        standing.start()
        try:
            await done
        except CancelledError:
            pass
        finally:
            standing.stop()
            clock.stop()
            with contextlib.suppress(MurderError):  # what is still at the disk ends with this process
                await host.stop()
            await port.stopListening()
            os.close(directory)
            os.unlink(state)
        return 0

    return run(main)
