"""Peers that are up to no good, each with the whole payload and, but for strangers, the run's secret."""

from __future__ import annotations

import contextlib
from collections import deque

from ..errors import TrackerError
from ..tracker.announcing import announce_query
from ..wire.messages import (
    Choke,
    Have,
    Interested,
    KeepAlive,
    Message,
    NotInterested,
    Reject,
    Request,
    Unchoke,
)
from .connection import End
from .host import Host
from .network import parts_of

#: Messages in one breath: more requests than anybody keeps, and soon more than anybody has to say.
FLOOD = 1200
#: Seconds until a nuisance does what it came for.
MOMENT = 0.3
#: Seconds between two bytes of a trickle.
DROP = 1.0
#: Ports at which a crowder announces itself: at once, and then each second.
CROWD, NEWCOMERS = 100, 5


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


class Impostor(Corrupter):
    """Corrupts all it sends, and comes back with the peer id of somebody it has met (row 44)."""

    _borrowed = b""

    def start(self) -> None:
        super().start()
        if not self._borrowed:
            self.later(MOMENT, self._borrow)

    def new_peer_id(self) -> bytes:
        return self._borrowed or super().new_peer_id()

    def _borrow(self) -> None:
        met = self.session.trusted_peers
        if not met:
            self.later(MOMENT, self._borrow)
            return
        self._borrowed = self.chance.choice(met).peer_id
        self.die()
        self.start()


class ShapeShifter(Corrupter):
    """Corrupts all it sends, and comes back with a fresh peer id once somebody got something (row 43)."""

    def start(self) -> None:
        super().start()
        self.later(MOMENT, self._shift)

    def _shift(self) -> None:
        if self.session.bytes_uploaded:
            self.die()
            self.start()
        else:
            self.later(MOMENT, self._shift)


class _MuteEnd(End):
    def send_block(self, request: Request) -> None:
        """Keep it."""


class Mute(HostilePeer):
    """Says that it has everything, and serves nothing (row 46)."""

    end_kind = _MuteEnd


class Crowder(Mute):
    """Announces itself at ever more ports, with an id for each, and serves nothing (row 55)."""

    def start(self) -> None:
        super().start()
        self._next_port = self.port + 1
        self._crowd(CROWD)

    def _crowd(self, count: int) -> None:
        ports = range(self._next_port, min(self._next_port + count, 1 << 16))
        self._next_port = ports.stop
        for port in ports:
            one = self._announce_request("started")._replace(
                peer_id=self.new_peer_id(), port=port, left=port % 2
            )
            with contextlib.suppress(TrackerError):  # it is not up
                self._shared.tracker.answer(announce_query(one), self.name, now=self.clock.now)
        self.later(1.0, self._crowd, NEWCOMERS)


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
        size = self.host.info.geometry.piece_size(0)
        requests: list[Message] = [Request(0, 0, 1 + number % size) for number in range(FLOOD)]
        self.send(*self.host.chance.choice((requests, *_CHATTER)))
        self.host.later(MOMENT, self._flood)


#: What changes nothing, said for its own sake.
_CHATTER: tuple[list[Message], ...] = (
    [Interested(), NotInterested()] * (FLOOD // 2),
    [Choke(), Unchoke()] * (FLOOD // 2),
    [Reject(0, 0, 1)] * FLOOD,
    [KeepAlive()] * FLOOD,
    [Have(*[0] * FLOOD)],
)


class Flooder(HostilePeer):
    """Asks for more than anybody keeps, or says more than anybody has to (row 51)."""

    end_kind = _FloodingEnd


class Stranger(HostilePeer):
    """Knows the torrent and where the hosts are, and not the run's secret (row 50, adversary A1)."""
