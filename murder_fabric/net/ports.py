"""What the edges ask of a reactor and of a transport, as types: zope's interfaces say nothing to mypy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

#: Connections waiting to be accepted; Twisted's default of 50 loses half of a thousand that come at once.
BACKLOG = 4096


class Clock(Protocol):
    """A reactor's clock, or `twisted.internet.task.Clock`."""

    def seconds(self) -> float:
        """Return the monotonic time."""

    def callLater(self, delay: float, callable: Callable[..., object], *args: Any) -> Timer:
        """Call *callable* in *delay* seconds."""


class Timer(Protocol):
    """A call to come."""

    def active(self) -> bool:
        """Return whether it is still to come."""

    def cancel(self) -> None:
        """Let it not come."""

    def reset(self, secondsFromNow: float) -> None:
        """Let it come so much later than now."""


class Transport(Protocol):
    """A TCP connection; `getPeer()` has `host` and `port`, `getHandle()` is the socket."""

    def write(self, data: bytes) -> None:
        """Send *data*, in its own time."""

    def loseConnection(self) -> None:
        """Close, once all is written."""

    def abortConnection(self) -> None:
        """Close at once."""

    def connectionLost(self, reason: Any) -> None:
        """Close now, as the reactor does when all is written; the protocol is told *reason*."""

    def getPeer(self) -> Any:
        """Return the address of the other end."""

    def getHandle(self) -> Any:
        """Return the non-blocking socket."""


class Reactor(Clock, Protocol):
    """A reactor that can dial; `listenTCP` is left to whoever owns the ports."""

    #: Twisted's `IHostnameResolver`.
    nameResolver: Any

    def connectTCP(
        self,
        host: str,
        port: int,
        factory: Any,
        timeout: float = 30,
        bindAddress: tuple[str, int] | None = None,
    ) -> Any:
        """Connect *factory* to the address *host*; return the connector."""
