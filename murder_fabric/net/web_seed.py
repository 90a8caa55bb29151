"""An HTTP origin as a peer of the swarm (BEP 19): what is asked of it is fetched in ranges of files."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, cast

from twisted.internet.defer import CancelledError, Deferred

from ..errors import OriginBusy, OriginMoved, RemoteProtocolError, TrackerError
from ..metainfo.geometry import Span
from ..metainfo.values import Info
from ..metainfo.web_seeds import file_url, moved
from ..policy.origins import OriginTrouble
from ..swarm.peer import Peer
from ..swarm.session import Session
from ..wire.messages import (
    BlockPart,
    Cancel,
    Choke,
    HaveAll,
    KeepAlive,
    Message,
    Piece,
    Request,
    Unchoke,
)
from ..wire.web_seed import RangeReader, format_range_request
from .dialer import CONNECT_TIMEOUT
from .http_client import Location, dial, locate, resolve
from .origin_connection import OriginConnection, OriginFactory
from .pacing import Intake, Traffic
from .ports import Reactor, Timer

#: Seconds between two offers to send what peers keep us waiting for.
OFFER_INTERVAL = 1.0
#: How often in a row it may say that a file is elsewhere.
MOST_MOVES = 5


class WebSeed:
    """
    A `Link` to an origin: to the session a peer that has everything and may be asked for whole pieces.

    What comes is verified by the session like anybody's. While the origin cannot answer it chokes us; what it
    may not answer at all, and what the session closes (it lies, it stalls), ends it for good.

    Args:
        url: where the payload lies there, as `metainfo.web_seeds.file_url` understands it.
        dropped: told why, when it is given up.
        certificates: CA certificates (PEM) it may be known by, beside those that this host trusts.
        traffic: what the connections of the swarm share of the network.
    """

    def __init__(
        self,
        reactor: Reactor,
        session: Session,
        info: Info,
        url: str,
        dropped: Callable[[str], None],
        certificates: str = "",
        traffic: Traffic | None = None,
    ) -> None:
        #: Bytes of payload that came from it.
        self.received = 0
        self._reactor = reactor
        self._session = session
        self._info = info
        self._url = url
        self._dropped = dropped
        self._certificates = certificates
        self._traffic = traffic or Traffic(reactor)
        #: Where files are that were elsewhere, by number; and how often in a row that was said.
        self._moved: dict[int, str] = {}
        self._moves = 0
        self._trouble = OriginTrouble()
        self._waiting: deque[Request] = deque()
        #: The piece that is coming, the spans of it still to be asked for, and how far it has come.
        self._current: Request | None = None
        self._spans: deque[Span] = deque()
        self._at = 0
        self._reader: RangeReader | None = None
        self._connection: OriginConnection | None = None
        self._connecting = False
        self._attempt: Deferred[None] | None = None
        self._attempts = 0
        self._choking = True
        self._over = False
        self._timers: dict[str, Timer] = {}
        self._peer: Peer | None = None

    def start(self) -> None:
        """Join the session as a peer that has everything."""
        now = self._reactor.seconds()
        try:
            location = locate(self._url)
        except TrackerError as error:
            self._drop(str(error))
            return
        peer = self._session.connected(self, (location.host, 0), dialed=False, now=now)
        if peer is None:
            self._drop("there is no room for one more connection")
            return
        self._peer = peer
        peer.origin = peer.trusted = True
        peer.peer_id = self._url.encode("ascii")
        peer.request_length = self._info.piece_length
        self._say(HaveAll())
        self._unchoke()
        self._offer()

    # The session's orders -----------------------------------------------------------------------------------

    def send(self, *messages: Message) -> None:
        """Take requests in, and take them back while they wait; the rest is nothing to an origin."""
        for message in messages:
            if type(message) is Request:
                self._waiting.append(message)
                self._later("ask", 0.0, self._ask)
            elif type(message) is Cancel and Request(*message) in self._waiting:
                self._waiting.remove(Request(*message))
            elif type(message) is KeepAlive:
                self._later("answer", 0.0, lambda: self._say(KeepAlive()))

    def send_block(self, request: Request) -> None:
        """Nothing: an origin takes no blocks, and asks for none."""

    def cancel_block(self, request: Request) -> bool:
        """Return False: there is none to take back."""
        return False

    def before_words(self) -> int:
        """Return 0: nothing that we ask for waits behind anything of ours."""
        return 0

    def close(self, reason: str) -> None:
        """Have nothing to do with it any more."""
        self._drop(reason)

    # Asking -------------------------------------------------------------------------------------------------

    def _ask(self) -> None:
        """Ask for the next span, unless one is under way."""
        while not self._over and not self._choking and self._reader is None and not self._connecting:
            if not self._spans:
                if not self._waiting:
                    return
                self._begin(self._waiting.popleft())
            span = self._spans[0]
            if self._info.files[span.file].padding:  # BEP 47: nowhere but in the hashes
                self._spans.popleft()
                self._deliver(memoryview(bytes(span.length)))
                continue
            try:
                location = locate(self._url_of(span.file))
            except TrackerError as error:
                self._drop(str(error))
                return
            if self._connection is not None and self._connection.server != location.server:
                self._hang_up()
            if self._connection is None:
                self._connecting = True
                self._attempt = Deferred.fromCoroutine(self._connect(location))
            else:
                self._reader = RangeReader(span.offset, span.length, self._info.files[span.file].length)
                request = format_range_request(location.netloc, location.target, span.offset, span.length)
                self._connection.write(request)

    def _begin(self, request: Request) -> None:
        self._current, self._at = request, request.begin
        self._spans.extend(self._info.geometry.spans(*request))
        self._say(Piece(*request))

    def _url_of(self, file: int) -> str:
        return self._moved.get(file) or file_url(self._url, self._info, file)

    async def _connect(self, location: Location) -> None:
        try:
            addresses = await resolve(self._reactor, location.host, None)
            address = addresses[self._attempts % len(addresses)]
            self._attempts += 1
            factory = OriginFactory(self, location.server)
            trust = self._certificates
            dial(self._reactor, address, location, factory, timeout=CONNECT_TIMEOUT, certificates=trust)
            self._connection = await factory.connected
        except CancelledError:
            return
        except TrackerError as error:
            self._connecting = False
            self._stumble(str(error))
            return
        self._connecting = False
        self._ask()

    # What the connection tells ------------------------------------------------------------------------------

    def intake(self, transport: Any) -> Intake | None:
        """Return what is to hear of all that comes over *transport*, where there is a limit."""
        return self._traffic.intake(transport, self._held_back)

    def data_received(self, connection: OriginConnection, data: bytes) -> None:
        """Bytes came from the origin."""
        if connection is not self._connection or self._over:
            return
        if self._reader is None:
            self._drop("it sends what nobody asked for")
            return
        try:
            body = self._reader.receive(data)
        except OriginBusy as error:
            self._stumble(str(error))
            return
        except OriginMoved as error:
            self._move(error)
            return
        except RemoteProtocolError as error:
            if self._spans[0].file in self._moved:  # where it was moved to, it may not be for long
                self._stumble(str(error))
            else:
                self._drop(str(error))
            return
        reader = self._reader
        if reader.complete:
            self._reader = None
            self._spans.popleft()
            self._trouble.answered()
            self._moves = 0
            connection.served += 1
            if not reader.keeps_alive:
                self._hang_up()
        if body:
            self._deliver(body)
        self._ask()

    def connection_lost(self, connection: OriginConnection) -> None:
        """The origin hung up: between two answers it may, in the middle of one it may not."""
        if connection is not self._connection or self._over:
            return
        self._connection = None
        reader, self._reader = self._reader, None
        if reader is None:
            return
        if connection.served and not reader.begun:  # it closed an idle connection as we used it again
            self._ask()
        else:
            self._stumble("it hung up in the middle of an answer")

    # Inside -------------------------------------------------------------------------------------------------

    def _deliver(self, data: memoryview) -> None:
        request, begin = cast(Request, self._current), self._at
        self._at += len(data)
        self.received += len(data)
        last = self._at == request.begin + request.length
        if last:
            self._current = None
        self._say(BlockPart(request.index, begin, data, last))

    def _move(self, error: OriginMoved) -> None:
        """Ask for the file where it is."""
        file = self._spans[0].file
        target = moved(self._url_of(file), error.location)
        self._moves += 1
        if target is None or self._moves > MOST_MOVES:
            why = "sends us round and round" if target is not None else "sends us where we do not go"
            self._drop(f"{error} and {why}")
            return
        self._moved[file] = target
        self._reader = None
        self._hang_up()  # the rest of this answer is of no use
        self._ask()

    def _stumble(self, why: str) -> None:
        """It could not answer: try again in a while, or give it up."""
        self._hang_up()
        if self._spans:  # if it had sent us elsewhere, it may know a better place by then
            self._moved.pop(self._spans[0].file, None)
        self._moves = 0
        self._reader = self._current = None
        self._spans.clear()
        self._waiting.clear()
        delay = self._trouble.failed()
        if delay is None:
            self._drop(why)
            return
        self._choking = True
        self._say(Choke())
        self._later("unchoke", delay, self._unchoke)

    def _unchoke(self) -> None:
        self._choking = False
        self._say(Unchoke())

    def _offer(self) -> None:
        """Have the session look again whether it wants something of us."""
        self._later("offer", OFFER_INTERVAL, self._offer)
        if not self._choking:
            self._say(Unchoke())

    def _say(self, message: Message) -> None:
        if self._peer is not None and not self._over:
            self._session.message_received(self._peer, message, now=self._reactor.seconds())

    def _later(self, name: str, delay: float, action: Callable[[], None]) -> None:
        """Call *action* once, however often that is asked for meanwhile."""
        timer = self._timers.get(name)
        if not self._over and (timer is None or not timer.active()):
            self._timers[name] = self._reactor.callLater(delay, action)

    def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abort()

    def _drop(self, why: str) -> None:
        if self._over:
            return
        self._over = True
        self._hang_up()
        for timer in self._timers.values():
            if timer.active():
                timer.cancel()
        if self._connecting and self._attempt is not None:
            self._attempt.cancel()
        if self._peer is not None:  # the session may be in the middle of telling us
            self._reactor.callLater(0.0, self._leave, self._peer)
        self._dropped(why)

    def _held_back(self, seconds: float) -> None:
        if self._peer is not None:
            self._session.held_back(self._peer, seconds)

    def _leave(self, peer: Peer) -> None:
        self._session.link_lost(peer, now=self._reactor.seconds())
