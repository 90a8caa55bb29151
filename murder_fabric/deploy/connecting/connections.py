"""Makes Fabric connections for many hosts at once, without the surprises that only many hosts meet."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Optional, Union

import fabric
from invoke.config import Config

from ..failures import HostFailure, JumpHostError, explain
from ..ranges import parse_host
from ..settings import Settings
from .host_keys import HostKeys, tell_on_stderr

#: A host whose kernel confirms nothing for so long (milliseconds) is gone; the next heartbeat finds out.
UNACKNOWLEDGED_LIMIT = 30_000
#: What a `Connection` is made of, as in `@task(hosts=[{...}])`: `host` and, where wanted, `user`, `port`, …
HostKwargs = dict[str, Any]
#: `Connection` for ProxyJump, a command for ProxyCommand.
Gateway = Union[fabric.Connection, str, None]


def host_kwargs(text: str) -> HostKwargs:
    """Return the keyword arguments of a `Connection` to *text*; Fabric alone cannot read `[::1]:22`."""
    return {name: value for name, value in parse_host(text)._asdict().items() if value is not None}


def connection(config: fabric.Config, kwargs: Mapping[str, Any]) -> fabric.Connection:
    """
    Make a connection that is not open yet and leaves *config* as it is.

    Fabric's own constructor writes the keys of each host back into the configuration all hosts share, so that
    the seventh host is offered seven keys and its sshd hangs up after six; and it waits for a dead host as
    long as the kernel does.
    """
    own = dict(kwargs, config=config)
    if own.get("connect_kwargs"):
        own["connect_kwargs"] = dict(own["connect_kwargs"])
    else:
        own["connect_kwargs"] = dict(config.connect_kwargs, key_filename=[])
    made = fabric.Connection(**own)
    _set_timeouts(made, config)
    return made


def host_keys_of(config: Config, tell: Callable[[str, str], None] = tell_on_stderr) -> HostKeys:
    """Return what guards connections as *config* wants it; *tell* as `HostKeys` has it."""
    return HostKeys(Settings.from_config(config).host_keys, tell)


class Gateways:
    """
    The jump hosts of one run: hosts with the same list of hops share one connection to it.

    Fabric opens one to the jump host for each target, which sshd there refuses from the tenth on
    (`MaxStartups`).
    """

    def __init__(self, config: fabric.Config, tell: Callable[[str, str], None] = tell_on_stderr) -> None:
        self._config = config
        self._host_keys = host_keys_of(config, tell)
        self._shared: dict[str, fabric.Connection] = {}
        self._opening: dict[int, threading.Lock] = {}
        self._broken: dict[int, str] = {}

    def connection(self, kwargs: Mapping[str, Any]) -> fabric.Connection:
        """Make a connection, not open yet, that goes through the shared jump hosts where it has any."""
        if kwargs.get("gateway") is not None:
            made = self._make(kwargs)
        else:
            made = self._make({**kwargs, "gateway": False})
            made.gateway = self._gateway(made)
            self._host_keys.guard(made)  # what `gateway` of the configuration is was made by somebody else
        if isinstance(made.gateway, fabric.Connection):
            self._opening.setdefault(id(made.gateway), threading.Lock())
        return made

    def open(self, wanted: fabric.Connection) -> None:
        """
        Open *wanted*, and first what it goes through; of many threads one opens it and the others wait.

        Raises:
            JumpHostError: a jump host cannot be used; it is tried once, not once for each host behind it.
        """
        if isinstance(wanted.gateway, fabric.Connection):
            with self._opening.setdefault(id(wanted.gateway), threading.Lock()):
                self._open_jump_host(wanted.gateway)
        wanted.open()
        _hang_up_unacknowledged(wanted)

    def try_open(self, wanted: fabric.Connection) -> HostFailure | None:
        """Open *wanted* as `open` does; return why it could not be."""
        try:
            self.open(wanted)
        except Exception as error:  # whatever Paramiko raises
            timeout = float(wanted.connect_timeout or 0)
            return explain(error, port=wanted.port, user=wanted.user, timeout=timeout, spent=0.0)
        return None

    def _open_jump_host(self, jump_host: fabric.Connection) -> None:
        began = time.monotonic()
        if id(jump_host) not in self._broken:
            try:
                self.open(jump_host)
                return
            except JumpHostError as error:  # one further ahead: that one is to blame
                self._broken[id(jump_host)] = str(error)
            except Exception as error:  # whatever Paramiko raises, it is told below
                why = explain(
                    error,
                    port=jump_host.port,
                    user=jump_host.user,
                    timeout=float(jump_host.connect_timeout or jump_host.connect_kwargs.get("timeout") or 0),
                    spent=time.monotonic() - began,
                )
                self._broken[id(jump_host)] = f"{jump_host.original_host}: {why}"
        raise JumpHostError(self._broken[id(jump_host)])

    def close(self) -> None:
        """Close the jump hosts, last hop first."""
        for made in reversed(list(self._shared.values())):
            made.close()

    def _make(self, kwargs: Mapping[str, Any]) -> fabric.Connection:
        made = connection(self._config, kwargs)
        self._host_keys.guard(made)
        return made

    def _gateway(self, target: fabric.Connection) -> Gateway:
        jump = target.ssh_config.get("proxyjump")
        if jump is None:
            command: Optional[str] = target.ssh_config.get("proxycommand")
            fallback: Gateway = self._config.gateway
            return command if command is not None else fallback
        hops = jump.split(",")
        # `ProxyJump none` switches it off (ssh_config(5)); a wildcard may make a jump host its own.
        if jump.lower() == "none" or target.host in (parse_host(hop).host for hop in hops):
            return None
        return self._hop(hops)

    def _hop(self, hops: list[str]) -> fabric.Connection:
        """Return the connection to the last of *hops*, through those before it."""
        name = ",".join(hops)
        if name not in self._shared:
            if len(hops) > 1:
                made = self._make({**host_kwargs(hops[-1]), "gateway": self._hop(hops[:-1])})
            else:
                made = self._make({**host_kwargs(hops[0]), "gateway": False})
                made.gateway = self._gateway(made)
            self._shared[name] = made
        return self._shared[name]


def _hang_up_unacknowledged(opened: fabric.Connection) -> None:
    """Have a connection end once its host is gone, a jump host's too; what lies behind that has no socket."""
    transport = opened.client.get_transport()
    if transport is not None and isinstance(transport.sock, socket.socket):
        with suppress(OSError):  # it hung up at once, which comes out at what is done with it
            transport.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_LIMIT)


def _set_timeouts(made: fabric.Connection, config: fabric.Config) -> None:
    """Give up on a silent host; `-t`, `ConnectTimeout` and Fabric's own settings go first."""
    seconds = made.connect_kwargs.get("timeout", made.connect_timeout)
    if seconds is None:
        seconds = Settings.from_config(config).connect_timeout
        made.connect_timeout = seconds
    # A machine that accepts and then says nothing is as dead as one that does not accept.
    made.connect_kwargs.setdefault("banner_timeout", seconds)
    made.connect_kwargs.setdefault("channel_timeout", seconds)
