"""An agent gives itself to other hosts: what is served, under which path, and until when."""

from __future__ import annotations

import pytest
from test_tracker_site import Visitor
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from murder_fabric import control
from murder_fabric.agent import passing_on
from murder_fabric.agent.host import Host
from murder_fabric.errors import BadInput
from murder_fabric.net.body_sender import PART_LENGTH
from murder_fabric.net.file_site import FileSite
from murder_fabric.net.tracker_site import TAKING_TIMEOUT

PATH, ZIP = "/0123456789abcdef0123456789abcdef", b"zip" * 30_000
REQUEST = control.PassOn(PATH, 8998, 9000, 120.0)


class FakePort:
    def __init__(self, port):
        self.port = port
        self.closed = 0

    def getHost(self):
        return self

    def stopListening(self):
        self.closed += 1
        return succeed(None)


class Reactor(Clock):
    """Writes down who listens where."""

    def __init__(self):
        super().__init__()
        self.listening = []

    def listenTCP(self, port, factory, backlog, interface):
        self.listening.append((interface, port, factory, FakePort(port)))
        return self.listening[-1][3]


def ask(host, request, attached=b""):
    """Return the fields of what *host* answers, or the error."""
    outcome = []
    Deferred.fromCoroutine(host.do(request, attached, None)).addBoth(outcome.append)
    return outcome[0].fields if hasattr(outcome[0], "fields") else outcome[0].value


def passing():
    reactor = Reactor()
    host = Host(reactor, "10.0.0.7")
    assert ask(host, REQUEST, ZIP) == {"address": "10.0.0.7", "port": 8998}
    ((interface, _, site, port),) = reactor.listening
    assert interface == "10.0.0.7"
    return reactor, host, site, port


def test_the_zip_is_given_to_who_knows_its_path():
    _, _, site, _ = passing()
    visitor = Visitor(site)
    visitor.protocol.dataReceived(b"GET %s HTTP/1.0\r\n\r\n" % PATH.encode())
    for _ in range(len(ZIP) // PART_LENGTH + 1):
        visitor.transport.producer.resumeProducing()
    head, _, body = visitor.transport.value().partition(b"\r\n\r\n")
    assert head.split(b"\r\n")[0].split()[1] == b"200"
    assert b"Content-Length: %d" % len(ZIP) in head
    assert body == ZIP
    assert visitor.transport.disconnecting


@pytest.mark.parametrize("path", [b"/", PATH[:-1].encode(), PATH.encode() + b"0", b"/announce", b"/metrics"])
def test_no_other_path_gives_anything(path):
    visitor = Visitor(FileSite(PATH.encode(), ZIP, Clock()))
    visitor.protocol.dataReceived(b"GET %s HTTP/1.0\r\n\r\n" % path)
    assert b" 404 " in visitor.transport.value()
    assert b"zip" not in visitor.transport.value()
    assert visitor.transport.disconnecting


def test_it_ends_when_the_operator_says_so():
    reactor, host, _, port = passing()
    assert ask(host, control.PassNoMore()) == {}
    assert port.closed == 1
    assert reactor.getDelayedCalls() == []
    assert ask(host, control.PassNoMore()) == {}
    assert port.closed == 1


def test_it_ends_when_its_time_is_over():
    reactor, host, _, port = passing()
    reactor.advance(119.0)
    assert port.closed == 0
    reactor.advance(1.0)
    assert port.closed == 1
    assert ask(host, control.PassNoMore()) == {}
    assert port.closed == 1


def test_who_is_asked_again_listens_anew():
    reactor, host, _, port = passing()
    ask(host, REQUEST, ZIP)
    assert [one[3].closed for one in reactor.listening] == [1, 0]
    assert port.closed == 1


def test_a_host_that_does_not_know_its_address_says_so():
    error = ask(Host(Reactor(), None), REQUEST, ZIP)
    assert isinstance(error, BadInput)
    assert "murder.interface" in str(error)


def test_who_may_have_few_open_files_gives_it_to_few_and_lets_few_wait(monkeypatch):
    """Fault row 54: whoever reaches the port would take all of them, and does not need to know the path."""
    monkeypatch.setattr(passing_on, "connections_allowed", lambda most: min(most, 8))
    _, _, site, _ = passing()
    visitors = [Visitor(site) for _ in range(9)]
    assert [one.transport.disconnected for one in visitors] == [True, *[False] * 8]
    asked = [visitor.ask(PATH.encode())[0] for visitor in visitors[1:]]
    assert asked == [200] * 8  # one after the other: of one address the first ends
    assert [one.transport.disconnected for one in visitors] == [*[True] * 8, False]


def test_who_takes_nothing_of_it_is_cut_off():
    reactor, _, site, _ = passing()
    visitor = Visitor(site)
    visitor.ask(PATH.encode())
    reactor.advance(TAKING_TIMEOUT)
    assert visitor.transport.disconnected
