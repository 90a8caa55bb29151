"""Getting a small thing by HTTP, over a reactor and transports held in memory; fault row 57."""

from __future__ import annotations

import random

import pytest
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost, ConnectionRefusedError
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure

from murder_fabric.errors import TrackerError
from murder_fabric.net.http_client import get
from murder_fabric.net.tracker_client import TrackerClient
from murder_fabric.tracker.announcing import AnnounceRequest, AnnounceResponse, encode_response
from murder_fabric.tracker.http import format_response
from murder_fabric.tracker.scraping import ScrapeEntry, encode_scrape
from murder_fabric.tracker.tiers import Tiers

URL = "http://10.0.0.1:8998/secret/announce?left=5"


class Names:
    """A resolver that knows some names, and none about the rest; one that is None never answers."""

    def __init__(self, **known):
        self.known = known

    def resolveHostName(self, receiver, host):
        receiver.resolutionBegan(None)
        addresses = self.known.get(host, [])
        if addresses is None:
            return
        for address in addresses:
            kind = IPv6Address if ":" in address else IPv4Address
            receiver.addressResolved(kind("TCP", address, 0))
        receiver.resolutionComplete()


class Rig:
    """A reactor whose connections wait to be answered by hand."""

    def __init__(self, **names):
        self.reactor = MemoryReactorClock()
        self.reactor.nameResolver = Names(**names)
        self.outcome = []

    def start(self, coroutine):
        self.running = Deferred.fromCoroutine(coroutine)
        self.running.addBoth(self.outcome.append)

    def get(self, url=URL, **options):
        self.start(get(self.reactor, url, **options))

    @property
    def dialled(self):
        return [(host, port) for host, port, *_ in self.reactor.tcpClients]

    def connect(self):
        self.protocol = self.reactor.tcpClients[-1][2].buildProtocol(None)
        self.transport = StringTransport()
        self.protocol.makeConnection(self.transport)

    def refuse(self):
        self.reactor.tcpClients[-1][2].clientConnectionFailed(None, Failure(ConnectionRefusedError()))

    def answer(self, data, size=10**6):
        self.connect()
        for start in range(0, len(data), size):
            self.protocol.dataReceived(data[start : start + size])

    def close(self, why=None):
        self.protocol.connectionLost(Failure(why or ConnectionDone()))

    @property
    def failure(self):
        (failure,) = self.outcome
        assert failure.check(TrackerError), failure
        return str(failure.value)


@pytest.mark.parametrize("size", [1, 3, 10**6])
def test_an_answer_is_taken_and_the_connection_dropped(size):
    rig = Rig()
    rig.get()
    rig.answer(format_response(200, b"body"), size)
    assert rig.outcome == [b"body"]
    assert rig.transport.disconnected
    rig.close()
    assert rig.reactor.getDelayedCalls() == []


def test_what_is_asked_for_is_http_of_the_old_kind():
    rig = Rig()
    rig.get()
    rig.connect()
    lines = rig.transport.value().split(b"\r\n")
    assert lines[0] == b"GET /secret/announce?left=5 HTTP/1.0"
    assert b"Host: 10.0.0.1:8998" in lines
    assert rig.dialled == [("10.0.0.1", 8998)]


def test_a_body_may_end_with_the_connection():
    rig = Rig()
    rig.get()
    rig.answer(b"HTTP/1.0 200 OK\r\n\r\nbody")
    assert rig.outcome == []
    rig.close()
    assert rig.outcome == [b"body"]


@pytest.mark.parametrize(("why", "says"), [(ConnectionDone(), "cut short"), (ConnectionLost(), "lost")])
def test_a_connection_that_ends_early_is_a_failure(why, says):
    rig = Rig()
    rig.get()
    rig.answer(b"HTTP/1.0 200 OK\r\nContent-Length: 10\r\n\r\nbody")
    rig.close(why)
    assert says in rig.failure


def test_an_endless_answer_is_cut_off():
    rig = Rig()
    rig.get(max_length=1000)
    rig.answer(b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * 1001)
    assert "longer than 1000 bytes" in rig.failure
    assert rig.transport.disconnected


def test_a_failure_names_the_tracker_but_not_the_passkey():
    rig = Rig()
    rig.get()
    rig.refuse()
    assert rig.failure == "http://10.0.0.1:8998/.../announce: connection refused"
    assert rig.reactor.getDelayedCalls() == []


@pytest.mark.parametrize("connected", [False, True])
def test_silence_ends_after_the_timeout(connected):
    rig = Rig()
    rig.get(timeout=5.0)
    if connected:
        rig.connect()
    rig.reactor.advance(4.9)
    assert rig.outcome == []
    rig.reactor.advance(0.2)
    assert rig.failure == "http://10.0.0.1:8998/.../announce: no answer within 5 s"
    assert rig.reactor.connectors[0]._disconnected


