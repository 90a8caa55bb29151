"""Two ends of one simulated connection: what `net` and TCP are in production, without sockets."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from ..errors import RemoteProtocolError, StorageError
from ..swarm.peer import Peer
from ..swarm.ports import Address
from ..wire.connection import WireConnection
from ..wire.messages import Message, Piece, Request
from .network import QUANTUM, parts_of

if TYPE_CHECKING:
    from .host import Host

#: Bytes on their way that the other process has not taken yet: beyond these its kernel takes no more.
WINDOW = 256 * 1024
#: Bytes of messages that may wait for a peer to read, and seconds after which unanswered data end a
#: connection, both as `net` has them.
MAX_UNREAD = 256 * 1024
USER_TIMEOUT = 10.0
#: On links below so many bytes a second, connections take turns packet by packet: with longer parts a peer
#: whose link thirty share would hear nothing from most of them for seconds, and take them for dead.
FAST, SEGMENT = 1e6, 1448
#: Seconds until TCP sends again what was lost.
RETRANSMISSION = 0.2


class End:
    """
    One host's end: the `Link` of its session.

    Control messages go before blocks that have not begun, as `net.block_sender` has it.
    """

    def __init__(self, host: Host, address: Address, *, dialed: bool) -> None:
        self.other: End | None = None
        self.address = address
        self.dialed = dialed
        self.peer: Peer | None = None
        self.host = host
        self.closed = False
        self._wire = WireConnection(host.info.geometry.piece_count, host.config.max_block)
        self._words: deque[bytes] = deque()
        self._unread = 0
        self._blocks: deque[Request] = deque()
        self._current: deque[bytes] = deque()
        self._sending: Request | None = None
        self._queued = False
        self._in_flight = 0
        self._stuck: deque[bytes] = deque()
        self._late_until = -1.0
        self._armed = False
        self._gone = 0

    # The session's orders -----------------------------------------------------------------------------------

    def send(self, *messages: Message) -> None:
        """Put *messages* on the wire."""
        if not self.closed:
            self.say(b"".join(map(self._wire.send, messages)))

    def say(self, data: bytes) -> None:
        """Put bytes on the wire; who reads none of them is hung up on."""
        self._words.append(data)
        self._unread += len(data)
        if self._unread > MAX_UNREAD:
            self.close("it does not read what it is told")
        self._offer()

    def send_block(self, request: Request) -> None:
        """Queue a block."""
        self._blocks.append(request)
        self._offer()

    def cancel_block(self, request: Request) -> bool:
        """Take a queued block back; False if it has begun to leave."""
        if request not in self._blocks:
            return False
        self._blocks.remove(request)
        return True

    def before_words(self) -> int:
        """Return how much has left of the block that words wait behind, in bytes; 0 where none waits."""
        return self._gone if self._words and self._sending is not None else 0

    def close(self, reason: str) -> None:
        """End the connection; the other end hears of it if anything gets there."""
        if not self.closed:
            if self.other is not None:
                self.host.watch.hung_up(self.host, self.other.host, reason)
            self.cut()
            self.reset()

    # What happens -------------------------------------------------------------------------------------------

    def opened(self) -> None:
        """The connection stands."""
        self.peer = self.host.session.connected(
            self, self.address, dialed=self.dialed, now=self.host.clock.now
        )
        if self.peer is None:
            self.close("no room")

    def cut(self) -> None:
        """The connection is gone, from this end's view."""
        if not self.closed:
            self.closed = True
            self.host.later(0.0, self._lost)

    def reset(self) -> None:
        """Tell the other end that there is no connection any more."""
        other = self.other
        if other is not None and not other.closed and self._passes(self, other):
            self.host.clock.call_later(self._latency(), other.cut)

    def healed(self) -> None:
        """The way may be free again: send what got stuck."""
        if self.other is not None and self._stuck and self._passes(self, self.other):
            stuck, self._stuck = self._stuck, deque()
            for part in stuck:
                self._travel(part)

    def next_part(self, most: int) -> bytes:
        """Return what goes out next; see `network.Source`."""
        if self.closed or self._in_flight >= WINDOW:
            self._queued = False
            return b""
        if not self._current:
            self._begin()
        if not self._current or self.closed:
            self._queued = False
            return b""
        part = self._current.popleft()
        self._in_flight += len(part)
        self._gone += len(part)
        if not self._current and self._sending is not None:
            request, self._sending = self._sending, None
            if self.peer is not None:
                self.host.session.block_sent(self.peer, request, now=self.host.clock.now)
        return part

    def receive(self, data: bytes) -> None:
        """The process has time for bytes from the other end."""
        if self.closed or self.peer is None or self.other is None:
            return
        self.other._taken(len(data))
        session, now = self.host.session, self.host.clock.now
        try:
            for message in self._wire.receive(data):
                session.message_received(self.peer, message, now=now)
                if self.closed:
                    return
        except RemoteProtocolError as error:
            self.host.watch.broke_the_rules(self.host, self.other.host, str(error))
            self.close(str(error))

    # Inside -------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        if self._words:
            self._unread = 0
            words = b"".join(self._words)
            self._words.clear()
            self._current.extend(parts_of(words, self._most()))
        elif self._blocks:
            request = self._blocks.popleft()
            try:
                data = self.host.disk.read(*request)
            except StorageError as error:
                self.close(str(error))
                self.host.session.storage_failed(str(error))
                return
            self._sending, self._gone = request, 0
            self._current.extend(parts_of(self._wire.send(Piece(*request)) + data, self._most()))

    def _most(self) -> int:
        """Return the length of what leaves at once."""
        slowest = (
            self.host.link.rate if self.other is None else min(self.host.link.rate, self.other.host.link.rate)
        )
        return QUANTUM if slowest >= FAST else SEGMENT

    def _offer(self) -> None:
        if not self._queued and not self.closed:
            self._queued = True
            self.host.uplink.ready(self, self._left)

    def _taken(self, length: int) -> None:
        was_shut = self._in_flight >= WINDOW
        self._in_flight -= length
        if was_shut and self._in_flight < WINDOW:
            self._offer()

    def _left(self, part: bytes) -> None:
        """*part* has left the host."""
        other = self.other
        if other is None:
            return
        there, back = self._passes(self, other), self._passes(other, self)
        if not (there and back) and not self._armed:
            self._armed = True
            self.host.clock.call_later(USER_TIMEOUT, self._unanswered, self.host.clock.now)
        if self._stuck or not there:
            self._stuck.append(part)
        else:
            self._travel(part)

    def _travel(self, part: bytes) -> None:
        now, other = self.host.clock.now, self.other
        if other is None:
            return
        loss = max(self.host.link.loss, other.host.link.loss)
        if loss and self.host.chance.random() < loss:
            self._late_until = max(self._late_until, now) + RETRANSMISSION
        # What was sent after a part that got lost, or took a longer way, waits for it.
        self._late_until = max(self._late_until, now + self._latency())
        self.host.clock.call_at(self._late_until, other.host.downlink.arrive, part, other._came)

    def _came(self, part: bytes) -> None:
        """The kernel has *part*, from the other end."""
        if self.closed:
            self.reset()
        else:
            self.host.wake(self.receive, part)

    def _unanswered(self, since: float) -> None:
        self._armed = False
        if self.closed or self.other is None:
            return
        silent = self.host.network.silent_since(self.host.name, self.other.host.name)
        if silent is not None and silent <= since:
            self.cut()

    def _lost(self) -> None:
        self.host.ends.pop(self, None)
        if self.peer is not None:
            self.host.session.link_lost(self.peer, now=self.host.clock.now)

    def _latency(self) -> float:
        other = self.other
        return self.host.link.latency + (0.0 if other is None else other.host.link.latency)

    def _passes(self, one: End, two: End) -> bool:
        return self.host.network.passes(one.host.name, two.host.name)
