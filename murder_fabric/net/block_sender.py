"""Sending blocks: the kernel moves them from file to socket, one by one, as fast as the peer reads."""

from __future__ import annotations

import errno
import os
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.interfaces import IPullProducer
from zope.interface import implementer

from ..errors import StorageError
from ..metainfo.geometry import Span
from ..metainfo.values import Info
from ..wire.messages import Request
from .pacing import Brake

#: Blocks up to this many bytes are copied through Python, several at a time: cheaper than a system call each.
SMALL_BLOCK = 64 * 1024
#: Bytes copied before the transport is waited for.
COPIED_AT_ONCE = 256 * 1024
#: Bytes the kernel may take in one go before other connections have their turn.
SENT_AT_ONCE = 1 << 20
#: Bytes of messages that may wait for a peer to read, blocks not counted; and from how many we look closely.
MAX_UNREAD, LOOKED_AT = 256 * 1024, 64 * 1024

_PEER_GONE = {errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN, errno.ETIMEDOUT, errno.EBADF}


class BlockSource(Protocol):
    """Where blocks come from; both calls raise StorageError when the disk does."""

    def read(self, index: int, begin: int, length: int) -> bytes:
        """Return a block."""

    def descriptor(self, file: int) -> int:
        """Return an open descriptor of a file of the torrent, good until the next call."""


@implementer(IPullProducer)
class BlockSender:
    """
    The pull producer of one connection: called whenever all that was written before has left.

    Nothing of a large block is ever in a buffer of ours. While one is on its way, whatever else is to be said
    is held back by `say` and goes out between two blocks.

    Args:
        transport: a Twisted TCP connection.
        info: tells where blocks lie.
        source: tells what is there.
        header: makes the header of a block.
        sent: told each block that has left.
        failed: told why a block could not be read; the connection is over then.
        brake: says when a block may go on, where there is a limit.
    """

    def __init__(
        self,
        transport: Any,
        info: Info,
        source: BlockSource,
        header: Callable[[Request], bytes],
        sent: Callable[[Request], None],
        failed: Callable[[StorageError], None],
        brake: Brake | None = None,
    ) -> None:
        self._transport = transport
        self._info = info
        self._source = source
        self._header = header
        self._sent = sent
        self._failed = failed
        self._brake = brake
        #: Bytes of blocks that may leave before it is others' turn.
        self._share = 0 if brake is not None else SENT_AT_ONCE
        self._queue: deque[Request] = deque()
        self._held: list[bytes] = []
        self._current: Request | None = None
        self._spans: deque[Span] = deque()
        self._registered = False
        self._just_registered = False
        #: Bytes that have left of the current block.
        self._left = 0
        #: Bytes of messages written since all that was written before is known to have left.
        self._unread = 0

    def say(self, data: bytes) -> bool:
        """Send *data*, but not into the middle of a block; False once too much of that waits to be read."""
        self._unread += len(data)
        if self._current is None:
            self._transport.write(data)
        else:
            self._held.append(data)
        if self._unread > LOOKED_AT:
            self._register()  # the transport says to its producer alone when all has left
        return self._unread <= MAX_UNREAD

    def queue(self, request: Request) -> None:
        """Send the block *request* asks for after those queued before."""
        self._queue.append(request)
        self._register()

    def cancel(self, request: Request) -> bool:
        """Take a block back that has not begun to leave; False if it has."""
        try:
            self._queue.remove(request)
        except ValueError:
            return False
        return True

    def before_words(self) -> int:
        """Return how much has left of the block that messages wait behind, in bytes; 0 where none waits."""
        return self._left if self._held else 0

    def resumeProducing(self) -> None:
        """Everything written so far has left, or we have just been registered: go on."""
        if not self._just_registered:
            self._unread = sum(map(len, self._held))
        self._just_registered = False
        try:
            if self._current is not None:
                if not self._may_send():
                    return
                if not self._send_current():
                    self._transport.startWriting()
                    return
            self._begin_next()
        except StorageError as error:
            self._failed(error)

    def stopProducing(self) -> None:
        """The connection is gone."""
        self._queue.clear()
        self._held.clear()
        if self._brake is not None:
            self._brake.forget(self._go_on)

    def _may_send(self) -> bool:
        """Return whether it is our turn; where it is not, we are called when it is."""
        # A share that a slow peer could not take at once is no longer ours when others have used it up.
        if self._brake is not None and (not self._share or self._brake.is_spent):
            if not self._brake.is_free:
                self._brake.wait(self._go_on)
                return False
            self._share = self._brake.share
        return True

    def _go_on(self, share: int) -> None:
        self._share = share
        self._transport.startWriting()

    def _moved(self, length: int) -> None:
        self._left += length
        if self._brake is not None:
            self._brake.moved(length)
            self._share = max(0, self._share - length)

    def _register(self) -> None:
        if not self._registered:
            self._registered = self._just_registered = True
            self._transport.registerProducer(self, False)

    def _begin_next(self) -> None:
        copied = 0
        while self._queue and copied < COPIED_AT_ONCE and self._may_send():
            request = self._queue.popleft()
            if request.length > SMALL_BLOCK:
                self._current, self._left = request, 0
                self._spans = deque(self._info.geometry.spans(*request))
                self._transport.write(self._header(request))
                return
            self._transport.write(self._header(request) + self._source.read(*request))
            self._sent(request)
            self._moved(request.length)
            copied += request.length
        if not copied and not self._queue and self._unread <= LOOKED_AT:
            self._registered = False
            self._transport.unregisterProducer()

    def _send_current(self) -> bool:
        """Hand some of the current block to the kernel; True when all of it is."""
        budget = min(SENT_AT_ONCE, self._share)
        while self._spans and budget > 0:
            span = self._spans[0]
            count = self._send_span(span, min(span.length, budget))
            if count == 0:
                return False
            budget -= count
            self._moved(count)
            if count == span.length:
                self._spans.popleft()
            else:
                self._spans[0] = Span(span.file, span.offset + count, span.length - count)
        if self._spans:
            return False
        request, self._current = self._current, None
        if self._held:
            self._transport.write(b"".join(self._held))
            self._held.clear()
        if request is not None:
            self._sent(request)
        return True

    def _send_span(self, span: Span, length: int) -> int:
        """Return how many bytes of *span* the kernel took; 0 when it takes no more now."""
        socket = self._transport.getHandle()
        try:
            if self._info.files[span.file].padding:
                return int(socket.send(bytes(length)))
            count = os.sendfile(socket.fileno(), self._source.descriptor(span.file), span.offset, length)
        except BlockingIOError:
            return 0
        except OSError as error:
            if error.errno in _PEER_GONE:
                self._transport.abortConnection()
                return 0
            raise StorageError(f"reading a block to send: {error.strerror}") from None
        if count == 0:
            name = b"/".join(self._info.files[span.file].path).decode("utf-8", "replace")
            raise StorageError(f"{name} is shorter than it was: something else has changed it")
        return count
