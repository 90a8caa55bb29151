"""
TLS as a client, over connections of the reactor: that of the standard library, fed with bytes.

Twisted's own needs pyOpenSSL, which is compiled, and so can be in no bundle that every host runs.
"""

from __future__ import annotations

import contextlib
import functools
import ssl
from typing import Any, cast

from twisted.internet.error import ConnectionLost
from twisted.internet.protocol import ClientFactory, Protocol, connectionDone
from twisted.python.failure import Failure

from ..errors import TrackerError
from .ports import Clock

#: Seconds from the connection until both sides have agreed on keys.
HANDSHAKE_TIMEOUT = 5.0
#: Read at once of what was decrypted.
_PART_LENGTH = 256 * 1024


@functools.lru_cache(maxsize=4)  # reading a host's certificates takes 50 ms, and each reconnection needs them
def client_context(certificates: str) -> ssl.SSLContext:
    """
    Return what checks servers: names too, and by the certificates this host trusts and *certificates* (PEM).

    Raises:
        TrackerError: *certificates* are none.
    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if certificates:
        try:
            context.load_verify_locations(cadata=certificates)
        except (ssl.SSLError, ValueError, TypeError):  # the last for what is not ASCII
            raise TrackerError("the certificates of murder.ca_file (--ca-file) are none (PEM)") from None
    return context


class SecuredFactory(ClientFactory):
    """
    Connects *inner* through TLS: it is told of a connection once that is safe, and of one that failed.

    Args:
        clock: limits the handshake.
        inner: its protocol writes to, and aborts, what looks like any transport.
        host: whom the certificate must name.
    """

    noisy = False

    def __init__(self, clock: Clock, inner: ClientFactory, context: ssl.SSLContext, host: str) -> None:
        self._clock = clock
        self._inner = inner
        self._context = context
        self._host = host

    def buildProtocol(self, addr: Any) -> _Secured:
        """Return the protocol that decrypts for the inner one."""
        return _Secured(self._clock, self._inner, addr, self._context, self._host)

    def clientConnectionFailed(self, connector: Any, reason: Failure) -> None:
        """Pass it on."""
        self._inner.clientConnectionFailed(connector, reason)


class _Secured(Protocol):
    """To the socket a protocol, to the inner protocol a transport."""

    def __init__(
        self, clock: Clock, factory: ClientFactory, address: Any, context: ssl.SSLContext, host: str
    ) -> None:
        self._factory = factory
        self._address = address
        self._clock = clock
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._inner: Any = None
        self._failed = False
        self._closed_in_order = False

    # What the socket tells ----------------------------------------------------------------------------------

    def connectionMade(self) -> None:
        self._timer = self._clock.callLater(HANDSHAKE_TIMEOUT, self._fail, "no answer to TLS")
        self._agree()

    def dataReceived(self, data: bytes) -> None:
        self._incoming.write(data)
        try:
            if self._inner is None and not self._agree():
                return
            plain = self._decrypted()
        except ssl.SSLError as error:
            self._fail(_sentence(error))
            return
        self._flush()
        if plain:
            self._inner.dataReceived(plain)
        if self._closed_in_order:
            self._close_too()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._timer.active():
            self._timer.cancel()
        if self._inner is not None:
            # Whoever cuts a connection from outside cannot pretend that the server has ended it.
            self._inner.connectionLost(reason if self._closed_in_order else _failure(ConnectionLost()))
        else:
            self._fail("the connection ended before TLS began")

    # What the inner protocol asks ---------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Send *data*."""
        try:
            self._tls.write(data)
        except ssl.SSLError as error:  # the server has said that it takes no more
            self._fail(_sentence(error))
        self._flush()

    def abortConnection(self) -> None:
        """Close at once."""
        cast(Any, self.transport).abortConnection()

    def setTcpNoDelay(self, enabled: bool) -> None:
        """As the socket's."""
        cast(Any, self.transport).setTcpNoDelay(enabled)

    @property
    def bufferSize(self) -> int:
        """How much the socket hands on at a time; the inner protocol may set it."""
        return int(cast(Any, self.transport).bufferSize)

    @bufferSize.setter
    def bufferSize(self, length: int) -> None:
        cast(Any, self.transport).bufferSize = length

    def pauseProducing(self) -> None:
        """Read no more for now."""
        cast(Any, self.transport).pauseProducing()

    def resumeProducing(self) -> None:
        """Read again."""
        cast(Any, self.transport).resumeProducing()

    # Inside -------------------------------------------------------------------------------------------------

    def _agree(self) -> bool:
        """Go on with the handshake; return whether it is done, the inner protocol being connected then."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLError as error:
            self._fail(_sentence(error))
            return False
        finally:
            self._flush()
        self._timer.cancel()
        self._inner = self._factory.buildProtocol(self._address)
        self._inner.makeConnection(self)
        return True

    def _decrypted(self) -> bytes:
        parts = []
        while True:
            try:
                part = self._tls.read(_PART_LENGTH)
            except ssl.SSLWantReadError:
                break
            except ssl.SSLZeroReturnError:
                part = b""
            if not part:
                self._closed_in_order = True
                break
            parts.append(part)
        return b"".join(parts)

    def _flush(self) -> None:
        data = self._outgoing.read()
        if data:
            cast(Any, self.transport).write(data)

    def _close_too(self) -> None:
        """Say that we have ended too, which the server may wait for (RFC 5246, 7.2.1)."""
        with contextlib.suppress(ssl.SSLError):
            self._tls.unwrap()
        self._flush()
        cast(Any, self.transport).loseConnection()

    def _fail(self, why: str) -> None:
        if self._failed:
            return
        self._failed = True
        self.abortConnection()
        if self._inner is None:
            # No factory of ours asks for the connector.
            self._factory.clientConnectionFailed(cast(Any, None), _failure(TrackerError(why)))


def _failure(error: Exception) -> Failure:
    return Failure(error)  # type: ignore[no-untyped-call]


def _sentence(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        trust = "; murder.ca_file can name the CA that signed it"
        unknown = error.verify_code in (18, 19, 20, 21)  # X509_V_ERR_…: self-signed, or no issuer we know
        return f"its certificate is refused: {error.verify_message}{trust * unknown}"
    return f"TLS failed: {(error.reason or 'unknown').lower().replace('_', ' ')}"
