"""One connection to an HTTP origin, which is asked for ranges of files and keeps no state of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast
from typing import Protocol as Typed

from twisted.internet.defer import Deferred
from twisted.internet.protocol import ClientFactory, Protocol, connectionDone
from twisted.python.failure import Failure

from ..errors import TrackerError
from .http_client import explained
from .pacing import Intake
from .peer_protocol import MOST_RECEIVED


class Owner(Typed):
    """Who is told what comes over a connection."""

    def intake(self, transport: Any) -> Intake | None:
        """Return what is to hear of all that comes over *transport*, where there is a limit."""

    def data_received(self, connection: OriginConnection, data: bytes) -> None:
        """Bytes came."""

    def connection_lost(self, connection: OriginConnection) -> None:
        """It is gone."""


class OriginConnection(Protocol):
    """Kept for as many answers as it gives."""

    def __init__(
        self, owner: Owner, server: tuple[str, int, bool], connected: Callable[[OriginConnection], None]
    ) -> None:
        #: Answers that came over it.
        self.served = 0
        #: Whom it leads to; see `Location.server`.
        self.server = server
        self._owner = owner
        self._connected = connected
        self._intake: Intake | None = None

    def connectionMade(self) -> None:
        transport = cast(Any, self.transport)
        transport.bufferSize = MOST_RECEIVED
        transport.setTcpNoDelay(True)
        self._intake = self._owner.intake(transport)
        self._connected(self)

    def write(self, data: bytes) -> None:
        """Send *data*."""
        cast(Any, self.transport).write(data)

    def abort(self) -> None:
        """Close at once."""
        cast(Any, self.transport).abortConnection()

    def dataReceived(self, data: bytes) -> None:
        if self._intake is not None:
            cast(Any, self.transport).bufferSize = MOST_RECEIVED  # from which it takes what is to be less now
            self._intake.received(len(data))
        self._owner.data_received(self, data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._intake is not None:
            self._intake.stop()
        self._owner.connection_lost(self)


class OriginFactory(ClientFactory):
    """One attempt to reach the origin."""

    noisy = False

    def __init__(self, owner: Owner, server: tuple[str, int, bool]) -> None:
        self.connected: Deferred[OriginConnection] = Deferred()
        self._owner = owner
        self._server = server

    def buildProtocol(self, addr: object) -> OriginConnection:
        return OriginConnection(self._owner, self._server, self._made)

    def clientConnectionFailed(self, connector: object, reason: Failure) -> None:
        if not self.connected.called:
            self.connected.errback(TrackerError(f"no connection: {explained(reason)}"))

    def _made(self, connection: OriginConnection) -> None:
        if self.connected.called:  # nobody waits for it any more
            connection.abort()
        else:
            self.connected.callback(connection)
