"""The edge of one connection: bytes to messages, blocks from files, who is told what; fault row 23."""

from __future__ import annotations

import hashlib
import os
import random
import socket
from types import SimpleNamespace

import pytest
from turned_reactor import PairTransport
from twisted.internet.task import Clock

from murder_fabric.errors import RemoteProtocolError, StorageError
from murder_fabric.metainfo.values import FileEntry, Info
from murder_fabric.net.block_sender import COPIED_AT_ONCE, MAX_UNREAD, SMALL_BLOCK
from murder_fabric.net.pacing import Traffic
from murder_fabric.net.peer_protocol import LEAST_RECEIVED, MOST_RECEIVED, USER_TIMEOUT, PeerProtocol
from murder_fabric.policy.gathering import MOST_GATHERED
from murder_fabric.policy.pacing import NO_LIMITS, Limits
from murder_fabric.policy.rates import RateMeter
from murder_fabric.wire.connection import WireConnection
from murder_fabric.wire.messages import (
    Bitfield,
    BlockPart,
    Choke,
    Handshake,
    Have,
    Interested,
    KeepAlive,
    Piece,
    Request,
)

MIB = 1 << 20
HELLO = Handshake(b"h" * 20, b"p" * 20)


class RecordedSession:
    """Writes down what it is told; `on_message` may answer."""

    def __init__(self):
        self.told = []
        self.room = True
        self.peer = SimpleNamespace(download=RateMeter())
        self.on_message = lambda peer, message: None

    def connected(self, link, address, *, dialed, now):
        self.told.append(("connected", address, dialed))
        return self.peer if self.room else None

    def message_received(self, peer, message, *, now):
        self.told.append(message)
        self.on_message(peer, message)

    def block_sent(self, peer, request, *, now):
        self.told.append(("sent", request))

    def link_lost(self, peer, *, now):
        self.told.append("lost")

    def held_back(self, peer, seconds):
        self.told.append(("held back", seconds))

    def storage_failed(self, reason):
        self.told.append(("failed", reason))


class Files:
    """Blocks from real files in a directory, opened once each."""

    def __init__(self, directory, info):
        self._info = info
        self._paths = [directory / os.fsdecode(entry.path[-1]) for entry in info.files]
        self._open = {}

    def descriptor(self, file):
        if file not in self._open:
            try:
                self._open[file] = os.open(self._paths[file], os.O_RDONLY)
            except OSError as error:
                raise StorageError(f"{self._paths[file]}: {error.strerror}") from None
        return self._open[file]

    def read(self, index, begin, length):
        return b"".join(
            bytes(span.length)
            if self._info.files[span.file].padding
            else os.pread(self.descriptor(span.file), span.length, span.offset)
            for span in self._info.geometry.spans(index, begin, length)
        )

    def close(self):
        for descriptor in self._open.values():
            os.close(descriptor)


class Scene:
    """A protocol on a socket pair that has shaken hands, with three files (one of them padding) of 4 MiB."""

    def __init__(self, directory, address=None, limits=NO_LIMITS):
        self.payload = random.Random(1).randbytes(4 * MIB)
        padding = range(MIB + 1000, MIB + 3000)
        self.payload = self.payload[: padding.start] + bytes(len(padding)) + self.payload[padding.stop :]
        entries = (
            FileEntry((b"one",), padding.start),
            FileEntry((b".pad",), len(padding), padding=True),
            FileEntry((b"two",), 4 * MIB - padding.stop),
        )
        (directory / "one").write_bytes(self.payload[: padding.start])
        (directory / "two").write_bytes(self.payload[padding.stop :])
        self.info = Info(
            b"x",
            MIB,
            hashlib.sha1().digest() * 4,
            None,
            entries,
            (),
            single_file=False,
            private=True,
            raw=b"x",
        )
        self.session = RecordedSession()
        self.files = Files(directory, self.info)
        self.wire = WireConnection(4, 4 * MIB)
        self.clock = Clock()
        traffic = Traffic(self.clock, limits)
        self.protocol = PeerProtocol(
            self.session, self.info, self.files, self.clock, 4 * MIB, address, traffic
        )
        self.transport = PairTransport(self.protocol)
        self.transport.say(self.wire.send(HELLO))
        self.protocol.send(HELLO)
        assert list(self.wire.receive(self.transport.read())) == [HELLO]

    def read(self):
        """Return the messages that the other end hears, each block as (index, begin, bytes)."""
        heard = []
        for message in self.wire.receive(self.transport.read()):
            if isinstance(message, Piece):
                heard.append((message.index, message.begin, b""))
            elif isinstance(message, BlockPart):
                heard[-1] = (*heard[-1][:2], heard[-1][2] + message.data)
            else:
                heard.append(message)
        return heard

    def block(self, request):
        start = request.index * MIB + request.begin
        return (request.index, request.begin, self.payload[start : start + request.length])

    @property
    def awaited(self):
        """How many bytes the kernel was told to wait for, each time it was told."""
        options = self.transport.getHandle().options
        return [count for *name, count in options if name == [socket.SOL_SOCKET, socket.SO_RCVLOWAT]]

    def sent(self):
        return [one[1] for one in self.session.told if type(one) is tuple and one[0] == "sent"]

    def failures(self):
        return [one[1] for one in self.session.told if type(one) is tuple and one[0] == "failed"]


