"""TLS over a connection in memory, against a server of the standard library's."""

from __future__ import annotations

import ssl

import pytest
from certificates import Authority
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.protocol import ClientFactory, Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure

from murder_fabric.agent.files import read_certificates
from murder_fabric.errors import TrackerError
from murder_fabric.net.http_client import get
from murder_fabric.net.tls import HANDSHAKE_TIMEOUT, SecuredFactory, client_context

HOST = "192.0.2.9"


class Inner(Protocol):
    """Says hello when it is connected, and writes down what it is told."""

    def __init__(self):
        self.heard, self.lost = b"", None

    def connectionMade(self):
        self.transport.write(b"hello")

    def dataReceived(self, data):
        self.heard += data

    def connectionLost(self, reason):
        self.lost = reason.type


class InnerFactory(ClientFactory):
    def __init__(self):
        self.inner, self.failed = None, []

    def buildProtocol(self, _):
        self.inner = Inner()
        return self.inner

    def clientConnectionFailed(self, _, reason):
        self.failed.append(reason.value)


class Rig:
    """A client of ours and a server, with a wire between them that is moved by hand."""

    def __init__(self, certificates, certified, host=HOST, client=None):
        self.clock, self.factory, self.transport = Clock(), InnerFactory(), StringTransport()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certified)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.server = context.wrap_bio(self.incoming, self.outgoing, server_side=True)
        self.said = b""
        secured = SecuredFactory(self.clock, self.factory, client_context(certificates), host)
        self.client = client or secured.buildProtocol(None)
        self.client.makeConnection(self.transport)

    def move(self, size=10**6):
        """Move what each side has to say, *size* bytes at a time, until neither has."""
        while True:
            data = self.transport.value()
            self.transport.clear()
            self.incoming.write(data)
            for step in (
                self.server.do_handshake,
                lambda: setattr(self, "said", self.said + self.server.read()),
            ):
                try:
                    step()
                except ssl.SSLError:
                    break
            answer = self.outgoing.read()
            for start in range(0, len(answer), size):
                self.client.dataReceived(answer[start : start + size])
            if not data and not answer:
                return


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def certified(authority):
    return authority.certify(HOST)


@pytest.mark.parametrize("size", [1, 7, 10**6])
def test_what_is_said_arrives_both_ways(authority, certified, size):
    rig = Rig(authority.file.read_text(), certified)
    rig.move(size)
    rig.server.write(b"x" * 100_000)
    rig.move(size)
    assert rig.said == b"hello"
    assert rig.factory.inner.heard == b"x" * 100_000
    assert b"hello" not in rig.transport.value()
    assert rig.clock.getDelayedCalls() == []


def test_how_it_is_read_from_is_the_inner_protocols_to_say(authority, certified):
    rig = Rig(authority.file.read_text(), certified)
    rig.move()
    inner = rig.factory.inner.transport
    inner.bufferSize = 4096
    assert (inner.bufferSize, rig.transport.bufferSize) == (4096, 4096)
    inner.pauseProducing()
    assert rig.transport.producerState == "paused"
    inner.resumeProducing()
    assert rig.transport.producerState == "producing"


def test_a_server_nobody_vouches_for_is_refused_and_what_to_do_is_said(certified):
    rig = Rig("", certified)
    rig.move()
    (error,) = rig.factory.failed
    assert isinstance(error, TrackerError)
    assert "its certificate is refused: " in str(error)
    assert "murder.ca_file" in str(error)
    assert (rig.factory.inner, rig.said) == (None, b"")
    assert rig.transport.disconnecting or rig.transport.disconnected


def test_a_certificate_of_another_server_is_refused(authority, certified):
    rig = Rig(authority.file.read_text(), certified, host="192.0.2.8")
    rig.move()
    (error,) = rig.factory.failed
    assert "192.0.2.8" in str(error)
    assert "murder.ca_file" not in str(error)


def test_what_is_no_tls_is_told_in_a_sentence(authority, certified):
    rig = Rig(authority.file.read_text(), certified)
    rig.client.dataReceived(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    assert [str(error) for error in rig.factory.failed] == ["TLS failed: wrong version number"]


def test_a_server_that_says_nothing_is_not_waited_for(authority, certified):
    rig = Rig(authority.file.read_text(), certified)
    rig.clock.advance(HANDSHAKE_TIMEOUT)
    rig.client.connectionLost(Failure(ConnectionDone()))
    assert [str(error) for error in rig.factory.failed] == ["no answer to TLS"]


@pytest.mark.parametrize(("in_order", "lost"), [(True, ConnectionDone), (False, ConnectionLost)])
def test_an_end_counts_as_one_where_the_server_says_so(authority, certified, in_order, lost):
    """Else a body without a length could be cut short by whoever sits between."""
    rig = Rig(authority.file.read_text(), certified)
    rig.move()
    if in_order:
        with pytest.raises(ssl.SSLError):
            rig.server.unwrap()
        rig.client.dataReceived(rig.outgoing.read())
    rig.client.connectionLost(Failure(ConnectionDone()))
    assert rig.factory.inner.lost is lost


def test_a_server_that_has_ended_hears_the_same_of_us_and_need_not_wait(authority, certified):
    rig = Rig(authority.file.read_text(), certified)
    rig.move()
    rig.server.write(b"all of it")
    with pytest.raises(ssl.SSLWantReadError):
        rig.server.unwrap()
    rig.client.dataReceived(rig.outgoing.read())
    assert rig.factory.inner.heard == b"all of it"
    assert rig.transport.disconnecting
    rig.incoming.write(rig.transport.value())
    rig.server.unwrap()  # raises while it waits for us


@pytest.mark.parametrize("held", ["-----BEGIN CERTIFICATE-----\nhello\n-----END CERTIFICATE-----\n", "ő"])
def test_certificates_that_are_none_are_said_to_be(held):
    with pytest.raises(TrackerError, match=r"certificates of murder\.ca_file \(--ca-file\) are none"):
        client_context(held)


def test_a_file_of_certificates_may_have_comments_in_any_language(authority, certified, tmp_path):
    bundle = tmp_path / "bundle"
    bundle.write_bytes("# Főtanúsítvány\n".encode() + authority.file.read_bytes())
    rig = Rig(read_certificates(str(bundle)), certified)
    rig.move()
    assert rig.said == b"hello"


def test_an_announce_goes_through_tls_where_the_url_says_so(authority, certified):
    reactor, outcome = MemoryReactorClock(), []
    certificates = authority.file.read_text()
    asked = Deferred.fromCoroutine(get(reactor, f"https://{HOST}/announce?x=1", certificates=certificates))
    asked.addBoth(outcome.append)
    host, port, factory, *_ = reactor.tcpClients[0]
    assert (host, port) == (HOST, 443)
    rig = Rig(certificates, certified, client=factory.buildProtocol(None))
    rig.move()
    assert rig.said.startswith(b"GET /announce?x=1 HTTP/1.0\r\nHost: 192.0.2.9\r\n")
    rig.server.write(b"HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\nbody")
    rig.move()
    assert outcome == [b"body"]
    assert reactor.getDelayedCalls() == []


def test_a_tracker_nobody_vouches_for_is_refused_by_name(certified):
    reactor, outcome = MemoryReactorClock(), []
    Deferred.fromCoroutine(get(reactor, f"https://{HOST}/secret/announce")).addErrback(outcome.append)
    Rig("", certified, client=reactor.tcpClients[0][2].buildProtocol(None)).move()
    said = outcome[0].getErrorMessage()
    assert outcome[0].check(TrackerError)
    assert said.startswith(f"https://{HOST}/.../announce: its certificate is refused: ")
