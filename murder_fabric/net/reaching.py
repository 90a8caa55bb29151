"""Whether a host reaches another one: a port that tells its mark to whoever comes, and a call at one."""

from __future__ import annotations

from typing import cast

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionRefusedError, NoRouteError, TimeoutError
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import ClientFactory, Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from .dialer import CONNECT_TIMEOUT
from .ports import Reactor, Transport

#: Seconds in which a host that took the connection must have told its mark.
HEAR_TIMEOUT = 5.0


class MarkFactory(Factory):
    """Tells *mark* to whoever connects, and hangs up."""

    noisy = False

    def __init__(self, mark: bytes) -> None:
        self._mark = mark

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        return _Telling(self._mark)


async def reach(reactor: Reactor, source: str, address: str, port: int, mark: bytes) -> str:
    """
    Call at *port* of *address* from our own address *source*; return why *mark* was not heard.

    The reason is a few words without a subject; empty where it was heard.
    """
    factory = _Calling(mark)
    reactor.connectTCP(address, port, factory, timeout=CONNECT_TIMEOUT, bindAddress=(source, 0))
    timer = reactor.callLater(CONNECT_TIMEOUT + HEAR_TIMEOUT, factory.give_up)
    try:
        return await factory.answer
    finally:
        if timer.active():
            timer.cancel()


class _Telling(Protocol):
    def __init__(self, mark: bytes) -> None:
        self._mark = mark

    def connectionMade(self) -> None:
        transport = cast(Transport, self.transport)
        transport.write(self._mark)
        transport.loseConnection()


class _Calling(ClientFactory):
    """One call; `answer` fires once, with why the mark was not heard."""

    noisy = False

    def __init__(self, mark: bytes) -> None:
        self.answer: Deferred[str] = Deferred()
        self._mark = mark
        self._call: _Hearing | None = None

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        self._call = _Hearing(self)
        return self._call

    def clientConnectionFailed(self, connector: object, reason: Failure) -> None:
        self.ended(_why(reason))

    def heard(self, data: bytes, *, is_all: bool) -> None:
        """*data* is what came so far."""
        if data == self._mark:
            self.ended("")
        elif is_all or not self._mark.startswith(data):
            self.ended("something else answers there")

    def give_up(self) -> None:
        """Wait no longer."""
        self.ended("it takes connections there, and says nothing")

    def ended(self, problem: str) -> None:
        """The answer is known; what comes later changes nothing."""
        if not self.answer.called:
            self.answer.callback(problem)
            if self._call is not None:
                cast(Transport, self._call.transport).abortConnection()


class _Hearing(Protocol):
    def __init__(self, call: _Calling) -> None:
        self._owner = call
        self._data = b""

    def dataReceived(self, data: bytes) -> None:
        self._data += data
        self._owner.heard(self._data, is_all=False)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._owner.heard(self._data, is_all=True)


def _why(reason: Failure) -> str:
    error = reason.value
    if isinstance(error, TimeoutError):
        return "timed out: a firewall?"
    if isinstance(error, NoRouteError):
        return "no route there, or a firewall says so"
    if isinstance(error, ConnectionRefusedError) or getattr(error, "osError", None) is None:
        # Of a refusal by ICMP Twisted does not tell the number.
        return "refused, though it listens there: a firewall?"
    return str(error)