@pytest.fixture
def scene(tmp_path):
    one = Scene(tmp_path)
    yield one
    one.files.close()
    one.transport.close()


# Blocks -----------------------------------------------------------------------------------------------------

SMALL = [Request(0, 0, 16384), Request(3, MIB - 5, 5), Request(1, 100, SMALL_BLOCK)]
LARGE = [Request(0, 0, MIB), Request(2, 7, SMALL_BLOCK + 1), Request(1, 0, MIB), Request(3, 5, MIB - 5)]


@pytest.mark.parametrize("requests", [SMALL, LARGE, [*SMALL, *LARGE, *reversed(SMALL)]])
def test_blocks_arrive_in_order_byte_for_byte(scene, requests):
    """Also those that cross from file to file, and over padding, which is in none."""
    for request in requests:
        scene.protocol.send_block(request)
    assert scene.read() == [scene.block(request) for request in requests]
    assert scene.sent() == requests
    assert scene.transport.producer is None


def test_what_is_said_in_the_middle_of_a_block_comes_behind_it(scene):
    scene.protocol.send(Have(0))
    scene.protocol.send_block(LARGE[0])
    scene.transport.turn(2)
    scene.protocol.send(Have(1))
    scene.protocol.send_block(SMALL[0])
    scene.protocol.send(Choke())
    assert scene.read() == [Have(0), scene.block(LARGE[0]), Have(1), Choke(), scene.block(SMALL[0])]


