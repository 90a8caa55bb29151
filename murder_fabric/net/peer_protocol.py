"""The Twisted edge of one peer connection: moves bytes, decides nothing."""

from __future__ import annotations

import socket
from typing import Any, cast

from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..errors import RemoteProtocolError, StorageError
from ..metainfo.values import Info
from ..policy.gathering import bytes_to_gather
from ..swarm.peer import Peer
from ..swarm.ports import Address
from ..swarm.session import Session
from ..tracker.addresses import canonical_host
from ..wire.connection import WireConnection
from ..wire.messages import Message, Piece, Request
from .block_sender import BlockSender, BlockSource
from .pacing import Intake, Traffic
from .ports import Clock

#: Bytes taken from the socket at once: few from a slow peer, since Python makes room for all of them each
#: time; more from one that fills that; and never so many that they leave the CPU's cache before they are
#: hashed and written (docs/performance.md).
LEAST_RECEIVED, MOST_RECEIVED = 1 << 15, 1 << 19
#: Milliseconds unacknowledged data may wait before the kernel calls the connection dead.
USER_TIMEOUT = 10_000


class PeerProtocol(Protocol):
    """
    Joins a transport to a `WireConnection`, a session and the files it serves.

    Args:
        address: where we dialed; None for a connection that was accepted.
        max_block: longest block that we ask for, in bytes.
        traffic: what the connections of the swarm share of the network.
    """

    _log = Logger()

    def __init__(
        self,
        session: Session,
        info: Info,
        source: BlockSource,
        clock: Clock,
        max_block: int,
        address: Address | None = None,
        traffic: Traffic | None = None,
    ) -> None:
        self._session = session
        self._info = info
        self._source = source
        self._clock = clock
        self._address = address
        self._wire = WireConnection(info.geometry.piece_count, max_block)
        self._traffic = traffic or Traffic(clock)
        self._intake: Intake | None = None
        self._peer: Peer | None = None
        self._closing = False
        #: Bytes that must have come before the kernel wakes us.
        self._awaited = 1

    # The session's orders -----------------------------------------------------------------------------------

    def send(self, *messages: Message) -> None:
        """Put *messages* on the wire; once we are closing, nothing is said any more."""
        if not self._closing and not self._blocks.say(b"".join(map(self._wire.send, messages))):
            self.close("it does not read what it is told")

    def send_block(self, request: Request) -> None:
        """Queue a block; once we are closing, none is sent any more."""
        if not self._closing:
            self._blocks.queue(request)

    def cancel_block(self, request: Request) -> bool:
        """Take a queued block back; False if it has begun to leave."""
        return self._blocks.cancel(request)

    def before_words(self) -> int:
        """Return how much has left of the block that messages wait behind, in bytes; 0 where none waits."""
        return self._blocks.before_words()

    def close(self, reason: str) -> None:
        """End the connection now."""
        if not self._closing:
            self._closing = True
            self._log.debug("closing {peer}: {reason}", peer=self._address, reason=reason)
            self._transport.abortConnection()

    # The transport's facts ----------------------------------------------------------------------------------

    @property
    def _transport(self) -> Any:
        return cast(Any, self.transport)

    def connectionMade(self) -> None:
        transport, now = self._transport, self._clock.seconds()
        transport.bufferSize = LEAST_RECEIVED
        transport.setTcpNoDelay(True)
        transport.getHandle().setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT)
        self._traffic.mark(transport.getHandle())
        self._intake = self._traffic.intake(transport, self._held_back)
        self._blocks = BlockSender(
            transport,
            self._info,
            self._source,
            self._block_header,
            self._block_sent,
            self._storage_failed,
            self._traffic.upload,
        )
        dialed = self._address is not None
        if self._address is None:
            self._address = (canonical_host(transport.getPeer().host), transport.getPeer().port)
        self._peer = self._session.connected(self, self._address, dialed=dialed, now=now)
        if self._peer is None:
            self.close("no room for another peer")

    def dataReceived(self, data: bytes) -> None:
        if self._peer is None or self._closing:
            return
        if len(data) == self._transport.bufferSize < MOST_RECEIVED:
            self._transport.bufferSize *= 2
        elif len(data) < LEAST_RECEIVED:
            self._transport.bufferSize = LEAST_RECEIVED
        if self._intake is not None:
            self._intake.received(len(data))
        now = self._clock.seconds()
        try:
            for message in self._wire.receive(data):
                self._session.message_received(self._peer, message, now=now)
                if self._closing:
                    return
        except RemoteProtocolError as error:
            self.close(str(error))
            return
        self._await(bytes_to_gather(self._wire.missing, self._peer.download.rate(now=now)))

    def _await(self, count: int) -> None:
        """Be woken once *count* bytes have come, or the connection has ended."""
        if count != self._awaited:
            self._awaited = count
            self._transport.getHandle().setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, count)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._closing = True
        if self._intake is not None:
            self._intake.stop()
        if self._peer is not None:
            self._session.link_lost(self._peer, now=self._clock.seconds())

    def _held_back(self, seconds: float) -> None:
        if self._peer is not None:
            self._session.held_back(self._peer, seconds)

    # The block sender's questions ---------------------------------------------------------------------------

    def _block_header(self, request: Request) -> bytes:
        return self._wire.send(Piece(*request))

    def _block_sent(self, request: Request) -> None:
        if self._peer is not None:
            self._session.block_sent(self._peer, request, now=self._clock.seconds())

    def _storage_failed(self, error: StorageError) -> None:
        self.close(str(error))
        self._session.storage_failed(str(error))
