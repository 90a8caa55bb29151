"""Twisted's own TCP transport on a socket pair, turned by hand: no port, no running reactor."""

from __future__ import annotations

import socket

from twisted.internet import tcp
from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.python.failure import Failure


class PairSocket(socket.socket):
    """One end of a pair, which takes TCP's options and writes them down."""

    def setsockopt(self, *option):
        self.__dict__.setdefault("options", []).append(option)


class TurnedReactor(Clock):
    """What a transport needs of a reactor; `turn` is one round of its loop."""

    def __init__(self):
        super().__init__()
        self.readers, self.writers = set(), set()

    def addReader(self, one):
        self.readers.add(one)

    def removeReader(self, one):
        self.readers.discard(one)

    def addWriter(self, one):
        self.writers.add(one)

    def removeWriter(self, one):
        self.writers.discard(one)

    def turn(self, count=1):
        for _ in range(count):
            self.advance(0)
            for one in list(self.writers):
                self._done(one, one.doWrite())
            for one in list(self.readers):
                self._done(one, one.doRead())

    def _done(self, one, why):
        if why:
            self.removeReader(one)
            self.removeWriter(one)
            one.connectionLost(Failure(why))


class PairTransport(tcp.Connection):
    """A connection whose other end is `peer`, a socket of the test's."""

    def __init__(self, protocol, host="10.0.0.7"):
        ours, self.peer = (PairSocket(fileno=one.detach()) for one in socket.socketpair())
        ours.setblocking(False)
        self.peer.setblocking(False)
        self._host = host
        super().__init__(ours, protocol, TurnedReactor())
        self.connected = 1
        self.startReading()
        protocol.makeConnection(self)

    def getPeer(self):
        return IPv4Address("TCP", self._host, 40000)

    def close(self):
        """Close what is still open of both ends."""
        self.peer.close()
        if not self.disconnected:
            self.socket.close()

    @property
    def buffered(self):
        """Bytes that wait in this process."""
        return len(self.dataBuffer) - self.offset + self._tempDataLen

    def turn(self, count=1):
        self.reactor.turn(count)

    def read(self):
        """Return what the other end can read now, letting the loop turn until there is no more."""
        data, idle = b"", 0
        while idle < 3:
            self.turn()
            try:
                part = self.peer.recv(1 << 20)
            except BlockingIOError:
                idle += 1
            else:
                if not part:
                    return data
                data, idle = data + part, 0
        return data

    def say(self, data):
        """Let the other end send *data*, and our side read it."""
        self.peer.sendall(data)
        self.turn()
