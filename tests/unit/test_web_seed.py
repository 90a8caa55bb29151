"""An origin as a peer of a session in memory: ranges go out, pieces come in, and how it ends."""

from __future__ import annotations

import re

import pytest
from memory_swarm import Host, World, torrent
from twisted.internet.error import ConnectionDone, ConnectionRefusedError
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure

from murder_fabric.net.web_seed import WebSeed
from murder_fabric.policy.origins import STANDSTILL
from murder_fabric.wire.messages import Choke

ASKED = re.compile(rb"GET (\S+) HTTP/1.1\r\n.*?Range: bytes=(\d+)-(\d+)\r\n.*?\r\n\r\n", re.DOTALL)


class Transport(StringTransport):
    def setTcpNoDelay(self, _):
        pass


class Rig:
    """A session with one origin, whose connections are answered by hand."""

    def __init__(self, pieces=8, url="http://10.0.0.9/payload?key=1", seeder=None):
        self.info, self.payload = torrent(pieces)
        self.world = World()
        self.host = Host(self.world, "host", self.info)
        self.reactor = MemoryReactorClock()
        self.reactor.advance(self.world.now)
        self.dropped = []
        if seeder is not None:
            self.host.learn(Host(self.world, "seeder", self.info, self.payload, **seeder))
            self.advance(0)
        self.origin = WebSeed(self.reactor, self.host.session, self.info, url, self.dropped.append)
        self.origin.start()
        self.advance(0)

    def advance(self, seconds):
        """Let time pass, for the session too."""
        self.reactor.advance(seconds)
        self.world.now = self.reactor.seconds()
        self.host.tick()
        self.world.settle()
        self.reactor.advance(0)

    @property
    def connections(self):
        return len(self.reactor.tcpClients)

    def connect(self):
        self.protocol = self.reactor.tcpClients[-1][2].buildProtocol(None)
        self.transport = Transport()
        self.protocol.makeConnection(self.transport)

    def refer(self, location):
        """Say that what was asked for is elsewhere."""
        self.protocol.dataReceived(b"HTTP/1.1 302 Found\r\nLocation: %s\r\n\r\n" % location.encode())
        self.reactor.advance(0)

    @property
    def dialled(self):
        host, port, *_ = self.reactor.tcpClients[-1]
        return host, port

    def refuse(self):
        self.reactor.tcpClients[-1][2].clientConnectionFailed(None, Failure(ConnectionRefusedError()))

    def hang_up(self):
        self.protocol.connectionLost(Failure(ConnectionDone()))

    def asked(self):
        """Return target, first and last byte of what was asked for last."""
        target, first, last = ASKED.findall(self.transport.value())[-1]
        return target, int(first), int(last)

    def answer(self, flip=0, close=False, size=10**6, share=1.0):
        """Answer what was asked for last."""
        _, first, last = self.asked()
        data = bytes([self.payload[first] ^ flip]) + self.payload[first + 1 : last + 1]
        head = b"HTTP/1.1 206 OK\r\nContent-Range: bytes %d-%d/%d\r\n" % (first, last, len(self.payload))
        head += b"Connection: close\r\n\r\n" if close else b"\r\n"
        data = data[: int(len(data) * share)]
        whole = head + data
        for start in range(0, len(whole), size):
            self.protocol.dataReceived(whole[start : start + size])
        self.reactor.advance(0)


@pytest.mark.parametrize("size", [1000, 10**6])
def test_every_piece_comes_over_one_connection_and_then_it_is_left(size):
    rig = Rig()
    rig.connect()
    for _ in range(8):
        rig.answer(size=size)
    assert bytes(rig.host.disk.data) == rig.payload
    assert rig.host.completed_at is not None
    assert (rig.connections, rig.origin.received) == (1, len(rig.payload))
    rig.advance(0.25)
    rig.advance(0.25)
    assert rig.transport.disconnected
    assert rig.host.session.peers == {}
    assert rig.reactor.getDelayedCalls() == []


@pytest.mark.parametrize("super_seed", [True, False])
def test_what_a_connected_seeder_has_is_asked_of_the_origin_only_if_the_seeder_sends_nothing(super_seed):
    """Also what it does not show yet."""
    rig = Rig(seeder={"super_seed": super_seed, "rate": 1.0})
    rig.advance(STANDSTILL - 0.5)
    assert rig.connections == 0
    for _ in range(8):
        rig.advance(0.25)
    assert rig.connections == 1
    rig.connect()
    rig.asked()


def test_the_query_of_a_signed_url_is_kept():
    rig = Rig()
    rig.connect()
    assert rig.asked()[0] == b"/payload?key=1"


def test_a_connection_that_the_origin_closes_is_made_again():
    rig = Rig(pieces=2)
    rig.connect()
    rig.answer(close=True)
    assert rig.connections == 2
    rig.connect()
    rig.answer()
    assert rig.host.completed_at is not None
    rig.advance(0.25)
    rig.advance(0.25)
    assert rig.dropped == ["both have everything"]


def test_an_idle_connection_that_is_gone_when_it_is_used_again_is_no_failure():
    rig = Rig(pieces=3)
    rig.connect()
    rig.answer()
    rig.hang_up()
    assert rig.connections == 2
    rig.connect()
    rig.answer()
    rig.answer()
    assert rig.host.completed_at is not None


def test_wrong_twice_and_it_is_never_asked_again():
    rig = Rig()
    rig.connect()
    rig.answer(flip=1)
    assert rig.dropped == []
    rig.answer(flip=1)
    assert rig.dropped == ["banned: 2 of its pieces did not match their hashes"]
    rig.advance(60)
    assert (rig.connections, rig.host.verified, rig.host.session.peers) == (1, [], {})


