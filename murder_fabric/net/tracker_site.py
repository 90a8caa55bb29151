"""
The tracker's port: one GET request a connection, an announce, a scrape or a look at its numbers, and the
connection is closed.

Not `twisted.web`: a head of 4 KiB, a body of nothing and five seconds for all of it, however slowly the
bytes drip, are limits it has no settings for; the one kind of request answered here is read by
`tracker.http`.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Any, cast

from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure

from ..errors import TrackerError
from ..tracker.addresses import canonical_host
from ..tracker.announcing import encode_failure, encode_response, parse_announce
from ..tracker.http import Request, RequestReader, format_response
from ..tracker.keys import announce_path, scrape_url, statistics_path
from ..tracker.registry import Registry
from ..tracker.scraping import encode_scrape, parse_scrape
from ..tracker.statistics import JSON_TYPE, PROMETHEUS_TYPE, metrics_text, stats_text
from .ports import Clock, Timer, Transport

#: Seconds in which a request must be complete, and its answer taken.
REQUEST_TIMEOUT = 5.0
#: Seconds between looking for peers that fell silent.
EXPIRE_EVERY = 15.0


class TrackerSite(Factory):
    """
    Answers announces and scrapes out of a `Registry`.

    Args:
        registry: whose answers these are.
        clock: the reactor, or `task.Clock` in tests.
        token: the run's secret; with one, only URLs below the keys made of it exist.
    """

    noisy = False

    def __init__(self, registry: Registry, clock: Clock, token: bytes | None = None) -> None:
        path = announce_path(token)
        self.clock = clock
        self._registry = registry
        self._routes: tuple[tuple[bytes, Callable[[bytes, str], bytes], str], ...] = (
            (path.encode("ascii"), self._announce, "text/plain"),
            (scrape_url(path).encode("ascii"), self._scrape, "text/plain"),
            (statistics_path("stats", token).encode("ascii"), self._stats, JSON_TYPE),
            (statistics_path("metrics", token).encode("ascii"), self._metrics, PROMETHEUS_TYPE),
        )
        self._expiry = LoopingCall(lambda: registry.expire(now=clock.seconds()))
        self._expiry.clock = cast(Any, clock)

    def startFactory(self) -> None:
        self._expiry.start(EXPIRE_EVERY, now=False)

    def stopFactory(self) -> None:
        self._expiry.stop()

    def buildProtocol(self, addr: object) -> TrackerProtocol:
        return TrackerProtocol(self.answer, self.clock)

    def answer(self, request: Request, host: str) -> bytes:
        """Return the whole HTTP response to *request*, which came from the address *host*."""
        for path, respond, content_type in self._routes:
            # In constant time: a passkey must not be guessed letter by letter.
            if hmac.compare_digest(path, request.path):
                try:
                    return format_response(200, respond(request.query, host), content_type)
                except TrackerError as error:
                    return format_response(200, encode_failure(str(error)))
        return format_response(404, b"not found\n")

    def _announce(self, query: bytes, host: str) -> bytes:
        request = parse_announce(query)
        response = self._registry.announce(request, host, now=self.clock.seconds())
        return encode_response(response, request.compact)

    def _scrape(self, query: bytes, host: str) -> bytes:
        return encode_scrape(self._registry.scrape(parse_scrape(query)))

    def _stats(self, query: bytes, host: str) -> bytes:
        return stats_text(self._registry.announce_count, self._registry.standing(now=self.clock.seconds()))

    def _metrics(self, query: bytes, host: str) -> bytes:
        return metrics_text(self._registry.announce_count, self._registry.standing(now=self.clock.seconds()))


class TrackerProtocol(Protocol):
    """One connection: reads a request, writes its answer, closes; whatever is slow or odd is cut off."""

    def __init__(self, answer: Callable[[Request, str], bytes], clock: Clock) -> None:
        self._answer = answer
        self._clock = clock
        self._reader: RequestReader | None = RequestReader()
        self._deadline: Timer | None = None

    def connectionMade(self) -> None:
        self._deadline = self._clock.callLater(REQUEST_TIMEOUT, self._transport().abortConnection)

    def dataReceived(self, data: bytes) -> None:
        if self._reader is None:
            return
        try:
            request = self._reader.receive(data)
        except TrackerError as error:
            self._finish(format_response(400, f"{error}\n".encode()))
            return
        if request is not None:
            self._finish(self._answer(request, canonical_host(self._transport().getPeer().host)))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._reader = None
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()

    def _finish(self, response: bytes) -> None:
        self._reader = None
        self._transport().write(response)
        self._transport().loseConnection()

    def _transport(self) -> Transport:
        return cast(Transport, self.transport)
