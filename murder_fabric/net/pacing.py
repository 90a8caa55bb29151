"""Holding connections back where somebody set a limit: whose turn it is, in the order in which they wait."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from ..policy.pacing import NO_LIMITS, Limits, TokenBucket
from .ports import Clock, Timer

#: Called when it is one's turn, with how many bytes to move before others have theirs.
Go = Callable[[int], None]

#: Seconds between two turns at the least: a limit of gigabytes would wake us for every packet.
LEAST_WAIT = 0.005


class Brake:
    """
    Gives all connections of one swarm their turns, in one direction.

    Args:
        rate: bytes a second of all of them together.
    """

    def __init__(self, clock: Clock, rate: int) -> None:
        self._clock = clock
        self._bucket = TokenBucket(rate, now=clock.seconds())
        #: In the order in which they came.
        self._waiting: dict[Go, None] = {}
        self._timer: Timer | None = None

    @property
    def share(self) -> int:
        """How many bytes to move for who does not wait, before others have their turn."""
        return self._bucket.share(len(self._waiting) + 1)

    @property
    def is_free(self) -> bool:
        """Whether one who does not wait may move something."""
        return not self._waiting and not self.is_spent

    @property
    def is_spent(self) -> bool:
        """Whether more has moved than may, whoever was promised a turn."""
        return self._bucket.left(now=self._clock.seconds()) <= 0

    def moved(self, length: int) -> None:
        """*length* bytes have moved."""
        self._bucket.moved(length, now=self._clock.seconds())

    def wait(self, go: Go) -> None:
        """Call *go* when it is its turn."""
        self._waiting[go] = None
        if self._timer is None:
            delay = self._bucket.wait(self.share, now=self._clock.seconds())
            self._timer = self._clock.callLater(max(delay, LEAST_WAIT), self._turn)

    def forget(self, go: Go) -> None:
        """Do not call *go* any more."""
        self._waiting.pop(go, None)

    def _turn(self) -> None:
        self._timer = None
        left, share = self._bucket.left(now=self._clock.seconds()), self._bucket.share(len(self._waiting))
        going = []
        while self._waiting and left > 0:
            going.append(next(iter(self._waiting)))
            del self._waiting[going[-1]]
            left -= share
        for go in going:
            go(share)
        if self._waiting and self._timer is None:
            self.wait(next(iter(self._waiting)))


class Intake:
    """
    One connection that is read from when it is its turn.

    Args:
        transport: of Twisted, paused and resumed as a producer is.
        excused: told for how many seconds we did not read, so that nobody is blamed for it.
    """

    def __init__(
        self, clock: Clock, brake: Brake, transport: Any, excused: Callable[[float], None] = lambda _: None
    ) -> None:
        self._clock = clock
        self._brake = brake
        self._transport = transport
        self._excused = excused
        self._paused_at = 0.0
        self._take_at_most(brake.share)

    def received(self, length: int) -> None:
        """*length* bytes came."""
        self._brake.moved(length)
        self._take_at_most(self._brake.share)
        if not self._brake.is_free:
            self._paused_at = self._clock.seconds()
            self._transport.pauseProducing()
            self._brake.wait(self._go_on)

    def stop(self) -> None:
        """The connection is gone."""
        self._brake.forget(self._go_on)

    def _go_on(self, share: int) -> None:
        self._excused(self._clock.seconds() - self._paused_at)
        self._take_at_most(share)
        self._transport.resumeProducing()

    def _take_at_most(self, share: int) -> None:
        self._transport.bufferSize = min(self._transport.bufferSize, share)


class Traffic:
    """What all connections of one swarm share of the network."""

    def __init__(self, clock: Clock, limits: Limits = NO_LIMITS) -> None:
        self._clock = clock
        self._dscp = limits.dscp
        #: Holds back what leaves; None without a limit.
        self.upload = None if limits.upload is None else Brake(clock, limits.upload)
        self._download = None if limits.download is None else Brake(clock, limits.download)

    def intake(self, transport: Any, excused: Callable[[float], None] = lambda _: None) -> Intake | None:
        """Return what to tell of all that comes over *transport*; None where there is no limit."""
        return None if self._download is None else Intake(self._clock, self._download, transport, excused)

    def mark(self, connection: socket.socket) -> None:
        """Have routers told what packets of a peer's connection are."""
        if self._dscp is None:
            return
        byte = self._dscp << 2  # the two lowest bits are ECN's (RFC 3168)
        connection.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, byte)
        if connection.family == socket.AF_INET6:
            connection.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, byte)