def test_what_was_said_is_known_to_wait_behind_a_block_that_leaves(scene):
    scene.protocol.send_block(LARGE[0])
    scene.transport.turn(2)
    assert scene.protocol.before_words() == 0
    scene.protocol.send(Have(1))
    left = scene.protocol.before_words()
    assert 0 < left < LARGE[0].length
    scene.transport.peer.recv(left // 2)
    scene.transport.turn(2)
    assert left < scene.protocol.before_words() < LARGE[0].length
    scene.transport.read()
    assert scene.protocol.before_words() == 0


def test_a_block_can_be_taken_back_until_it_begins_to_leave(scene):
    for request in LARGE[:3]:
        scene.protocol.send_block(request)
    scene.transport.turn(2)
    assert scene.protocol.cancel_block(LARGE[1])
    assert not scene.protocol.cancel_block(LARGE[1])
    assert not scene.protocol.cancel_block(LARGE[0])
    assert scene.read() == [scene.block(LARGE[0]), scene.block(LARGE[2])]


@pytest.mark.parametrize(("length", "most"), [(MIB, 64), (16384, COPIED_AT_ONCE + 20 * 13)])
def test_for_a_receiver_that_never_reads_little_waits_in_our_memory(scene, length, most):
    """Row 23: a block is a place in a file until the socket takes it."""
    for _ in range(500):
        scene.protocol.send_block(Request(0, 0, length))
    for _ in range(200):
        scene.transport.turn()
        assert scene.transport.buffered <= most
    told = len(scene.sent())
    assert told < 500
    scene.transport.turn(50)
    assert len(scene.sent()) == told


@pytest.mark.parametrize("blocks", [[], [Request(0, 0, MIB)]], ids=["idle", "in a block"])
def test_a_peer_that_reads_nothing_of_what_it_is_told_is_dropped(scene, blocks):
    """Row 23."""
    for request in blocks:
        scene.protocol.send_block(request)
    for _ in range(2 * MAX_UNREAD // 9):
        scene.protocol.send(Have(0))
        assert scene.transport.buffered <= MAX_UNREAD + SMALL_BLOCK
    scene.transport.turn(3)
    assert scene.session.told[-1] == "lost"


def test_a_peer_that_reads_is_told_as_much_as_there_is(scene):
    heard = 0
    for _ in range(4 * MAX_UNREAD // 9 // 1000):
        for _ in range(1000):
            scene.protocol.send(Have(0))
        heard += sum(map(len, scene.read()))
    assert heard == 4 * MAX_UNREAD // 9 // 1000 * 1000
    scene.protocol.send_block(LARGE[0])
    assert scene.read() == [scene.block(LARGE[0])]


def test_a_receiver_that_leaves_in_the_middle_of_a_block_is_no_fault_of_the_disk(scene):
    for request in LARGE:
        scene.protocol.send_block(request)
    scene.transport.turn(3)
    scene.transport.peer.close()
    scene.transport.turn(5)
    assert scene.session.told[-1] == "lost"
    assert scene.failures() == []


@pytest.mark.parametrize("request_", [LARGE[0], SMALL[0]], ids=["large", "small"])
def test_a_file_that_is_gone_is_told_of_and_ends_the_connection(scene, tmp_path, request_):
    (tmp_path / "one").unlink()
    scene.protocol.send_block(request_)
    scene.transport.turn(5)
    assert scene.failures() == [f"{tmp_path / 'one'}: No such file or directory"]
    assert scene.session.told[-1] == "lost"
    assert scene.sent() == []


def test_a_file_that_has_shrunk_is_told_of_by_name(scene, tmp_path):
    os.truncate(tmp_path / "one", 1000)
    scene.protocol.send_block(LARGE[0])
    scene.transport.read()
    assert scene.failures() == ["one is shorter than it was: something else has changed it"]
    assert scene.sent() == []


# Limits -----------------------------------------------------------------------------------------------------

MIXED = [*SMALL, LARGE[0], *SMALL, LARGE[2]]


def test_blocks_leave_at_the_limit_and_in_order(tmp_path):
    scene = Scene(tmp_path, limits=Limits(upload=MIB))
    for request in MIXED:
        scene.protocol.send_block(request)
    arrived = []
    for _ in range(400):
        arrived.append(scene.transport.read())
        scene.clock.advance(0.01)
    total = sum(request.length for request in MIXED)
    took = 0.01 * max(at for at, data in enumerate(arrived) if data)
    assert total / took < 1.15 * MIB
    assert took < 1.2 * total / MIB
    tenths = [sum(map(len, arrived[at : at + 10])) for at in range(0, 400, 10)]
    assert max(tenths) < 0.31 * MIB
    assert scene.sent() == MIXED
    assert b"".join(arrived).endswith(scene.block(MIXED[-1])[2])
    assert scene.transport.producer is None
    scene.files.close()
    scene.transport.close()


def test_a_connection_that_is_lost_while_it_waits_for_its_turn_is_left_alone(tmp_path):
    scene = Scene(tmp_path, limits=Limits(upload=10_000, download=10_000))
    for request in LARGE:
        scene.protocol.send_block(request)
    scene.transport.turn(5)
    scene.transport.peer.close()
    scene.transport.turn(5)
    scene.protocol.connectionLost()
    scene.clock.advance(60)
    scene.transport.turn(5)
    assert scene.failures() == []
    scene.files.close()


def test_packets_are_marked_where_that_is_asked_for(tmp_path):
    scene = Scene(tmp_path, limits=Limits(dscp=8))
    assert (socket.IPPROTO_IP, socket.IP_TOS, 32) in scene.transport.socket.options
    scene.files.close()
    scene.transport.close()


def test_what_comes_in_is_read_at_the_limit_and_the_wait_is_ours(tmp_path):
    scene = Scene(tmp_path, limits=Limits(download=100_000))
    data = scene.wire.send(Piece(0, 0, 60_000)) + bytes(60_000)
    scene.transport.say(data)
    for _ in range(300):
        scene.transport.turn(3)
        scene.clock.advance(0.01)
        if scene.clock.seconds() == pytest.approx(0.2):
            early = sum(len(part.data) for part in scene.session.told if isinstance(part, BlockPart))
    came = sum(len(part.data) for part in scene.session.told if isinstance(part, BlockPart))
    assert early < 45_000
    assert came == 60_000
    waited = sum(one[1] for one in scene.session.told if type(one) is tuple and one[0] == "held back")
    assert 0.2 < waited < 1.0
    scene.files.close()
    scene.transport.close()


# Messages ---------------------------------------------------------------------------------------------------


def test_the_session_hears_who_connected_and_what_they_say(scene):
    scene.transport.say(scene.wire.send(Bitfield(b"\xf0")) + scene.wire.send(Interested()))
    assert scene.session.told == [
        ("connected", ("10.0.0.7", 40000), False),
        HELLO,
        Bitfield(b"\xf0"),
        Interested(),
    ]


def test_who_was_dialed_has_the_address_that_was_dialed(tmp_path):
    scene = Scene(tmp_path, address=("fd00::1", 6881))
    assert scene.session.told[0] == ("connected", ("fd00::1", 6881), True)


def test_an_ipv4_address_is_one_however_the_listening_socket_writes_it(tmp_path):
    protocol = PeerProtocol(RecordedSession(), Scene(tmp_path).info, None, None, MIB)
    protocol._clock = type("Clock", (), {"seconds": lambda self: 0.0})()
    PairTransport(protocol, host="::ffff:10.0.0.9")
    assert protocol._session.told == [("connected", ("10.0.0.9", 40000), False)]


def test_a_dead_peer_is_noticed_by_the_kernel(scene):
    options = scene.transport.getHandle().options
    assert (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT) in options
    assert (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1) in options


def test_room_to_receive_grows_with_a_peer_that_fills_it_and_shrinks_again(scene):
    """Python makes room for all that might come at each call, so a slow peer is given little."""
    sizes = []
    keep_alive = scene.wire.send(KeepAlive())
    filled = [LEAST_RECEIVED << doublings for doublings in range(5)]
    for length in (4, *filled, 4):
        scene.protocol.dataReceived(keep_alive * (length // 4))
        sizes.append(scene.transport.bufferSize)

    assert filled[-1] == MOST_RECEIVED
    assert sizes == [*filled, MOST_RECEIVED, LEAST_RECEIVED]


def test_the_kernel_lets_a_block_gather_and_wakes_us_for_its_end(scene):
    scene.session.peer.download.add(1 << 30, now=0.0)
    block = scene.wire.send(Piece(0, 0, MIB)) + bytes(MIB)
    scene.protocol.dataReceived(block[:1000])
    scene.protocol.dataReceived(block[1000:9000])
    scene.protocol.dataReceived(block[9000:-5])
    scene.protocol.dataReceived(block[-5:])

    assert scene.awaited == [MOST_GATHERED, 5, 1]


def test_a_peer_that_has_sent_nothing_yet_is_heard_at_once(scene):
    scene.protocol.dataReceived(scene.wire.send(Piece(0, 0, MIB)) + bytes(1000))
    assert scene.awaited == []


def test_garbage_ends_the_connection_and_the_session_hears_that(scene):
    scene.transport.say(b"\xff" * 100)
    scene.transport.turn(2)
    assert scene.session.told[-1] == "lost"
    assert scene.transport.peer.recv(10) == b""


def test_what_the_session_does_not_allow_ends_the_connection(scene):
    def refuse(peer, message):
        raise RemoteProtocolError("no")

    scene.session.on_message = refuse
    scene.transport.say(scene.wire.send(Interested()) + scene.wire.send(KeepAlive()))
    scene.transport.turn(2)
    assert scene.session.told[-2:] == [Interested(), "lost"]


def test_after_a_close_nothing_is_heard_said_or_sent(scene):
    def close(peer, message):
        scene.protocol.close("enough")
        scene.protocol.close("more than enough")
        scene.protocol.send(Have(1))
        scene.protocol.send_block(LARGE[0])

    scene.session.on_message = close
    scene.transport.say(scene.wire.send(Interested()) + scene.wire.send(KeepAlive()))
    scene.transport.turn(3)
    assert scene.session.told[-2:] == [Interested(), "lost"]
    assert scene.session.told.count("lost") == 1
    assert scene.transport.peer.recv(10) == b""


def test_where_there_is_no_room_the_connection_is_closed_and_nothing_is_read(tmp_path):
    session = RecordedSession()
    session.room = False
    clock = type("Clock", (), {"seconds": lambda self: 0.0})()
    transport = PairTransport(PeerProtocol(session, Scene(tmp_path).info, None, clock, MIB))
    transport.peer.send(WireConnection(4).send(HELLO))
    transport.turn(3)
    assert session.told == [("connected", ("10.0.0.7", 40000), False)]
    assert transport.disconnected
