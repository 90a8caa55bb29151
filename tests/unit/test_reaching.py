"""A call from host to host, with the network in memory: what is told, what is heard, and why nothing was."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError, ConnectionRefusedError, NoRouteError, TimeoutError
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure

from murder_fabric.net.dialer import CONNECT_TIMEOUT
from murder_fabric.net.reaching import HEAR_TIMEOUT, MarkFactory, reach

MARK = b"0123456789abcdef"


@pytest.fixture
def reactor():
    return MemoryReactorClock()


@pytest.fixture
def heard(reactor):
    """The answers of one call that is under way."""
    answers = []
    Deferred.fromCoroutine(reach(reactor, "10.0.0.2", "10.0.0.1", 6881, MARK)).addCallback(answers.append)
    return answers


def connected(reactor):
    factory = reactor.tcpClients[0][2]
    hearing, transport = factory.buildProtocol(None), StringTransport()
    hearing.makeConnection(transport)
    return hearing, transport


def test_whoever_comes_is_told_the_mark_and_no_more():
    telling, transport = MarkFactory(MARK).buildProtocol(None), StringTransport()
    telling.makeConnection(transport)
    telling.dataReceived(b"GET / HTTP/1.1\r\n\r\n")
    assert (transport.value(), transport.disconnecting) == (MARK, True)


def test_a_call_comes_from_our_own_address_and_does_not_wait_long(reactor, heard):
    host, port, _, timeout, source = reactor.tcpClients[0]
    assert (host, port, timeout, source) == ("10.0.0.1", 6881, CONNECT_TIMEOUT, ("10.0.0.2", 0))


@pytest.mark.parametrize("length", [1, 3, len(MARK)])
def test_the_mark_may_come_in_parts(reactor, heard, length):
    hearing, transport = connected(reactor)
    for at in range(0, len(MARK), length):
        assert heard == []
        hearing.dataReceived(MARK[at : at + length])
    assert heard == [""]
    assert transport.disconnected
    assert not [call for call in reactor.getDelayedCalls() if call.active()]


@pytest.mark.parametrize("said", [b"SSH-2.0-", MARK + b"0", MARK[:-1] + b"0"])
def test_another_mark_is_another_host(reactor, heard, said):
    hearing, _ = connected(reactor)
    hearing.dataReceived(said)
    assert heard == ["something else answers there"]


def test_a_connection_that_ends_too_early_is_no_host_of_ours(reactor, heard):
    hearing, _ = connected(reactor)
    hearing.dataReceived(MARK[:4])
    hearing.connectionLost(Failure(ConnectError()))
    assert heard == ["something else answers there"]


def test_who_says_nothing_is_not_waited_for(reactor, heard):
    _, transport = connected(reactor)
    reactor.advance(CONNECT_TIMEOUT + HEAR_TIMEOUT)
    assert heard == ["it takes connections there, and says nothing"]
    assert transport.disconnected


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (TimeoutError(), "timed out: a firewall?"),
        (ConnectionRefusedError(), "refused, though it listens there: a firewall?"),
        (ConnectError(string="closed cleanly"), "refused, though it listens there: a firewall?"),
        (NoRouteError(), "no route there, or a firewall says so"),
        (
            ConnectError(99, "Cannot assign requested address"),
            "An error occurred while connecting: 99: Cannot assign requested address.",
        ),
    ],
)
def test_why_there_is_no_connection(reactor, heard, error, why):
    reactor.tcpClients[0][2].clientConnectionFailed(None, Failure(error))
    assert heard == [why]
