"""Peers that are up to no good, each with the whole payload and, but for strangers, the run's secret."""

from __future__ import annotations

from collections import deque

from ..wire.messages import Message, Request
from .connection import End
from .host import Host
from .network import parts_of

#: Requests in one breath; more than anybody keeps.
FLOOD = 1200
#: Seconds until a nuisance does what it came for.
MOMENT = 0.3
#: Seconds between two bytes of a trickle.
DROP = 1.0


class HostilePeer(Host):
    """Takes part as everybody does, and then does its worst."""

    honest = False


class Corrupter(HostilePeer):
    """Flips a bit in each block it sends (row 43)."""

    def start(self) -> None:
        self.disk.lies = 1.0
        super().start()


class Liar(HostilePeer):
    """Flips a bit in one piece of fifty (row 44)."""

    def start(self) -> None:
        self.disk.lies = 0.02
        super().start()


class _MuteEnd(End):
    def send_block(self, request: Request) -> None:
        """Keep it."""


class Mute(HostilePeer):
    """Says that it has everything, and serves nothing (row 46)."""

    end_kind = _MuteEnd


class _TricklingEnd(End):
    _next_at = 0.0

    def next_part(self, most: int) -> bytes:
        trickles = self._sending is not None
        if trickles and self.host.clock.now < self._next_at:
            self._queued = False
            return b""
        part = super().next_part(most)
        if trickles and part:
            self._next_at = self.host.clock.now + DROP
            self.host.later(DROP, self._offer)
        return part

    def _begin(self) -> None:
        super()._begin()
        if self._sending is not None:
            block = b"".join(self._current)
            head = len(block) - self._sending.length
            self._current = deque([block[:head], *parts_of(block[head:], 1)])


class Trickler(HostilePeer):
    """Sends a byte a second of the block it was asked for (row 22)."""

    end_kind = _TricklingEnd


class _RudeEnd(End):
    def opened(self) -> None:
        super().opened()
        self.host.later(MOMENT, self._be_rude)

    def _be_rude(self) -> None:
        if not self.closed:
            self.say(self.host.chance.randbytes(self.host.chance.choice((1, 5, 68, 300))))


class Rude(HostilePeer):
    """Sends bytes that mean nothing in the middle of a conversation (rows 47 to 50)."""

    end_kind = _RudeEnd


class _FloodingEnd(End):
    def opened(self) -> None:
        super().opened()
        self.host.later(MOMENT, self._flood)

    def _flood(self) -> None:
        if self.closed or self.peer is None or not self.peer.trusted:
            return
        geometry = self.host.info.geometry
        size = geometry.piece_size(0)
        requests: list[Message] = [Request(0, 0, 1 + number % size) for number in range(FLOOD)]
        self.send(*requests)


class Flooder(HostilePeer):
    """Asks for more than anybody keeps (row 51)."""

    end_kind = _FloodingEnd


class Stranger(HostilePeer):
    """Knows the torrent and where the hosts are, and not the run's secret (row 50, adversary A1)."""
