"""Sending the long body of an HTTP answer: in parts, each when the one before has left."""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IPullProducer
from zope.interface import implementer

#: Bytes that wait in this process for one connection: hundreds may be asking for megabytes.
PART_LENGTH = 32 * 1024


@implementer(IPullProducer)
class BodySender:
    """
    Writes *body* and closes.

    Args:
        transport: a Twisted TCP connection.
    """

    def __init__(self, transport: Any, body: bytes) -> None:
        self._transport = transport
        self._body = memoryview(body)

    def start(self) -> None:
        """Send, in the connection's own time."""
        self._transport.registerProducer(self, False)

    def resumeProducing(self) -> None:
        part, self._body = self._body[:PART_LENGTH], self._body[PART_LENGTH:]
        self._transport.write(bytes(part))
        if not self._body:
            self._transport.unregisterProducer()
            self._transport.loseConnection()

    def stopProducing(self) -> None:
        self._body = self._body[:0]