def test_an_origin_that_answers_something_else_is_given_up_at_once():
    rig = Rig()
    rig.connect()
    rig.protocol.dataReceived(b"HTTP/1.1 404 Not Found\r\n\r\n")
    assert rig.dropped == ["it answers HTTP status 404"]
    assert rig.transport.disconnected


def test_a_busy_origin_is_asked_again_later_and_then_no_more():
    rig = Rig()
    for delay in (1, 2, 4):
        rig.connect()
        rig.protocol.dataReceived(b"HTTP/1.1 503 Busy\r\n\r\n")
        assert rig.dropped == []
        before = rig.connections
        rig.advance(delay - 0.1)
        assert rig.connections == before
        rig.advance(0.2)
        assert rig.connections == before + 1
    rig.connect()
    rig.protocol.dataReceived(b"HTTP/1.1 503 Busy\r\n\r\n")
    assert rig.dropped == ["it answers HTTP status 503"]


def test_an_origin_that_dies_in_the_middle_is_tried_again():
    rig = Rig()
    rig.connect()
    rig.answer(share=0.5)
    rig.hang_up()
    rig.advance(1.1)
    rig.connect()
    for _ in range(8):
        rig.answer()
    assert bytes(rig.host.disk.data) == rig.payload


def test_an_origin_where_nobody_listens_is_given_up_in_the_end():
    rig = Rig()
    for _ in range(4):
        rig.refuse()
        rig.advance(4.1)
    assert rig.dropped == ["no connection: connection refused"]
    assert rig.host.session.peers == {}


def test_an_origin_that_stalls_is_given_up():
    rig = Rig()
    rig.connect()
    rig.answer(share=0.5)
    for _ in range(11):
        rig.advance(1)
    assert rig.dropped == ["it does not answer"]


def test_an_idle_origin_is_not_taken_for_a_silent_one():
    rig = Rig()
    rig.origin._choking = True  # so that it is asked for nothing
    rig.host.session.message_received(rig.origin._peer, Choke(), now=rig.world.now)
    for _ in range(150):
        rig.advance(1)
    assert rig.dropped == []


def test_a_url_that_is_none_is_told_and_not_dialed():
    rig = Rig(url="ftp://10.0.0.9/")
    assert rig.dropped == ["only http:// and https:// URLs are asked"]
    assert rig.connections == 0


def test_what_nobody_asked_for_is_not_taken():
    rig = Rig(pieces=1)
    rig.connect()
    rig.answer(share=0.5)
    _, first, last = rig.asked()
    rig.protocol.dataReceived(rig.payload[first + (last + 1 - first) // 2 : last + 1] + b"x")
    assert "more than it was asked for" in rig.dropped[0]


def test_a_file_that_is_elsewhere_is_asked_for_there_from_then_on():
    rig = Rig(pieces=3)
    rig.connect()
    rig.refer("http://10.0.0.8:81/there?signed=1")
    assert rig.transport.disconnected
    assert rig.dialled == ("10.0.0.8", 81)
    rig.connect()
    for _ in range(3):
        assert rig.asked()[0] == b"/there?signed=1"
        rig.answer()
    assert rig.host.completed_at is not None
    assert rig.connections == 2


def test_where_a_file_was_moved_to_it_may_not_stay():
    """A signed URL ends after some minutes; then the origin makes another one."""
    rig = Rig(pieces=2)
    rig.connect()
    rig.refer("http://10.0.0.8/first")
    rig.connect()
    rig.answer()
    rig.protocol.dataReceived(b"HTTP/1.1 403 Forbidden\r\n\r\n")
    assert rig.dropped == []
    rig.advance(1.1)
    assert rig.dialled == ("10.0.0.9", 80)
    rig.connect()
    rig.refer("http://10.0.0.8/second")
    rig.connect()
    rig.answer()
    assert rig.host.completed_at is not None


def test_an_origin_that_refers_to_a_name_that_is_none_is_given_up():
    """Twisted would look it up for ever."""
    rig = Rig()
    rig.connect()
    rig.refer("http://mirror..example.com/payload")
    assert rig.dropped == ["mirror..example.com can be the name of no host"]
    assert rig.connections == 1


@pytest.mark.parametrize("fault", ["refuses", "is busy", "dies in the middle"])
def test_where_what_a_file_was_moved_to_fails_the_origin_is_asked_for_another_place(fault):
    rig = Rig(pieces=2)
    rig.connect()
    rig.refer("http://10.0.0.8/mirror")
    if fault == "refuses":
        rig.refuse()
    else:
        rig.connect()
        if fault == "is busy":
            rig.protocol.dataReceived(b"HTTP/1.1 503 Busy\r\n\r\n")
        else:
            rig.answer(share=0.5)
            rig.hang_up()
    rig.advance(1.1)
    assert rig.dialled == ("10.0.0.9", 80)
    rig.connect()
    rig.refer("http://10.0.0.7/mirror")
    rig.connect()
    rig.answer()
    rig.answer()
    assert rig.host.completed_at is not None


def test_an_origin_that_sends_us_in_circles_is_given_up():
    rig = Rig()
    for _ in range(6):
        rig.connect()
        rig.refer("/payload?key=1")
    assert rig.dropped == ["it answers HTTP status 302 and sends us round and round"]
    assert rig.host.session.peers == {}


def test_an_origin_that_refers_to_what_is_not_http_is_given_up():
    rig = Rig()
    rig.connect()
    rig.refer("file:///etc/passwd")
    assert rig.dropped == ["it answers HTTP status 302 and sends us where we do not go"]
