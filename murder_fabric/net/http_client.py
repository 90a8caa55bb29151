"""
Getting one small thing by HTTP: an announce, a scrape.

Not `twisted.web.client` nor endpoints, which take longer to import than a small deploy takes to announce.
"""

from __future__ import annotations

import errno
import ipaddress
import re
from collections.abc import Sequence
from typing import Any, NamedTuple, cast
from urllib.parse import urlsplit

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionDone, ConnectionRefusedError
from twisted.internet.protocol import ClientFactory, Protocol, connectionDone
from twisted.python.failure import Failure

from ..errors import TrackerBusy, TrackerError
from ..tracker.http import ResponseReader, format_request
from ..tracker.keys import redacted
from .ports import Reactor, Transport

#: Seconds for all of it, names looked up and every address of them tried.
TIMEOUT = 5.0
#: Bytes of body that are taken.
MAX_LENGTH = 64 * 1024
#: Addresses tried of a name that has many.
_MAX_ADDRESSES = 4

#: The schemes that are asked, each with its usual port.
_PORTS = {"http": 80, "https": 443}
_TARGET = re.compile(r"/[!-~]*")
#: Names that can be looked up, and addresses. Of others Twisted never hears, and TLS says ValueError.
_NAME = re.compile(r"[^.]{1,63}(\.[^.]{1,63})*\.?")


class Location(NamedTuple):
    """A URL, cut up: *netloc* for the Host header, *target* is path and query."""

    host: str
    port: int
    netloc: str
    target: str
    #: Whether it is asked through TLS.
    secure: bool

    @property
    def server(self) -> tuple[str, int, bool]:
        """What one connection is for."""
        return self.host, self.port, self.secure


async def get(
    reactor: Reactor,
    url: str,
    *,
    timeout: float = TIMEOUT,
    max_length: int = MAX_LENGTH,
    bind_address: str | None = None,
    certificates: str = "",
) -> bytes:
    """
    Return the body of what *url* answers with status 200; redirects are not followed.

    Args:
        reactor: dials, resolves names, keeps the time.
        url: may hold a passkey: errors do not show it.
        timeout: seconds for everything together.
        max_length: bytes of body that are taken at most.
        bind_address: the address of ours to dial from; addresses of the other family are then not tried.
        certificates: CA certificates (PEM) that an `https` server may be known by, beside this host's own.

    Raises:
        TrackerError: there was no such answer; one sentence that names the URL.
        TrackerBusy: there may be one later.
    """
    fetching = Deferred.fromCoroutine(_fetch(reactor, url, max_length, bind_address, certificates))
    timed_out: list[bool] = []

    def give_up() -> None:
        timed_out.append(True)
        fetching.cancel()

    timer = reactor.callLater(timeout, give_up)
    try:
        return await fetching
    except CancelledError:
        if not timed_out:
            raise
        raise TrackerError(f"{redacted(url)}: no answer within {timeout:g} s") from None
    except TrackerError as error:
        kind = TrackerBusy if isinstance(error, TrackerBusy) else TrackerError
        raise kind(f"{redacted(url)}: {error}") from None
    finally:
        if timer.active():
            timer.cancel()


async def _fetch(
    reactor: Reactor, url: str, max_length: int, bind_address: str | None, certificates: str
) -> bytes:
    location = locate(url)
    hosts = await resolve(reactor, location.host, bind_address)
    for host in hosts[:-1]:
        try:
            return await _exchange(reactor, host, location, max_length, bind_address, certificates)
        except _NotConnected:
            continue
    return await _exchange(reactor, hosts[-1], location, max_length, bind_address, certificates)


