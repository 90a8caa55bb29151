"""Why a host did not do what it was asked, as one word to count by and one sentence to read."""

from __future__ import annotations

import errno
import os
import socket
from dataclasses import dataclass

from paramiko.ssh_exception import (
    AuthenticationException,
    BadHostKeyException,
    ChannelException,
    NoValidConnectionsError,
    SSHException,
)

from ..errors import MurderError

#: That no thread can be started, which is never a host's fault.
NO_THREADS = "this machine allows no further thread (ulimit -u, or pids.max of a container)"
#: What a shell ends with when it does not find a program.
NO_SUCH_COMMAND = 127
#: Longest sentence taken from a host or a library, and longest reason, which several of them may make.
MAX_REASON, MAX_REASONS = 500, 20_000


class HostKeyError(MurderError):
    """The key a host showed is not the one it is known by; `host` is its name where the sentence lacks it."""

    def __init__(self, sentence: str, host: str = "") -> None:
        super().__init__(sentence)
        self.host = host


class JumpHostError(MurderError):
    """The jump host that a connection goes through could not be used; says which and why."""


@dataclass(frozen=True)
class HostFailure:
    """
    One host's end of the matter.

    `cause` is one of: `unresolved`, `refused`, `unreachable`, `timeout`, `authentication`, `host key`, `ssh`
    (no connection); `lost`, `agent` (no agent any more, or none to talk to); `late` (it did not answer, or
    get anywhere, in time); `failed` (the agent said so).

    Whatever `reason` is made of, it is on one line and steers no terminal: each goes through here that a host
    is out for, to be shown, kept and told.
    """

    cause: str
    reason: str
    #: What the run would end with if it were about this host alone; see `errors`.
    exit_code: int = MurderError.exit_code

    def __post_init__(self) -> None:
        object.__setattr__(self, "reason", printable(self.reason, MAX_REASONS))

    def __str__(self) -> str:
        return self.reason

    @property
    def connected(self) -> bool:
        """Whether there was ever a connection."""
        return self.cause in ("lost", "agent", "late", "failed")


def printable(text: str, limit: int = MAX_REASON) -> str:
    """Return *text* on one line of *limit* characters; what could steer a terminal as `\\x1b` and so on."""
    line = " ".join(text.split())
    if not line.isprintable():
        line = "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in line)
    return line if len(line) <= limit else f"{line[: limit - 3]}..."


def explain(error: BaseException, *, port: int, user: str, timeout: float, spent: float) -> HostFailure:
    """
    Say in one sentence why there is no connection to *user* at *port* of a host.

    The host's name is not in it: hosts with the same reason share a line.

    Args:
        error: what Fabric, Paramiko or the socket raised.
        timeout: seconds the host had to answer.
        spent: seconds that were spent on it; Paramiko does not always say that it waited in vain.
    """
    cause, reason = _explain(error, port, user, timeout, spent)
    return HostFailure(cause, printable(reason))


def _explain(error: BaseException, port: int, user: str, timeout: float, spent: float) -> tuple[str, str]:
    if isinstance(error, NoValidConnectionsError):
        error = next(iter(error.errors.values()), error)
    if isinstance(error, HostKeyError):
        return "host key", str(error)
    if isinstance(error, JumpHostError):
        return "unreachable", f"it lies behind a jump host that cannot be used, {error}"
    if isinstance(error, BadHostKeyException):
        return "host key", "the host key is not the one in known_hosts"
    if isinstance(error, socket.gaierror):
        return "unresolved", f"the name does not resolve ({error.strerror})"
    if isinstance(error, ConnectionRefusedError):
        return "refused", f"refused the connection to port {port}"
    if isinstance(error, (socket.timeout, TimeoutError)):
        return "timeout", f"port {port} did not answer within {timeout:g} s"
    if isinstance(error, AuthenticationException):
        return "authentication", f"did not let {user} in: {error}"
    if isinstance(error, ChannelException):
        return "unreachable", f"the jump host cannot reach port {port}: {error.text}"
    if isinstance(error, SSHException):
        is_silent = any(words in str(error).lower() for words in ("no existing session", "banner"))
        if is_silent and spent >= timeout > 0:
            return "timeout", f"port {port} did not answer as an SSH server within {timeout:g} s"
        if "no existing session" in str(error).lower():
            return "authentication", f"hung up while {user} logged in: too many keys tried, perhaps"
        if "banner" in str(error).lower():
            return "ssh", f"no SSH server spoke at port {port}: {error}"
        if "no authentication methods" in str(error).lower():
            return "authentication", f"did not let {user} in: there is no key or password to try"
        return "ssh", f"SSH failed: {str(error) or type(error).__name__}"
    if isinstance(error, RuntimeError) and "thread" in str(error):
        return "unreachable", f"was not connected to: {NO_THREADS}"
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
        return "unreachable", "was not connected to: too many files are open on this machine (ulimit -n)"
    if isinstance(error, OSError) and error.errno is not None:
        return "unreachable", f"port {port} cannot be reached: {os.strerror(error.errno)}"
    return "ssh", f"SSH failed: {str(error) or type(error).__name__}"


def explain_ending(status: int, said: str) -> str:
    """Say that an agent ended, by its exit code and the last line of its stderr."""
    return f"the agent ended with exit code {status}: {said or 'it said nothing'}"


def explain_start(status: int, said: str, sudo: str) -> str:
    """Say why no agent ever spoke, and what to do; *sudo* is whom it was to run as, empty for who logs in."""
    absent = status == NO_SUCH_COMMAND
    if sudo and "sudo" in said:
        if absent:
            return f"there is no sudo to become {sudo} with (murder.sudo); install it there"
        if "password" in said or "terminal" in said:
            return (
                f"sudo asks for a password to become {sudo} (murder.sudo); allow it without one there:"
                " NOPASSWD in sudoers"
            )
        return f"sudo does not let us become {sudo} (murder.sudo): {said}"
    reason = explain_ending(status, said)
    return f"{reason}; install Python 3.9 or newer there, or set murder.python" if absent else reason
