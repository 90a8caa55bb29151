"""Opens one raw exec channel on each of many hosts at once, and says in a sentence where it could not."""

from __future__ import annotations

import logging
import queue
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Union

import fabric
from paramiko import Channel, SSHException

from ...control import PassOn
from ..failures import HostFailure, JumpHostError, explain
from ..roles import HERE
from ..settings import Settings
from .asking import GREET_TIMEOUT
from .bootstrap import opening, remote_command
from .bundle import Bundle
from .channels import Channels, Opening
from .connections import Gateways
from .local_agent import LocalAgent
from .passing_on import FEW_HOSTS
from .room import make_room, start_thread

#: What the steps after the TCP connection may take altogether, seconds: key exchange, log-in, command.
SETUP_LIMIT = 30.0


def open_channels(
    gateways: Gateways,
    connections: Mapping[str, fabric.Connection],
    settings: Settings,
    bundle: Bundle,
    on_result: Callable[[int], None],
    *,
    here: bool = False,
) -> Channels:
    """
    Connect, start an agent on each host, and return them; `Channels.greet` says which of them speak.

    Args:
        gateways: what made *connections*, and shares jump hosts among them.
        connections: not open yet, by the name the host is reported under.
        settings: how to connect, and what the agent is started with.
        bundle: the agent itself, for hosts that have none yet.
        on_result: told now and then how many hosts let us in.
        here: whether an agent is to run on this machine too, as the host `HERE`.
    """
    command = remote_command(settings.python, settings.sudo)
    pass_on = _pass_on(settings) if len(connections) > FEW_HOSTS else None
    start = Opening(
        opening(bundle, settings.remote_murder_path, passed_on=pass_on is not None),
        bundle.path.read_bytes(),
        settings.sudo,
        pass_on,
    )
    opened = connect_all(
        connections,
        command,
        pool_size=settings.pool_size,
        open_connection=gateways.open,
        on_result=on_result,
    )
    # Not before: hosts that cannot be reached may take longer than the lease of an agent that hears nothing.
    try:
        local = {HERE: _start_here()} if here else {}
        return Channels({**opened, **local}, start, on_closed=gateways.close, running=local)
    except BaseException:
        for one in connections.values():
            one.close()
        gateways.close()
        raise


def _pass_on(settings: Settings) -> PassOn:
    path = f"/{secrets.token_hex(16)}"
    # Once the greeting is over, nobody needs an agent any more.
    return PassOn(
        path, *settings.tracker_port_range(), lifetime=GREET_TIMEOUT, interface=settings.interface or None
    )


def _start_here() -> Union[LocalAgent, HostFailure]:
    try:
        return LocalAgent()
    except OSError as error:
        return HostFailure("agent", f"no agent could be started here: {error.strerror}")


def connect_all(
    connections: Mapping[str, fabric.Connection],
    command: str,
    *,
    pool_size: int,
    open_connection: Callable[[fabric.Connection], None] = fabric.Connection.open,
    on_result: Callable[[int], None] = lambda count: None,
) -> dict[str, Union[Channel, HostFailure]]:
    """
    Open every connection and start *command* on each, *pool_size* at a time.

    Interrupted by Ctrl-C or any other exception it does not wait for hosts that are slow: what is open is
    closed, and what opens late is closed by the thread that opened it.

    Args:
        connections: not open yet, by the name the host is reported under.
        command: what the hosts' login shells are given.
        pool_size: how many threads open connections.
        open_connection: opens one connection; `Gateways.open` where jump hosts are shared.
        on_result: told now and then how many are open.

    Raises:
        BadInput: this process may not have so many open, or no further thread.
    """
    pool_size = make_room(connections.values(), pool_size)
    if not (log := logging.getLogger("paramiko")).handlers:
        # Python prints what nobody handles: tracebacks of what is told below in a sentence.
        log.addHandler(logging.NullHandler())
    opening = _Opening(connections, command, open_connection)
    try:
        for _ in range(min(pool_size, len(connections))):
            # Daemons, as a process that was interrupted shall not wait for a connection timeout.
            start_thread(opening.work, "ssh-connect")
        return opening.results(on_result)
    except BaseException:
        opening.stop()
        raise


class _Opening:
    """What the threads of one `connect_all` share."""

    def __init__(
        self,
        connections: Mapping[str, fabric.Connection],
        command: str,
        open_connection: Callable[[fabric.Connection], None],
    ) -> None:
        self._connections = connections
        self._command = command
        self._open_connection = open_connection
        self._todo: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[tuple[str, float, Union[Channel, Exception]]] = queue.SimpleQueue()
        self._begun: dict[str, float] = {}
        self._let_in: set[str] = set()
        self._stopped = False
        for host in connections:
            self._todo.put(host)

    def work(self) -> None:
        """Open one host after the other until none is left."""
        while not self._stopped:
            try:
                host = self._todo.get_nowait()
            except queue.Empty:
                return
            self._begun[host] = begun = time.monotonic()
            opened = self._open(host)
            self._done.put((host, time.monotonic() - begun, opened))
            if self._stopped:
                self._close(host)

    def results(self, on_result: Callable[[int], None]) -> dict[str, Union[Channel, HostFailure]]:
        """Wait for all hosts; one that is stuck after it was reached is cut off."""
        results: dict[str, Union[Channel, HostFailure]] = {}
        while len(results) < len(self._connections):
            try:
                host, spent, opened = self._done.get(timeout=1.0)
                results[host] = (
                    self._explain(host, opened, spent) if isinstance(opened, Exception) else opened
                )
            except queue.Empty:
                for host, begun in list(self._begun.items()):
                    late = time.monotonic() - begun > SETUP_LIMIT + _timeout(self._connections[host])
                    if host not in results and late:
                        self._close(host)
            on_result(sum(not isinstance(result, HostFailure) for result in results.values()))
        return {host: results[host] for host in self._connections}

    def stop(self) -> None:
        self._stopped = True
        for host in self._connections:
            self._close(host)

    def _open(self, host: str) -> Union[Channel, Exception]:
        wanted = self._connections[host]
        try:
            self._open_connection(wanted)
            transport = wanted.client.get_transport()
            if transport is None:
                raise SSHException("it was closed as soon as it was open")
            self._let_in.add(host)
            channel = transport.open_session(timeout=_timeout(wanted))
            channel.exec_command(self._command)
        except Exception as error:  # whatever Paramiko raises, it is this host's failure and no other's
            self._close(host)
            return error
        return channel

    def _explain(self, host: str, error: Exception, spent: float) -> HostFailure:
        wanted = self._connections[host]
        if spent > SETUP_LIMIT + _timeout(wanted) and not isinstance(error, JumpHostError):
            if host in self._let_in:
                return HostFailure("late", f"let us in but started nothing within {spent:.0f} s")
            return HostFailure("timeout", f"neither let us in nor refused within {spent:.0f} s")
        return explain(
            error,
            port=wanted.port,
            user=wanted.user,
            timeout=_timeout(wanted),
            spent=spent,
        )

    def _close(self, host: str) -> None:
        with suppress(Exception):  # closing what is half open may fail in any way; it is given up anyhow
            self._connections[host].client.close()


def _timeout(wanted: fabric.Connection) -> float:
    return float(wanted.connect_timeout or wanted.connect_kwargs.get("timeout") or SETUP_LIMIT)
