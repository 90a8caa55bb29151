"""Swarms in memory: sessions joined by links that encode and decode, disks of bytes, time moved by hand."""

from __future__ import annotations

import hashlib
import itertools
import random
from collections import deque

from murder_fabric.bitfield import Bitfield
from murder_fabric.errors import NoRoomError, RemoteProtocolError, StorageError
from murder_fabric.metainfo.values import FileEntry, Info
from murder_fabric.swarm.config import SwarmConfig
from murder_fabric.swarm.session import Session
from murder_fabric.wire.connection import WireConnection
from murder_fabric.wire.messages import BlockPart, Piece

PIECE_LENGTH = 32 * 1024
TICK = 0.25


def torrent(pieces=8, piece_length=PIECE_LENGTH, seed=1):
    """Return a torrent of one file, whose last piece is short, and its payload."""
    return torrent_of([pieces * piece_length - 100], piece_length, seed)


def torrent_of(lengths, piece_length=PIECE_LENGTH, seed=1):
    """Return a torrent of files as long as *lengths*, a single file for one, and its payload."""
    payload = random.Random(seed).randbytes(sum(lengths))
    parts = [payload[start : start + piece_length] for start in range(0, len(payload), piece_length)]
    info = Info(
        name=b"payload",
        piece_length=piece_length,
        pieces_sha1=b"".join(hashlib.sha1(part).digest() for part in parts),
        pieces_sha256=b"".join(hashlib.sha256(part).digest() for part in parts),
        files=tuple(FileEntry((b"payload%d" % file,), length) for file, length in enumerate(lengths)),
        directories=(),
        single_file=len(lengths) == 1,
        private=True,
        raw=b"payload of seed %d" % seed,
    )
    return info, payload


class Disk:
    """
    A payload in memory.

    `broken` is what it says instead of working, `full` instead of writing; `lie` flips a bit of what is read.
    """

    def __init__(self, info, payload=None):
        self._piece_length = info.piece_length
        self.data = bytearray(info.geometry.length if payload is None else payload)
        self.broken = self.full = None
        self.lie = False

    def write(self, index, begin, data):
        if self.full:
            raise NoRoomError(self.full)
        if self.broken:
            raise StorageError(self.broken)
        start = index * self._piece_length + begin
        self.data[start : start + len(data)] = data

    def read(self, index, begin, length):
        start = index * self._piece_length + begin
        block = bytes(self.data[start : start + length])
        return bytes([block[0] ^ 1]) + block[1:] if self.lie else block


class MemoryLink:
    """One end of a connection; `rate` is the bytes of blocks a second that it sends."""

    def __init__(self, world, host, address, rate=None):
        self.world, self.host, self.address, self.rate = world, host, address, rate
        self.wire = WireConnection(host.info.geometry.piece_count, host.config.max_block)
        self.peer = self.other = None
        self.inbox = bytearray()
        self.blocks = deque()
        self.block_rest = b""
        self.current = None
        #: Words that wait for the end of the block that is leaving.
        self.words = b""
        self.sent, self.received = [], []
        self.closed = None

    def send(self, *messages):
        for message in messages:
            self.sent.append(message)
            self.words += self.wire.send(message)
        if self.current is None:
            self._say_words()

    def _say_words(self):
        self.other.inbox += self.words
        self.words = b""

    def send_block(self, request):
        self.blocks.append(request)

    def cancel_block(self, request):
        if request not in self.blocks:
            return False
        self.blocks.remove(request)
        return True

    def before_words(self):
        return 0

    def close(self, reason):
        if self.closed is None:
            self.closed = reason
            self.other.closed = self.other.closed or f"by the other side: {reason}"
            self.world.lost += [self, self.other]

    def move(self, seconds):
        """Send blocks for so long: the queued ones, or as much as the rate allows."""
        budget = None if self.rate is None else int(self.rate * seconds)
        while (budget is None or budget > 0) and (self.current or self.blocks) and not self.closed:
            if self.current is None:
                request = self.blocks.popleft()
                self.send(Piece(*request))
                self.current, self.block_rest = request, self.host.disk.read(*request)
            part, self.block_rest = self.block_rest[:budget], self.block_rest[len(self.block_rest[:budget]) :]
            self.other.inbox += part
            budget = None if budget is None else budget - len(part)
            if not self.block_rest:
                request, self.current = self.current, None
                self._say_words()
                self.host.block_sent(self, request)

    def deliver(self):
        """Tell the host what has come in."""
        data, self.inbox = bytes(self.inbox), bytearray()
        try:
            for message in self.wire.receive(data):
                if self.closed:
                    return
                if type(message) is not BlockPart:
                    self.received.append(message)
                self.host.message_received(self, message)
        except RemoteProtocolError as error:
            self.close(str(error))


