"""
Agents that stay: they answer at a Unix socket in our state directory, whoever connects.

Murder's separate tasks need them: a tracker started by one `fab` is used by the next. A state file names pid
and start time, so that a process is known by what it is and never by what it is called.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Callable
from typing import Any, cast

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectError
from twisted.internet.protocol import ClientFactory, Factory, Protocol, connectionDone
from twisted.internet.task import LoopingCall, deferLater
from twisted.python.failure import Failure

from .. import control
from ..errors import BadInput, MurderError
from .files import read_limited, write_atomically
from .state import agent_command, state_directory

#: Seconds a new agent has to answer, and one that is dismissed to be gone.
_START_TIMEOUT = 15.0
_STOP_TIMEOUT = 10.0
_POLL = 0.05


def _paths(name: str) -> tuple[str, str, str]:
    """Return socket, state file and log of the agent *name*."""
    base = os.path.join(state_directory(), control.check_tag(name))
    return f"{base}.socket", f"{base}.json", f"{base}.log"


def _bindable(socket: str) -> tuple[str, int]:
    """
    Return *socket* in a spelling that fits into a socket address, and the descriptor that it leans on.

    A socket's path has 107 bytes at most, and homes may be longer than that.
    """
    directory = os.open(os.path.dirname(socket), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    return f"/proc/self/fd/{directory}/{os.path.basename(socket)}", directory


async def start(reactor: Any, name: str, lifetime: float) -> dict[str, Any]:
    """
    Leave an agent called *name* running, unless one is; return its pid and whether it was started.

    Raises:
        MurderError: it did not answer in time; says what it logged last.
    """
    pid = running_pid(name)
    if pid is not None:
        return {"pid": pid, "started": False}
    socket, _, log = _paths(name)
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
    while running_pid(name) != process.pid or not os.path.exists(socket):
        if process.poll() is not None or reactor.seconds() > deadline:
            said = read_limited(log, 1 << 20)[-300:].decode("utf-8", "replace").strip()
            raise MurderError(f"the agent {name} did not start: {said or 'it says nothing'} (log: {log})")
        await deferLater(reactor, _POLL)
    return {"pid": process.pid, "started": True}


async def dismiss(reactor: Any, name: str) -> dict[str, Any]:
    """
    End the agent *name*; return its pid.

    Raises:
        BadInput: there is none.
        MurderError: it does not go.
    """
    pid = running_pid(name)
    if pid is None:
        raise BadInput(f"{name} is not running here")
    os.kill(pid, signal.SIGTERM)
    deadline = reactor.seconds() + _STOP_TIMEOUT
    while running_pid(name) == pid:
        if reactor.seconds() > deadline:
            raise MurderError(f"{name} (process {pid}) does not end; have a look at {_paths(name)[2]}")
        await deferLater(reactor, _POLL)
    return {"pid": pid}


def running_pid(name: str) -> int | None:
    """Return the pid of the agent *name*, if it is that very process that still runs."""
    try:
        state = json.loads(read_limited(_paths(name)[1], 4096))
        pid, started = state["pid"], state["start_time"]
    except (BadInput, ValueError, KeyError, TypeError):
        return None
    return pid if isinstance(pid, int) and start_time(pid) == started else None


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
        relay = self._open.get(name)
        if relay is None or relay.closed:
            relay = self._open[name] = await self._connect(name)
        fields = {key: value for key, value in message.fields.items() if key != "to"}
        relay.pass_on(fields, message.attached)

    def close(self) -> None:
        """Hang up everywhere."""
        for relay in self._open.values():
            cast(Any, relay.transport).loseConnection()

    async def _connect(self, name: str) -> _Relay:
        if running_pid(name) is None:
            raise BadInput(f"{name} is not running here")
        factory = _RelayFactory(name, self._write)
        path, directory = _bindable(_paths(name)[0])
        try:
            self._reactor.connectUNIX(path, factory, timeout=5)
            return await factory.connected
        except ConnectError as error:
            raise MurderError(f"{name} does not answer: {error}") from None
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


def run_detached(name: str, lifetime: float) -> int:
    """Be the agent *name*: serve who connects to its socket, until told to go or unused for *lifetime* s."""
    from .control_loop import ControlProtocol
    from .host import Host
    from .running import run

    async def main(reactor: Any) -> int:
        host = Host(reactor, "127.0.0.1")
        socket, state, _ = _paths(name)
        heard = [reactor.seconds()]

        class Operators(Factory):
            noisy = False

            def buildProtocol(self, addr: object) -> ControlProtocol:
                heard[0] = reactor.seconds()
                return ControlProtocol(host, reactor, forward=False)

        done: Deferred[None] = Deferred()
        path, directory = _bindable(socket)
        port = reactor.listenUNIX(path, Operators(), mode=0o600)
        record = {"name": name, "pid": os.getpid(), "start_time": start_time(os.getpid())}
        write_atomically(state, json.dumps(record).encode(), 0o600)

        def look() -> None:
            if not done.called and reactor.seconds() - heard[0] > lifetime:
                done.callback(None)

        clock = LoopingCall(look)
        clock.clock = reactor
        clock.start(1.0, now=False)
        try:
            await done
        except CancelledError:
            pass
        finally:
            clock.stop()
            await host.stop()
            await port.stopListening()
            os.close(directory)
            os.unlink(state)
        return 0

    return run(main)