def locate(url: str) -> Location:
    """
    Cut *url* up.

    Raises:
        TrackerError: it is none, or not of HTTP.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise TrackerError("not a URL") from None
    if parts.scheme not in _PORTS or not host:
        raise TrackerError("only http:// and https:// URLs are asked")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    netloc = parts.netloc.rpartition("@")[2]
    if not _TARGET.fullmatch(target) or not _TARGET.fullmatch("/" + netloc):
        raise TrackerError("a URL with characters that must be quoted")
    if not _NAME.fullmatch(host):
        raise TrackerError(f"{host[:70]} can be the name of no host")
    if port is None:
        port = _PORTS[parts.scheme]
    return Location(host, port, netloc, target, parts.scheme == "https")


def dial(
    reactor: Reactor,
    address: str,
    location: Location,
    factory: ClientFactory,
    *,
    timeout: float,
    bind_address: str | None = None,
    certificates: str = "",
) -> Any:
    """
    Connect *factory* to one *address* of *location*'s host, through TLS where its URL says so.

    Args:
        timeout: seconds until a connection stands; TLS has some of its own.
        certificates: see `get`.

    Raises:
        TrackerError: *certificates* are none.
    """
    if location.secure:
        from .tls import SecuredFactory, client_context

        factory = SecuredFactory(reactor, factory, client_context(certificates), location.host)
    bind = None if bind_address is None else (bind_address, 0)
    return reactor.connectTCP(address, location.port, factory, timeout=timeout, bindAddress=bind)


async def resolve(reactor: Reactor, host: str, bind_address: str | None) -> Sequence[str]:
    """
    Return the addresses of *host* that can be dialled from *bind_address*.

    Raises:
        TrackerError: there are none.
    """
    try:
        found = [str(ipaddress.ip_address(host))]
    except ValueError:
        receiver = _Addresses()
        reactor.nameResolver.resolveHostName(receiver, host)
        found = await receiver.complete
    if bind_address is not None:
        family = ipaddress.ip_address(bind_address).version
        found = [address for address in found if ipaddress.ip_address(address).version == family]
    if not found:
        raise TrackerError(f"the name {host} has no address we could dial")
    return found[:_MAX_ADDRESSES]


class _Addresses:
    """Collects the addresses a name resolves to: Twisted's `IResolutionReceiver`."""

    def __init__(self) -> None:
        # Twisted cannot call a look-up off: cancelling this only stops listening to it.
        self.complete: Deferred[list[str]] = Deferred()
        self._found: list[str] = []

    def resolutionBegan(self, resolution: object) -> None:
        pass

    def addressResolved(self, address: IPv4Address | IPv6Address) -> None:
        self._found.append(address.host)

    def resolutionComplete(self) -> None:
        if not self.complete.called:
            self.complete.callback(list(dict.fromkeys(self._found)))


class _NotConnected(TrackerError):
    """Nobody took the connection: another address of the same name may."""


def _exchange(
    reactor: Reactor,
    address: str,
    location: Location,
    max_length: int,
    bind_address: str | None,
    certificates: str,
) -> Deferred[bytes]:
    """Ask one address of a location; the result is the body, or a `TrackerError`."""
    factory = _ExchangeFactory(format_request(location.netloc, location.target), max_length)
    # The timeout is that of `get`, which cancels.
    factory.connector = dial(
        reactor,
        address,
        location,
        factory,
        timeout=3600,
        bind_address=bind_address,
        certificates=certificates,
    )
    return factory.done


class _ExchangeFactory(ClientFactory):
    """One connection for one request."""

    noisy = False

    def __init__(self, request: bytes, max_length: int) -> None:
        self.connector: Any = None
        self.done: Deferred[bytes] = Deferred(self._abandon)
        self._abandoned = False
        self._request = request
        self._max_length = max_length

    def buildProtocol(self, addr: object) -> _Exchange:
        return _Exchange(self._request, ResponseReader(self._max_length), self)

    def clientConnectionFailed(self, connector: object, reason: Failure) -> None:
        # Cut off before we knew that we were connected: of a crowd, the one that waited longest.
        is_cut_off = getattr(reason.value, "osError", None) == errno.ECONNRESET
        self.failed((TrackerBusy if is_cut_off else _NotConnected)(explained(reason)))

    def succeeded(self, body: bytes) -> None:
        if not self._abandoned:
            self.done.callback(body)

    def failed(self, error: TrackerError) -> None:
        if not self._abandoned:
            self.done.errback(error)

    def _abandon(self, done: Deferred[bytes]) -> None:
        # What the hanging up causes is not the outcome: that is the cancellation.
        self._abandoned = True
        self.connector.disconnect()


class _Exchange(Protocol):
    """Writes the request, feeds the reader, hangs up when it has had enough."""

    def __init__(self, request: bytes, reader: ResponseReader, factory: _ExchangeFactory) -> None:
        self._request = request
        self._reader: ResponseReader | None = reader
        self._factory = factory

    def connectionMade(self) -> None:
        cast(Transport, self.transport).write(self._request)

    def dataReceived(self, data: bytes) -> None:
        if self._reader is None:
            return
        try:
            body = self._reader.receive(data)
            if body is None:
                return
            self._reader = None
            self._factory.succeeded(body)
        except TrackerError as error:
            self._reader = None
            self._factory.failed(error)
        cast(Transport, self.transport).abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        reader, self._reader = self._reader, None
        if reader is None:
            return
        if not isinstance(reason.value, ConnectionDone):
            self._factory.failed(TrackerBusy(explained(reason)))
            return
        try:
            self._factory.succeeded(reader.finish())
        except TrackerError as error:
            self._factory.failed(error)


def explained(reason: Failure) -> str:
    """Return why a connection ended, or never began."""
    if isinstance(reason.value, TrackerError):
        return str(reason.value)
    if isinstance(reason.value, ConnectionRefusedError):
        return "connection refused"
    return reason.getErrorMessage().rstrip(".")
