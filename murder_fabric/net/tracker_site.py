"""
The tracker's port: GET requests, each an announce, a scrape, a look at its numbers or at a torrent.

A connection stays for the next one where the client wants that (RFC 9112, 9.3), as some of the stock ones do
that announce many torrents.

Not `twisted.web`: a head of 4 KiB, a body of nothing and five seconds for all of it, however slowly the
bytes drip, are limits it has no settings for; the one kind of request answered here is read by
`tracker.http`.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, cast

from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure

from ..errors import TrackerError
from ..tracker.announcing import encode_failure, encode_response, parse_announce
from ..tracker.http import (
    TEXT_TYPE,
    TORRENT_TYPE,
    Request,
    RequestReader,
    format_response,
    format_response_head,
)
from ..tracker.keys import announce_path, scrape_url, statistics_path, torrent_path
from ..tracker.registry import Registry
from ..tracker.scraping import encode_scrape, parse_scrape
from ..tracker.statistics import (
    JSON_TYPE,
    MOST_SWARMS,
    PROMETHEUS_TYPE,
    SwarmStanding,
    metrics_text,
    stats_text,
)
from .body_sender import BodySender, Taking
from .ports import BACKLOG, Clock, Timer, Transport

#: Seconds in which a request must be complete, and its answer taken; then the next one must be.
REQUEST_TIMEOUT = 5.0
#: Seconds in which a torrent must be taken, which hundreds may fetch at once; and some of what is left of it.
#: Who has all of it in the 30 seconds that hosts try takes a third of what the kernel keeps for it sooner.
TORRENT_TIMEOUT, TAKING_TIMEOUT = 60.0, 10.0
#: Torrents that one address takes at once beside one for each host there: nobody may have noticed yet that a
#: host has started again.
TAKEN_BESIDE_HOSTS = 2
#: Answers on one connection: so many may wait for somebody who does not read them, 1 KiB an announce.
MOST_ANSWERS = 64
#: Connections that may stand without a complete request, as many as the kernel lets wait before them.
MOST_WAITING = BACKLOG
#: Seconds between looking for peers that fell silent.
EXPIRE_EVERY = 15.0
#: Seconds for which statistics are told as they were: to write those of a large swarm takes a while, in which
#: no announce is answered, and any host of the run may ask for them.
FRESH = 1.0


class Answer(NamedTuple):
    """
    A whole HTTP response, and whether the connection closes after it; a long *body* comes after *data*.

    Of those the address has a *share* at once; None where nobody said who takes part.
    """

    data: bytes
    last: bool
    body: bytes = b""
    share: int | None = None

    @classmethod
    def of_file(cls, content: bytes, content_type: str, share: int | None = None) -> Answer:
        """Return what gives a whole file, and ends the connection."""
        return cls(format_response_head(200, len(content), content_type, last=True), True, content, share)


#: What is said where as many bodies are being taken as may be.
COME_AGAIN = Answer(format_response(503, b"too many at once; come again\n"), True)


class TrackerSite(Factory):
    """
    Answers announces and scrapes out of a `Registry`.

    Args:
        registry: whose answers these are.
        clock: the reactor, or `task.Clock` in tests.
        token: the run's secret; with one, only URLs below the keys made of it exist.
        most_waiting: connections that may stand without a complete request; half as many may take a torrent.
    """

    noisy = False

    def __init__(
        self, registry: Registry, clock: Clock, token: bytes | None = None, most_waiting: int = MOST_WAITING
    ) -> None:
        path = announce_path(token)
        self.clock = clock
        self._waiting = Waiting(most_waiting)
        self._taking = Taking(most_waiting // 2)
        self._registry = registry
        self._routes: tuple[tuple[bytes, Callable[[bytes, str], bytes], str], ...] = (
            (path.encode("ascii"), self._announce, TEXT_TYPE),
            (scrape_url(path).encode("ascii"), self._scrape, TEXT_TYPE),
            (statistics_path("stats", token).encode("ascii"), self._stats, JSON_TYPE),
            (statistics_path("metrics", token).encode("ascii"), self._metrics, PROMETHEUS_TYPE),
        )
        #: By what writes them: when the statistics were written, and the text.
        self._told: dict[Callable[..., bytes], tuple[float, bytes]] = {}
        self._token = token
        #: By path: the info hash, and the whole file.
        self._torrents: dict[bytes, tuple[bytes, bytes]] = {}
        self._expiry = LoopingCall(lambda: registry.expire(now=clock.seconds()))
        self._expiry.clock = cast(Any, clock)

    def startFactory(self) -> None:
        self._expiry.start(EXPIRE_EVERY, now=False)

    def stopFactory(self) -> None:
        self._expiry.stop()

    def buildProtocol(self, addr: object) -> TrackerProtocol:
        return TrackerProtocol(self.answer, self.clock, self._waiting, self._taking)

    def serve_torrent(self, info_hash: bytes, torrent: bytes) -> None:
        """
        Let whoever knows the passkey, and may announce the torrent, fetch *torrent*.

        Raises:
            TrackerError: there is none, so that everybody could.
        """
        if self._token is None:
            raise TrackerError("an open tracker gives nobody a torrent; start it with a token")
        path = torrent_path(info_hash, self._token).encode("ascii")
        self._torrents[path] = (info_hash, torrent)

    def answer(self, request: Request, host: str) -> Answer:
        """Return the whole HTTP response to *request*, which came from the address *host*."""
        for path, respond, content_type in self._routes:
            # In constant time: a passkey must not be guessed letter by letter.
            if hmac.compare_digest(path, request.path):
                # Statistics are long: what waits on one connection to be read has to stay small.
                last = request.last or content_type != TEXT_TYPE
                try:
                    body = respond(request.query, host)
                except TrackerError as error:
                    return Answer(format_response(200, encode_failure(str(error)), last=last), last)
                return Answer(format_response(200, body, content_type, last=last), last)
        for path, (info_hash, torrent) in self._torrents.items():
            if hmac.compare_digest(path, request.path):
                hosts = self._registry.hosts_at(info_hash, host)
                if hosts != 0:
                    share = None if hosts is None else hosts + TAKEN_BESIDE_HOSTS
                    return Answer.of_file(torrent, TORRENT_TYPE, share)
        return Answer(format_response(404, b"not found\n"), True)

    def _announce(self, query: bytes, host: str) -> bytes:
        request = parse_announce(query)
        response = self._registry.announce(request, host, now=self.clock.seconds())
        return encode_response(response, request.compact)

    def _scrape(self, query: bytes, host: str) -> bytes:
        asked = [one for one in parse_scrape(query) if self._registry.is_for(one, host)]
        return encode_scrape(self._registry.scrape(asked))

    def _stats(self, query: bytes, host: str) -> bytes:
        return self._statistics(stats_text)

    def _metrics(self, query: bytes, host: str) -> bytes:
        return self._statistics(metrics_text)

    def _statistics(self, text: Callable[[int, int, Sequence[SwarmStanding]], bytes]) -> bytes:
        """Return what *text* makes of the numbers, which may be those of a moment ago."""
        now = self.clock.seconds()
        written_at, told = self._told.get(text, (-FRESH, b""))
        if now - written_at >= FRESH:
            swarms = self._registry.standing(MOST_SWARMS, now=now)
            told = text(self._registry.announce_count, self._registry.swarm_count, swarms)
            self._told[text] = (now, told)
        return told


class Waiting:
    """
    The connections whose next request is not complete, or whose last answer is not taken, those first that
    wait longest.

    One more than *most* costs the first of them its place: who means it asks at once, and if all had their
    five seconds, a flood could take every descriptor.
    """

    def __init__(self, most: int = MOST_WAITING) -> None:
        self._most = most
        self._connections: dict[TrackerProtocol, None] = {}

    def begun(self, connection: TrackerProtocol) -> None:
        """*connection* may ask from now on."""
        if len(self._connections) >= self._most:
            first = next(iter(self._connections))
            del self._connections[first]
            first.cut_off()
        self._connections[connection] = None

    def ended(self, connection: TrackerProtocol) -> None:
        """*connection* has asked, or is gone."""
        self._connections.pop(connection, None)


class TrackerProtocol(Protocol):
    """One connection: requests, each answered before the next may come; what is slow or odd is cut off."""

    def __init__(
        self, answer: Callable[[Request, str], Answer], clock: Clock, waiting: Waiting, taking: Taking
    ) -> None:
        self._answer = answer
        self._clock = clock
        self._waiting = waiting
        self._taking = taking
        #: When a body must be taken.
        self._end = 0.0
        self._reader: RequestReader | None = RequestReader()
        self._answered = 0
        self._host = ""
        self._deadline: Timer | None = None
        #: Whether part of an answer waits, or has waited, for the reactor to send it.
        self._queued = False

    def connectionMade(self) -> None:
        self._host = self._transport().getPeer().host
        self._deadline = self._clock.callLater(REQUEST_TIMEOUT, self.cut_off)
        self._waiting.begun(self)

    def cut_off(self) -> None:
        """Hang up at once."""
        self._transport().abortConnection()

    def dataReceived(self, data: bytes) -> None:
        if self._reader is None:
            return
        try:
            request = self._reader.receive(data)
        except TrackerError as error:
            self._say(Answer(format_response(400, f"{error}\n".encode()), True))
            return
        if request is None:
            return
        self._answered += 1
        if self._answered == MOST_ANSWERS:
            request = request._replace(last=True)
        self._say(self._answer(request, self._host))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._reader = None
        self._waiting.ended(self)
        self._taking.ended(self, self._host)
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()

    def _say(self, answer: Answer) -> None:
        self._waiting.ended(self)
        if answer.body and not self._taking.begun(self, self._host, answer.share):
            answer = COME_AGAIN
        self._send(answer.data)
        if answer.body:
            self._reader = None
            self._end = self._clock.seconds() + TORRENT_TIMEOUT
            self._part_taken()
            BodySender(self._transport(), answer.body, self._part_taken).start()
        elif answer.last:
            self._reader = None
            self._close()
        elif self._deadline is not None:
            self._waiting.begun(self)
            self._deadline.reset(REQUEST_TIMEOUT)

    def _part_taken(self) -> None:
        """Part of a body has left: the next one has to soon, and all of it in time."""
        self._taking.part_taken(self, self._host)
        if self._deadline is not None and self._deadline.active():
            self._deadline.reset(max(min(TAKING_TIMEOUT, self._end - self._clock.seconds()), 0.0))

    def _send(self, data: bytes) -> None:
        """
        Send *data*, at once as far as the kernel takes it, which is the whole of nearly every answer.

        The reactor would wait to be told that it may send: two system calls more, and a turn.
        """
        sent = 0
        if not self._queued:
            with suppress(OSError):  # whatever it is, the transport finds out as well, and knows what to do
                sent = self._transport().getHandle().send(data)
        if sent < len(data):
            self._queued = True
            self._transport().write(data[sent:])

    def _close(self) -> None:
        """Close once all is sent: now, where nothing is queued, and not a turn of the reactor later."""
        if self._queued:
            self._waiting.begun(self)  # until it is gone: who reads nothing comes again and again
            self._transport().loseConnection()
        else:
            self._transport().connectionLost(connectionDone)

    def _transport(self) -> Transport:
        return cast(Transport, self.transport)
