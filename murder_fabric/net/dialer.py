"""Connecting to peers, and being connected to: the two factories of `PeerProtocol`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import ClientFactory, Factory
from twisted.python.failure import Failure

from ..swarm.ports import Address
from ..tracker.addresses import canonical_host
from .peer_protocol import PeerProtocol
from .ports import Reactor

#: Seconds a peer has to take our connection.
CONNECT_TIMEOUT = 5.0


class TcpDialer:
    """
    Dials for a session, from our own address.

    Args:
        build: makes the protocol for a dialed address.
        failed: told an address that nobody answered at.
        bind_address: the address of ours that peers know us by; None leaves it to the kernel.
    """

    def __init__(
        self,
        reactor: Reactor,
        build: Callable[[Address | None], PeerProtocol],
        failed: Callable[[Address], None],
        bind_address: str | None,
    ) -> None:
        self._reactor = reactor
        self._build = build
        self._failed = failed
        self._bind = None if bind_address is None else (bind_address, 0)

    def dial(self, address: Address) -> None:
        """Connect to *address*."""
        factory = _DialedFactory(lambda: self._build(address), lambda: self._failed(address))
        host, port = address
        self._reactor.connectTCP(host, port, factory, timeout=CONNECT_TIMEOUT, bindAddress=self._bind)


class _DialedFactory(ClientFactory):
    """One attempt to connect."""

    noisy = False

    def __init__(self, build: Callable[[], PeerProtocol], failed: Callable[[], None]) -> None:
        self._build = build
        self._failed = failed

    def buildProtocol(self, addr: IAddress | None) -> PeerProtocol:
        return self._build()

    def clientConnectionFailed(self, connector: object, reason: Failure) -> None:
        self._failed()


class AcceptedFactory(Factory):
    """
    Takes connections of those that *may_come*, asked with an address, and closes all others at once.

    Nothing is made for a connection that is not taken, so that a thousand of them cost little.
    """

    noisy = False

    def __init__(
        self, build: Callable[[Address | None], PeerProtocol], may_come: Callable[[str], bool]
    ) -> None:
        self._build = build
        self._may_come = may_come

    def buildProtocol(self, addr: IAddress | None) -> PeerProtocol | None:
        if not self._may_come(canonical_host(cast(Any, addr).host)):
            return None
        return self._build(None)
