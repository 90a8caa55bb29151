"""Sending the long body of an HTTP answer: in parts, each when the one before has left, and to so many."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.interfaces import IPullProducer
from zope.interface import implementer

#: Bytes that wait in this process for one connection: hundreds may be asking for megabytes.
PART_LENGTH = 32 * 1024
#: What of all places in `Taking` one address has where nobody said who takes part: one in so many.
OF_A_STRANGER = 4


class Taker(Protocol):
    """A connection that takes a body."""

    def cut_off(self) -> None:
        """Hang up at once."""


class Taking:
    """
    The connections that take a body, of each address those first that have taken nothing for longest.

    Each has sixty seconds, and in those one host of a run could take every descriptor there is by asking and
    not reading. Therefore:

    1. One more than the share of its address costs the first of that address its place.
    2. Where all together are *most*, who asks has to come again: what others have of it by then is not lost.
    """

    def __init__(self, most: int) -> None:
        self._most = max(most, 1)
        self._count = 0
        self._hosts: dict[str, dict[Taker, None]] = {}

    def begun(self, connection: Taker, host: str, share: int | None) -> bool:
        """
        Say whether *connection* may take a body from now on.

        Args:
            host: its address.
            share: how many of that address may at once; None where nobody said who takes part.
        """
        if share is None:
            share = max(self._most // OF_A_STRANGER, 1)
        there = self._hosts.get(host, {})
        if len(there) >= share:
            first = next(iter(there))
            self.ended(first, host)
            first.cut_off()
        elif self._count >= self._most:
            return False
        self._hosts.setdefault(host, {})[connection] = None
        self._count += 1
        return True

    def part_taken(self, connection: Taker, host: str) -> None:
        """*connection*, of the address *host*, has taken a part."""
        there = self._hosts.get(host, {})
        if connection in there:
            del there[connection]
            there[connection] = None

    def ended(self, connection: Taker, host: str) -> None:
        """*connection*, of the address *host*, is gone, whether it took a body or not."""
        there = self._hosts.get(host, {})
        if connection in there:
            del there[connection]
            self._count -= 1
            if not there:
                del self._hosts[host]


@implementer(IPullProducer)
class BodySender:
    """
    Writes *body* and closes.

    Args:
        transport: a Twisted TCP connection.
        on_room: called as each part goes to it, which has sent the one before.
    """

    def __init__(self, transport: Any, body: bytes, on_room: Callable[[], None]) -> None:
        self._transport = transport
        self._body = memoryview(body)
        self._on_room = on_room

    def start(self) -> None:
        """Send, in the connection's own time."""
        self._transport.registerProducer(self, False)

    def resumeProducing(self) -> None:
        self._on_room()
        part, self._body = self._body[:PART_LENGTH], self._body[PART_LENGTH:]
        self._transport.write(bytes(part))
        if not self._body:
            self._transport.unregisterProducer()
            self._transport.loseConnection()

    def stopProducing(self) -> None:
        self._body = self._body[:0]
