"""Turns: connections that are held back go on in the order in which they wait, and none is blamed for it."""

from __future__ import annotations

import socket

import pytest
from twisted.internet.task import Clock

from murder_fabric.net.block_sender import SMALL_BLOCK, BlockSender
from murder_fabric.net.origin_connection import OriginConnection
from murder_fabric.net.pacing import Brake, Intake, Traffic
from murder_fabric.policy.pacing import BURST, Limits
from murder_fabric.wire.messages import Request

RATE = 1_000_000


class Sender:
    """Moves as much as it may, for ever."""

    def __init__(self, clock, brake):
        self.clock, self.brake = clock, brake
        self.moved = []

    def go_on(self, share):
        self.moved.append((self.clock.seconds(), share))
        self.brake.moved(share)
        self.brake.wait(self.go_on)


def run(clock, seconds, step=0.001):
    until = clock.seconds() + seconds
    while clock.seconds() < until:
        clock.advance(step)


def test_all_have_their_turn_and_together_no_more_than_the_limit():
    clock = Clock()
    brake = Brake(clock, RATE)
    senders = [Sender(clock, brake) for _ in range(7)]
    for sender in senders:
        brake.wait(sender.go_on)
    run(clock, 2.0)
    totals = [sum(share for _, share in sender.moved) for sender in senders]
    assert 0.9 * 2 * RATE < sum(totals) <= (2 + 2 * BURST) * RATE
    assert max(totals) < 1.3 * min(totals)


def test_who_is_gone_has_no_turn_and_keeps_nobody_from_theirs():
    clock = Clock()
    brake = Brake(clock, RATE)
    gone, other = Sender(clock, brake), Sender(clock, brake)
    brake.moved(RATE)
    brake.wait(gone.go_on)
    brake.wait(other.go_on)
    brake.forget(gone.go_on)
    brake.forget(gone.go_on)
    run(clock, 2.0)
    assert gone.moved == []
    assert other.moved[0][0] >= 0.9


def test_nobody_overtakes_who_waits():
    clock = Clock()
    brake = Brake(clock, RATE)
    assert brake.is_free
    brake.moved(RATE)
    assert not brake.is_free
    taken = []
    brake.wait(taken.append)
    clock.advance(0.5)
    assert not brake.is_free
    run(clock, 1.0)
    assert len(taken) == 1
    assert brake.is_free


class Unhurried:
    """A transport that takes one write a turn, and what the blocks come from."""

    def __init__(self):
        self.written = 0
        self.writing = False

    def registerProducer(self, producer, streaming):
        self.producer, self.writing = producer, True

    def startWriting(self):
        self.writing = True

    def write(self, data):
        self.written += len(data)
        self.writing = True

    def read(self, index, begin, length):
        return bytes(length)

    def turn(self):
        if self.writing:
            self.writing = False
            self.producer.resumeProducing()


def test_many_peers_that_read_slowly_have_no_more_together_and_nobody_pays_for_that_later():
    clock, rate = Clock(), 10 * RATE
    brake = Brake(clock, rate)
    peers = [Unhurried() for _ in range(20)]
    for peer in peers:
        sender = BlockSender(peer, None, peer, lambda _: b"", lambda _: None, lambda _: None, brake)
        for index in range(100):
            sender.queue(Request(index, 0, SMALL_BLOCK))
    totals = [0]
    while clock.seconds() < 2.0:
        for _ in range(100):
            for peer in peers:
                peer.turn()
            clock.advance(BURST / 100)
        totals.append(sum(peer.written for peer in peers))
    tenths = [after - before for before, after in zip(totals, totals[1:])]
    assert max(tenths) < 2.5 * rate * BURST
    assert min(tenths) > 0.5 * rate * BURST


class Transport:
    bufferSize = 1 << 19

    def __init__(self):
        self.told = []

    def pauseProducing(self):
        self.told.append("pause")

    def resumeProducing(self):
        self.told.append("resume")


def test_a_connection_over_the_limit_is_read_again_when_it_is_its_turn_and_excused_for_that_long():
    clock = Clock()
    transport, excused = Transport(), []
    intake = Intake(clock, Brake(clock, RATE), transport, excused.append)
    assert transport.bufferSize == BURST * RATE
    intake.received(1000)
    assert transport.told == []
    intake.received(600_000)
    assert transport.told == ["pause"]
    run(clock, 0.4)
    assert transport.told == ["pause"]
    run(clock, 0.4)
    assert transport.told == ["pause", "resume"]
    assert 0.4 < excused[0] < 0.8


def test_a_connection_that_was_lost_is_not_read_again():
    clock = Clock()
    transport = Transport()
    intake = Intake(clock, Brake(clock, RATE), transport)
    intake.received(600_000)
    intake.stop()
    run(clock, 2.0)
    assert transport.told == ["pause"]


class Owner:
    """Of a connection to an origin, within the limit of *traffic*."""

    def __init__(self, traffic):
        self.intake = traffic.intake
        self.heard = []

    def data_received(self, connection, data):
        self.heard.append(len(data))


def test_an_origin_is_read_from_at_full_length_again_once_others_do_not_wait():
    clock, transport = Clock(), Transport()
    transport.setTcpNoDelay = transport.told.append
    traffic = Traffic(clock, Limits(download=RATE))
    owner = Owner(traffic)
    connection = OriginConnection(owner, ("10.0.0.1", 80, False), lambda _: None)
    connection.makeConnection(transport)
    alone = transport.bufferSize
    others = [Transport() for _ in range(9)]
    for other in others:
        traffic.intake(other).received(BURST * RATE)
    connection.dataReceived(b"x" * 100)
    assert transport.bufferSize == alone // 10
    run(clock, 20.0)
    connection.dataReceived(b"x" * 100)
    assert (transport.bufferSize, owner.heard) == (alone, [100, 100])


def test_without_limits_nothing_is_held_back_and_nothing_marked():
    traffic = Traffic(Clock())
    assert traffic.upload is None
    assert traffic.intake(Transport()) is None
    with socket.socket() as one:
        traffic.mark(one)
        assert one.getsockopt(socket.IPPROTO_IP, socket.IP_TOS) == 0


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_packets_are_marked_in_the_upper_six_bits(family):
    try:
        connection = socket.socket(family)
    except OSError:
        pytest.skip("needs IPv6")
    with connection:
        Traffic(Clock(), Limits(dscp=8)).mark(connection)
        assert connection.getsockopt(socket.IPPROTO_IP, socket.IP_TOS) == 32
        if family == socket.AF_INET6:
            assert connection.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS) == 32
