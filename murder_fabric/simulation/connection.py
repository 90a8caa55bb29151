"""Two ends of one simulated connection: what `net` is in production, without sockets."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from ..errors import RemoteProtocolError
from ..swarm.peer import Peer
from ..swarm.ports import Address
from ..wire.connection import WireConnection
from ..wire.messages import Message, Piece, Request
from .network import parts_of

if TYPE_CHECKING:
    from .host import Host


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
        self._host = host
        self._wire = WireConnection(host.info.geometry.piece_count, host.config.max_block)
        self._words: deque[bytes] = deque()
        self._blocks: deque[Request] = deque()
        self._current: deque[bytes] = deque()
        self._sending: Request | None = None
        self._queued = False
        self._closed = False

    # The session's orders -----------------------------------------------------------------------------------

    def send(self, *messages: Message) -> None:
        """Put *messages* on the wire."""
        if not self._closed:
            self._words.extend(map(self._wire.send, messages))
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

    def close(self, reason: str) -> None:
        """End the connection; both sessions hear of it as soon as they do nothing else."""
        if not self._closed:
            self.cut()
            if self.other is not None:
                latency = self._host.link.latency + self.other._host.link.latency
                self._host.clock.call_later(latency, self.other.cut)

    # What happens -------------------------------------------------------------------------------------------

    def opened(self) -> None:
        """The connection stands."""
        self.peer = self._host.session.connected(
            self, self.address, dialed=self.dialed, now=self._host.clock.now
        )
        if self.peer is None:
            self.close("no room")

    def cut(self) -> None:
        """The connection is gone, from this end's view."""
        if not self._closed:
            self._closed = True
            self._host.clock.call_later(0.0, self._lost)

    def next_part(self, most: int) -> bytes:
        """Return what goes out next; see `network.Source`."""
        if not self._current and not self._closed:
            self._begin()
        if not self._current or self._closed:
            self._queued = False
            return b""
        part = self._current.popleft()
        if not self._current and self._sending is not None:
            request, self._sending = self._sending, None
            if self.peer is not None:
                self._host.session.block_sent(self.peer, request, now=self._host.clock.now)
        return part

    def receive(self, data: bytes) -> None:
        """Bytes from the other end."""
        if self._closed or self.peer is None:
            return
        session, now = self._host.session, self._host.clock.now
        try:
            for message in self._wire.receive(data):
                session.message_received(self.peer, message, now=now)
                if self._closed:
                    return
        except RemoteProtocolError as error:
            self._host.trace(f"broke the rules: {error}")
            self.close(str(error))

    def _begin(self) -> None:
        if self._words:
            self._current.append(b"".join(self._words))
            self._words.clear()
        elif self._blocks:
            self._sending = self._blocks.popleft()
            data = self._host.disk.read(*self._sending)
            self._current.append(self._wire.send(Piece(*self._sending)))
            self._current.extend(parts_of(data, 16 * 1024))

    def _offer(self) -> None:
        if not self._queued:
            self._queued = True
            self._host.uplink.ready(self, self._deliver)

    def _deliver(self, part: bytes) -> None:
        other = self.other
        if other is not None and not other._closed:
            latency = self._host.link.latency + other._host.link.latency
            other._host.downlink.arrive(latency, part, other.receive)

    def _lost(self) -> None:
        self._host.ends.pop(self, None)
        if self.peer is not None:
            self._host.session.link_lost(self.peer, now=self._host.clock.now)