def test_a_name_that_takes_too_long_to_resolve_is_a_failure_too():
    rig = Rig(web1=None)
    rig.get("http://web1/announce")
    rig.reactor.advance(6.0)
    assert "no answer within 5 s" in rig.failure
    assert rig.dialled == []


def test_cancelling_is_no_failure_of_the_tracker():
    rig = Rig()
    rig.get()
    rig.running.cancel()
    assert rig.outcome[0].check(CancelledError)
    assert rig.reactor.getDelayedCalls() == []


def test_each_address_of_a_name_is_tried():
    rig = Rig(web1=["::1", "10.0.0.1"])
    rig.get("http://web1/announce")
    rig.refuse()
    rig.answer(format_response(200, b"body"))
    assert rig.dialled == [("::1", 80), ("10.0.0.1", 80)]
    assert b"Host: web1\r\n" in rig.transport.value()
    assert rig.outcome == [b"body"]


def test_only_addresses_of_the_family_we_are_bound_to_are_tried():
    rig = Rig(web1=["::1", "10.0.0.1"])
    rig.get("http://web1/announce", bind_address="10.0.0.9")
    assert rig.dialled == [("10.0.0.1", 80)]
    assert rig.reactor.tcpClients[0][4] == ("10.0.0.9", 0)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("file:///etc/passwd", "only http://"),
        ("udp://10.0.0.1:80/announce", "only http://"),
        ("http:///announce", "only http://"),
        ("https://.example.com/announce", "can be the name of no host"),
        ("http://build..example.com/announce", "can be the name of no host"),
        (f"http://{'b' * 64}.example.com/announce", "can be the name of no host"),
        ("http://10.0.0.1:99999/announce", "not a URL"),
        ("http://[::1/announce", "not a URL"),
        ("http://10.0.0.1/a b", "must be quoted"),
        ("http://10.0.0.1/\N{SNOWMAN}", "must be quoted"),
        ("http://nobody/announce", "no address we could dial"),
    ],
)
def test_what_cannot_be_asked_is_not_dialled(url, says):
    rig = Rig()
    rig.get(url)
    assert says in rig.failure
    assert rig.dialled == []


REQUEST = AnnounceRequest(b"h" * 20, b"p" * 20, 6881, 0, 0, 5)
RESPONSE = AnnounceResponse(15.0, 1, 0, ())


def client(rig, *tiers):
    return TrackerClient(rig.reactor, Tiers(tiers, random.Random(1)))


def test_the_next_tracker_is_asked_where_one_is_down_or_talks_nonsense():
    rig = Rig()
    asking = client(
        rig,
        ["udp://10.0.0.9/announce"],
        ["http://10.0.0.1/announce"],
        ["http://10.0.0.2/a"],
        ["http://[::3]/"],
    )
    rig.start(asking.announce(REQUEST))
    rig.refuse()
    rig.answer(format_response(200, b"nonsense"))
    rig.answer(format_response(200, encode_response(RESPONSE)))
    assert [host for host, _ in rig.dialled] == ["10.0.0.1", "10.0.0.2", "::3"]
    assert rig.outcome == [RESPONSE]


def test_the_tracker_that_answered_is_asked_first_next_time():
    rig = Rig()
    asking = client(rig, ["http://10.0.0.1/announce", "http://10.0.0.2/announce"])
    rig.start(asking.announce(REQUEST))
    rig.refuse()
    rig.answer(format_response(200, encode_response(RESPONSE)))
    rig.start(asking.announce(REQUEST))
    assert rig.dialled[2] == rig.dialled[1] != rig.dialled[0]


def test_no_tracker_is_a_failure_like_any_other():
    rig = Rig()
    rig.start(client(rig, ["udp://10.0.0.9/announce"]).announce(REQUEST))
    assert "names no tracker" in rig.failure


def test_a_parameter_that_the_announce_url_has_is_kept():
    rig = Rig()
    rig.start(client(rig, ["http://10.0.0.1/announce?user=7"]).announce(REQUEST))
    rig.connect()
    assert rig.transport.value().startswith(b"GET /announce?user=7&info_hash=hhhh")


def test_a_swarm_is_scraped_where_its_announces_go():
    rig = Rig()
    rig.start(client(rig).scrape("http://10.0.0.1/secret/announce", b"h" * 20))
    rig.answer(format_response(200, encode_scrape({b"h" * 20: ScrapeEntry(1, 2, 3)})))
    assert rig.transport.value().startswith(b"GET /secret/scrape?info_hash=hhhh")
    assert rig.outcome == [ScrapeEntry(1, 2, 3)]