class Host:
    """A session with a disk; it writes down what the session tells it."""

    def __init__(self, world, name, info, payload=None, pieces=(), **config):
        self.world, self.name, self.info = world, name, info
        self.address = (name, 6881)
        self.disk = Disk(info, payload)
        have = Bitfield(info.geometry.piece_count)
        for index in range(len(have)) if payload is not None and not pieces else pieces:
            have.add(index)
        self.rate = config.pop("rate", None)
        held = config.pop("held", frozenset())
        self.config = SwarmConfig(name.ljust(20, ".").encode(), **{"port": 6881, **config})
        self.verified, self.completed_at, self.failures = [], None, []
        self.links = []
        self.accepts = True
        rng = random.Random(name)
        self.session = Session(info, have, self.config, self.disk, self, self, rng, rng.randbytes, held)
        world.hosts[name] = self

    def dial(self, address):
        self.world.dials.append((self, address))

    def piece_verified(self, index):
        self.verified.append(index)

    def completed(self):
        self.completed_at = self.world.now

    def ran_out_of_room(self, reason):
        self.failures.append(reason)

    def failed(self, reason):
        self.failures.append(reason)

    def attached(self, link, address, dialed):
        self.links.append(link)
        link.rate = self.rate
        link.peer = self.session.connected(link, address, dialed=dialed, now=self.world.now)
        if link.peer is None:
            link.close("no room")

    def message_received(self, link, message):
        self.session.message_received(link.peer, message, now=self.world.now)

    def block_sent(self, link, request):
        self.session.block_sent(link.peer, request, now=self.world.now)

    def detached(self, link):
        if link.peer is not None:
            self.session.link_lost(link.peer, now=self.world.now)

    def tick(self):
        self.session.tick(now=self.world.now)
        self.session.tell_news()

    def learn(self, *hosts):
        self.session.addresses_learned([host.address for host in hosts], now=self.world.now)

    @property
    def open_links(self):
        return [link for link in self.links if not link.closed]


class Script:
    """The other end of a connection, played by the test: says what it is told, records what it hears."""

    def __init__(self, world, name, info, **config):
        self.world, self.name, self.info = world, name, info
        self.address = (name, 6881)
        self.config = SwarmConfig(name.ljust(20, ".").encode(), **config)
        self.disk = None
        self.link = None
        self.on = {}
        world.hosts[name] = self

    def connect(self, host):
        self.world.dials.append((self, host.address))
        self.world.settle()
        return self.link

    def attached(self, link, address, dialed):
        self.link = link

    def message_received(self, link, message):
        answer = self.on.get(type(message))
        if answer is not None:
            answer(message)

    def heard(self, kind):
        return [message for message in self.link.received if type(message) is kind]

    def block_sent(self, link, request):
        pass

    def detached(self, link):
        pass

    def dial_failed(self, address):
        pass

    def tick(self):
        pass

    def say(self, *messages):
        for message in messages:
            self.link.send(message)
            self.world.settle()

    def say_block(self, index, begin, data):
        """Send a whole block."""
        self.link.send(Piece(index, begin, len(data)))
        self.link.other.inbox += data
        self.world.settle()


class World:
    """All hosts, and the time."""

    def __init__(self):
        self.now = 1000.0
        self.hosts = {}
        self.links, self.lost, self.dials = [], [], []
        self.dialed = []
        self._ports = itertools.count(40000)

    def settle(self):
        """Let everything happen that takes no time."""
        while self.dials or self.lost or any(link.inbox for link in self.links if not link.closed):
            dials, self.dials = self.dials, []
            for host, address in dials:
                self._connect(host, address)
            for link in list(self.links):
                if link.inbox and not link.closed:
                    link.deliver()
            lost, self.lost = self.lost, []
            for link in lost:
                self.links.remove(link)
                link.host.detached(link)

    def run(self, seconds, until=lambda: False):
        """Move time by so much, or *until* something is so; return whether it came to be."""
        end = self.now + seconds
        while self.now < end:
            self.settle()
            if until():
                return True
            for link in list(self.links):
                link.move(TICK)
            self.settle()
            self.now += TICK
            for host in list(self.hosts.values()):
                host.tick()
        self.settle()
        return until()

    def _connect(self, host, address):
        self.dialed.append((self.now, host.name, address[0]))
        other = self.hosts.get(address[0])
        if other is None or not getattr(other, "accepts", True):
            host.session.dial_failed(address, now=self.now)
            return
        source = (host.name, next(self._ports))
        ours, theirs = MemoryLink(self, host, address), MemoryLink(self, other, source)
        ours.other, theirs.other = theirs, ours
        self.links += [ours, theirs]
        other.attached(theirs, source, dialed=False)
        host.attached(ours, address, dialed=True)
