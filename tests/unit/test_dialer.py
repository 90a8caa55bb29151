"""Whom we connect to and from where, and who may connect to us."""

from __future__ import annotations

import pytest
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.testing import MemoryReactorClock

from murder_fabric.net.dialer import CONNECT_TIMEOUT, AcceptedFactory, TcpDialer
from murder_fabric.policy.crowding import Crowding


class Dials:
    def __init__(self, bind="10.0.0.1"):
        self.reactor = MemoryReactorClock()
        self.built, self.failed = [], []
        self.dialer = TcpDialer(self.reactor, self.build, self.failed.append, bind)

    def build(self, address):
        self.built.append(address)
        return f"protocol of {address}"


@pytest.mark.parametrize(("bind", "expected"), [("10.0.0.1", ("10.0.0.1", 0)), (None, None)])
def test_we_dial_from_the_address_that_peers_know_us_by(bind, expected):
    dials = Dials(bind)
    dials.dialer.dial(("10.0.0.2", 6881))
    host, port, _, timeout, bound = dials.reactor.tcpClients[0]
    assert (host, port, timeout, bound) == ("10.0.0.2", 6881, CONNECT_TIMEOUT, expected)


def test_a_connection_that_stands_has_the_protocol_of_its_address():
    dials = Dials()
    dials.dialer.dial(("10.0.0.2", 6881))
    dials.dialer.dial(("fd00::2", 6882))
    factories = [client[2] for client in dials.reactor.tcpClients]
    assert factories[1].buildProtocol(None) == "protocol of ('fd00::2', 6882)"
    assert dials.built == [("fd00::2", 6882)]
    assert dials.failed == []


def test_who_does_not_answer_is_named():
    dials = Dials()
    dials.dialer.dial(("10.0.0.2", 6881))
    dials.reactor.tcpClients[0][2].clientConnectionFailed(None, None)
    assert dials.failed == [("10.0.0.2", 6881)]
    assert dials.built == []


@pytest.mark.parametrize(
    ("hosts", "address", "accepted"),
    [
        (None, IPv4Address("TCP", "192.0.2.1", 5), True),
        (["10.0.0.2"], IPv4Address("TCP", "10.0.0.2", 5), True),
        (["10.0.0.2"], IPv4Address("TCP", "10.0.0.3", 5), False),
        (["10.0.0.2"], IPv6Address("TCP", "::ffff:10.0.0.2", 5), True),
        (["fd00::2"], IPv6Address("TCP", "fd00::2", 5), True),
        ([], IPv4Address("TCP", "10.0.0.2", 5), False),
    ],
)
def test_only_hosts_of_the_run_may_connect(hosts, address, accepted):
    crowding = Crowding(hosts)
    factory = AcceptedFactory(lambda _: "protocol", lambda host: crowding.has_room_for(host, 0))
    assert factory.buildProtocol(address) == ("protocol" if accepted else None)


def test_nothing_is_made_for_a_connection_that_is_not_taken():
    built = []
    AcceptedFactory(built.append, lambda host: False).buildProtocol(IPv4Address("TCP", "10.0.0.2", 5))
    assert built == []
