"""The tracker's port, over a transport held in memory; fault rows 54 and 55."""

from __future__ import annotations

import random

import pytest
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from murder_fabric import bencoding
from murder_fabric.errors import TrackerError
from murder_fabric.net.body_sender import PART_LENGTH, Taking
from murder_fabric.net.tracker_site import (
    MOST_ANSWERS,
    REQUEST_TIMEOUT,
    TAKEN_BESIDE_HOSTS,
    TAKING_TIMEOUT,
    TORRENT_TIMEOUT,
    TrackerSite,
)
from murder_fabric.tracker.announcing import AnnounceRequest, announce_query, parse_response
from murder_fabric.tracker.keys import announce_path, scrape_url, torrent_path
from murder_fabric.tracker.registry import Registry
from murder_fabric.tracker.scraping import ScrapeEntry, parse_scrape_response, scrape_query

HASH = b"h" * 20
TOKEN = b"0123456789abcdef"


class Connection(StringTransport):
    """A transport with its socket, whose kernel takes `room` bytes more, or what there is."""

    room = None
    #: What was left to the reactor to send.
    queued = b""
    #: The protocol, once it is to hear of the end.
    protocol = None
    closed = False

    def getHandle(self):
        return self

    def send(self, data):
        if self.room == 0:
            raise BlockingIOError
        taken = data[: self.room]
        super().write(taken)
        if self.room is not None:
            self.room -= len(taken)
        return len(taken)

    def write(self, data):
        self.queued += data
        super().write(data)

    def connectionLost(self, reason):
        self.disconnecting = self.closed = True
        self.protocol.connectionLost(reason)


class Visitor:
    """One connection to a site."""

    def __init__(self, site, address=None):
        self.transport = Connection(peerAddress=address or IPv4Address("TCP", "10.0.0.1", 50000))
        self.protocol = site.buildProtocol(None)
        self.transport.protocol = self.protocol
        self.protocol.makeConnection(self.transport)

    def ask(self, path, query=b"", version=b"1.0"):
        self.transport.clear()
        self.protocol.dataReceived(b"GET %s?%s HTTP/%s\r\nHost: x\r\n\r\n" % (path, query, version))
        head, _, body = self.transport.value().partition(b"\r\n\r\n")
        return int(head.split()[1]), body


def make_site(token=None, allowed=(HASH,), **limits):
    clock = Clock()
    return TrackerSite(Registry(allowed, rng=random.Random(1)), clock, token, **limits), clock


def announce(number=1, info_hash=HASH):
    return announce_query(AnnounceRequest(info_hash, b"%020d" % number, 6000 + number, 0, 0, number))


def test_an_announce_is_answered_and_the_connection_closed():
    site, _ = make_site()
    visitor = Visitor(site)
    status, body = visitor.ask(b"/announce", announce())
    assert (status, parse_response(body).incomplete) == (200, 1)
    assert visitor.transport.disconnecting


def test_a_scrape_is_answered():
    site, _ = make_site()
    Visitor(site).ask(b"/announce", announce())
    status, body = Visitor(site).ask(b"/scrape", scrape_query([HASH, b"x" * 20]))
    assert (status, parse_scrape_response(body)) == (200, {HASH: ScrapeEntry(0, 0, 1)})


def test_only_the_connection_says_where_a_peer_is():
    site, _ = make_site()
    Visitor(site).ask(b"/announce", announce(1) + b"&ip=8.8.8.8")
    _, body = Visitor(site, IPv6Address("TCP", "::ffff:10.0.0.2", 50000)).ask(b"/announce", announce(2))
    assert [peer.host for peer in parse_response(body).peers] == ["10.0.0.1"]
    _, body = Visitor(site).ask(b"/announce", announce(1))
    assert [peer.host for peer in parse_response(body).peers] == ["10.0.0.2"]


@pytest.mark.parametrize("query", [b"", b"info_hash=short", announce().replace(b"h" * 20, b"x" * 20)])
def test_a_refusal_is_bencoded(query):
    site, _ = make_site()
    status, body = Visitor(site).ask(b"/announce", query)
    assert status == 200
    assert list(bencoding.decode(body, 1000)) == [b"failure reason"]


def test_with_a_token_there_is_nothing_outside_its_passkey():
    site, _ = make_site(TOKEN)
    inside = announce_path(TOKEN).encode()
    for path in (b"/announce", b"/scrape", b"/" + TOKEN + b"/announce", inside + b"/", inside.upper(), b"/"):
        assert Visitor(site).ask(path, announce()) == (404, b"not found\n")
    assert Visitor(site).ask(inside, announce())[0] == 200
    assert Visitor(site).ask(inside.replace(b"announce", b"scrape"), scrape_query([HASH]))[0] == 200


def test_a_request_in_drops_is_cut_off_after_five_seconds():
    """However steadily it drips."""
    site, clock = make_site()
    visitor = Visitor(site)
    for byte in b"GET /announce":
        visitor.protocol.dataReceived(bytes([byte]))
        clock.advance(REQUEST_TIMEOUT / 14)
    assert not visitor.transport.disconnected
    clock.advance(REQUEST_TIMEOUT)
    assert visitor.transport.disconnected
    assert visitor.transport.value() == b""


def test_who_does_not_take_the_answer_is_cut_off_too():
    site, clock = make_site()
    visitor = Visitor(site)
    visitor.transport.room = 10
    visitor.ask(b"/announce", announce())
    clock.advance(REQUEST_TIMEOUT)
    assert visitor.transport.disconnected


def test_of_too_many_that_ask_for_nothing_the_one_that_waits_longest_is_cut_off():
    """Fault row 54: each has five seconds, and in those a flood takes every descriptor there is."""
    site, _ = make_site(most_waiting=3)
    first, *visitors = [Visitor(site) for _ in range(4)]
    assert first.transport.disconnected
    visitors[0].ask(b"/announce", announce(), version=b"1.1")
    Visitor(site)
    assert [one.transport.disconnected for one in visitors] == [False, True, False]


def test_who_has_asked_or_is_gone_takes_no_place_of_those_who_wait():
    site, _ = make_site(TOKEN, most_waiting=2)
    site.serve_torrent(HASH, b"d" * 10 * PART_LENGTH)
    first, asked = Visitor(site), Visitor(site)
    asked.ask(torrent_path(HASH, TOKEN).encode())
    gone = Visitor(site)
    gone.protocol.connectionLost()
    Visitor(site)
    assert [one.transport.disconnected for one in (first, asked)] == [False, False]


def test_who_reads_nothing_of_the_last_answer_waits_with_those_who_ask_for_nothing():
    """Fault row 54: of the numbers, which are long, as well as of many announces."""
    site, _ = make_site(most_waiting=2)
    visitors = [Visitor(site) for _ in range(2)]
    for visitor in visitors:
        visitor.transport.room = 10
        visitor.ask(b"/stats")
        assert visitor.transport.disconnecting
    Visitor(site)
    assert [one.transport.disconnected for one in visitors] == [True, False]
    visitors[1].protocol.connectionLost()
    assert not Visitor(site).transport.disconnected


def test_a_connection_that_ends_leaves_no_timer():
    site, clock = make_site()
    visitor = Visitor(site)
    visitor.protocol.connectionLost()
    assert clock.getDelayedCalls() == []


def test_who_says_that_it_is_the_last_request_gets_no_second_answer():
    site, _ = make_site()
    visitor = Visitor(site)
    visitor.ask(b"/announce", announce())
    visitor.transport.clear()
    visitor.protocol.dataReceived(b"GET /announce?%s HTTP/1.0\r\n\r\n" % announce())
    assert visitor.transport.value() == b""


def test_a_connection_stays_for_the_next_announce_where_the_client_wants_that():
    site, clock = make_site()
    visitor = Visitor(site)
    for number in (1, 2, 3):
        status, body = visitor.ask(b"/announce", announce(number), version=b"1.1")
        assert (status, parse_response(body).incomplete) == (200, number)
        assert not visitor.transport.disconnecting
        clock.advance(REQUEST_TIMEOUT - 0.1)
    visitor.ask(b"/scrape", scrape_query([HASH]))
    assert visitor.transport.disconnecting


def test_a_connection_without_another_request_is_closed_after_five_seconds():
    site, clock = make_site()
    visitor = Visitor(site)
    visitor.ask(b"/announce", announce(), version=b"1.1")
    clock.advance(REQUEST_TIMEOUT)
    assert visitor.transport.disconnected
    assert clock.getDelayedCalls() == []


def test_who_reads_no_answer_can_let_only_so_many_wait():
    site, _ = make_site()
    visitor = Visitor(site)
    for _ in range(MOST_ANSWERS - 1):
        visitor.ask(b"/announce", announce(), version=b"1.1")
    assert not visitor.transport.disconnecting
    assert visitor.ask(b"/announce", announce(), version=b"1.1")[0] == 200
    assert visitor.transport.disconnecting


@pytest.mark.parametrize("room", [0, 1, 100])
def test_what_the_kernel_does_not_take_of_an_answer_and_all_after_it_the_reactor_sends(room):
    site, _ = make_site()
    visitor = Visitor(site)
    visitor.transport.room = room
    _, body = visitor.ask(b"/announce", announce(1), version=b"1.1")
    assert parse_response(body).incomplete == 1
    assert visitor.transport.value().endswith(visitor.transport.queued)
    assert len(visitor.transport.value()) == room + len(visitor.transport.queued)
    visitor.transport.room = None
    visitor.transport.queued = b""
    visitor.ask(b"/announce", announce(2), version=b"1.1")
    assert visitor.transport.queued == visitor.transport.value()


def test_an_answer_that_the_kernel_takes_leaves_nothing_to_the_reactor():
    site, clock = make_site()
    visitor = Visitor(site)
    assert visitor.ask(b"/announce", announce(), version=b"1.1")[0] == 200
    assert (visitor.transport.queued, visitor.transport.closed) == (b"", False)
    assert visitor.ask(b"/announce", announce())[0] == 200
    assert (visitor.transport.queued, visitor.transport.closed) == (b"", True)
    assert clock.getDelayedCalls() == []


def test_what_is_queued_is_sent_before_the_connection_closes():
    site, _ = make_site()
    visitor = Visitor(site)
    visitor.transport.room = 10
    visitor.ask(b"/announce", announce())
    assert (visitor.transport.disconnecting, visitor.transport.closed) == (True, False)


def test_a_connection_that_broke_before_the_answer_is_left_to_its_transport(monkeypatch):
    def broken(data):
        raise ConnectionResetError

    site, _ = make_site()
    visitor = Visitor(site)
    monkeypatch.setattr(visitor.transport, "send", broken)
    visitor.protocol.dataReceived(b"GET /announce?%s HTTP/1.1\r\n\r\n" % announce())
    assert visitor.transport.queued.startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_request_that_does_not_wait_for_the_answer_before_it_is_not_answered():
    site, _ = make_site()
    visitor = Visitor(site)
    visitor.protocol.dataReceived(b"GET /announce?%s HTTP/1.1\r\n\r\n" % announce() * 2)
    assert visitor.transport.value().count(b"HTTP/1.1 200 OK") == 1
    assert visitor.transport.disconnecting


def test_what_is_not_found_ends_the_connection():
    site, _ = make_site(TOKEN)
    visitor = Visitor(site)
    assert visitor.ask(b"/announce", announce(), version=b"1.1") == (404, b"not found\n")
    assert visitor.transport.disconnecting


@pytest.mark.parametrize("data", [b"PRI * HTTP/2.0\r\n\r\n", b"\x16\x03\x01", b"GET /" + b"x" * 5000])
def test_what_is_no_announce_is_told_so_and_dropped(data):
    site, _ = make_site()
    visitor = Visitor(site)
    visitor.protocol.dataReceived(data)
    assert visitor.transport.value().startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert visitor.transport.disconnecting


def test_as_long_as_it_listens_the_silent_are_forgotten():
    site, clock = make_site()
    site.doStart()
    Visitor(site).ask(b"/announce", announce())
    clock.pump([15.0] * 9)
    _, body = Visitor(site).ask(b"/scrape", scrape_query([HASH]))
    assert parse_scrape_response(body)[HASH].incomplete == 0
    clock.advance(REQUEST_TIMEOUT)
    site.doStop()
    assert clock.getDelayedCalls() == []


def serving(torrent, **limits):
    """Return a site that has *torrent*, and its clock."""
    site, clock = make_site(TOKEN, **limits)
    site.serve_torrent(HASH, torrent)
    return site, clock


def ask_for_torrent(site, path=None, host="10.0.0.1"):
    visitor = Visitor(site, IPv4Address("TCP", host, 50000))
    return visitor, visitor.ask((path or torrent_path(HASH, TOKEN)).encode(), version=b"1.1")


def test_a_torrent_goes_out_in_parts_each_when_the_one_before_has_left():
    torrent = bytes(range(256)) * 300
    visitor, (status, body) = ask_for_torrent(serving(torrent)[0])
    assert (status, body) == (200, b"")
    producer = visitor.transport.producer
    producer.resumeProducing()
    assert len(visitor.transport.value().partition(b"\r\n\r\n")[2]) == PART_LENGTH
    while visitor.transport.producer is not None:
        producer.resumeProducing()
    head, _, body = visitor.transport.value().partition(b"\r\n\r\n")
    assert body == torrent
    assert b"Content-Length: %d\r\n" % len(torrent) in head
    assert visitor.transport.disconnecting


def test_only_who_has_the_passkey_finds_a_torrent_and_only_that_one():
    site, _ = serving(b"torrent")
    for path in (
        f"/torrent/{HASH.hex()}",
        torrent_path(HASH, b"another token!!!"),
        torrent_path(b"x" * 20, TOKEN),
        torrent_path(HASH, TOKEN) + "/",
        torrent_path(HASH, TOKEN) + "/../..",
    ):
        assert ask_for_torrent(site, path)[1] == (404, b"not found\n")


def test_a_torrent_and_its_numbers_are_for_the_hosts_that_may_announce_it():
    registry = Registry((), rng=random.Random(1))
    site = TrackerSite(registry, Clock(), TOKEN)
    site.serve_torrent(HASH, b"torrent")
    registry.allow(HASH, ["10.0.0.1", "10.0.0.2"])
    scrape = scrape_url(announce_path(TOKEN)).encode()

    def ask(host, path, query=b""):
        return Visitor(site, IPv4Address("TCP", host, 50000)).ask(path, query)

    for host in ("10.0.0.2", "::ffff:10.0.0.1"):  # none of which has announced itself
        assert ask(host, torrent_path(HASH, TOKEN).encode())[0] == 200
        assert HASH in parse_scrape_response(ask(host, scrape, scrape_query([HASH]))[1])
    assert ask("10.0.0.3", torrent_path(HASH, TOKEN).encode()) == (404, b"not found\n")
    assert parse_scrape_response(ask("10.0.0.3", scrape, scrape_query([HASH]))[1]) == {}


def test_an_open_tracker_gives_nobody_a_torrent():
    site, _ = make_site()
    with pytest.raises(TrackerError, match="an open tracker gives nobody a torrent"):
        site.serve_torrent(HASH, b"torrent")


def take_parts(site, clock, every):
    """Return when a torrent is cut off of which a part is taken *every* so many seconds."""
    visitor, _ = ask_for_torrent(site)
    while not visitor.transport.disconnected:
        clock.advance(every / 2)
        if clock.seconds() % every == 0 and not visitor.transport.disconnected:
            visitor.transport.producer.resumeProducing()
    return clock.seconds()


def test_who_takes_nothing_of_a_torrent_is_cut_off_later_than_others():
    """Fault row 54."""
    site, clock = serving(b"t" * 100 * PART_LENGTH)
    visitor, _ = ask_for_torrent(site)
    clock.advance(REQUEST_TIMEOUT)
    assert not visitor.transport.disconnected
    clock.advance(TAKING_TIMEOUT - REQUEST_TIMEOUT)
    assert visitor.transport.disconnected


def test_who_takes_some_of_a_torrent_now_and_then_is_cut_off_after_a_minute():
    assert take_parts(*serving(b"t" * 100 * PART_LENGTH), every=8) == TORRENT_TIMEOUT


def test_an_address_takes_as_many_torrents_as_hosts_and_a_few_more_and_hangs_up_on_itself_alone():
    """Fault row 54: each has a minute, and in that one host that reads nothing takes every descriptor."""
    site, _ = serving(b"t" * 100 * PART_LENGTH)
    site._registry.allow(b"x" * 20, ["10.0.0.1", "10.0.0.1", "10.0.0.2"])
    site.serve_torrent(b"x" * 20, b"t" * 100 * PART_LENGTH)
    path = torrent_path(b"x" * 20, TOKEN)
    honest, _ = ask_for_torrent(site, path, host="10.0.0.2")
    visitors = [ask_for_torrent(site, path)[0] for _ in range(2 + TAKEN_BESIDE_HOSTS)]
    visitors[0].transport.producer.resumeProducing()
    assert not any(one.transport.disconnected for one in (honest, *visitors))
    _, (status, _) = ask_for_torrent(site, path)
    assert status == 200
    assert [one.transport.disconnected for one in (honest, *visitors)] == [False, False, True, False, False]
    visitors[2].protocol.connectionLost()
    assert ask_for_torrent(site, path)[1][0] == 200
    assert [one.transport.disconnected for one in (honest, *visitors)] == [False, False, True, False, False]


def test_where_as_many_torrents_are_being_taken_as_may_be_who_asks_has_to_come_again():
    site, _ = serving(b"t" * 100 * PART_LENGTH, most_waiting=8)
    visitors = [ask_for_torrent(site, host=f"10.0.0.{number}")[0] for number in range(4)]
    refused, answer = ask_for_torrent(site, host="10.0.0.9")
    assert answer == (503, b"too many at once; come again\n")
    assert refused.transport.disconnecting
    assert not any(one.transport.disconnected for one in visitors)
    visitors[2].protocol.connectionLost()
    assert ask_for_torrent(site, host="10.0.0.9")[1][0] == 200


class Taker:
    """Writes down whether it was hung up on."""

    is_cut_off = False

    def cut_off(self):
        self.is_cut_off = True


def test_where_nobody_said_who_takes_part_an_address_has_a_quarter_of_the_places():
    taking = Taking(8)
    takers = [Taker() for _ in range(3)]
    assert [taking.begun(one, "10.0.0.1", None) for one in takers] == [True] * 3
    assert [one.is_cut_off for one in takers] == [True, False, False]


def test_who_has_gone_or_never_came_takes_no_place():
    taking, first = Taking(1), Taker()
    taking.ended(first, "10.0.0.1")
    assert taking.begun(first, "10.0.0.1", 3)
    assert not taking.begun(Taker(), "10.0.0.2", 3)
    taking.ended(first, "10.0.0.1")
    taking.ended(first, "10.0.0.1")
    taking.part_taken(first, "10.0.0.1")
    assert [taking.begun(Taker(), "10.0.0.2", 3) for _ in range(2)] == [True, False]


def test_nothing_is_sent_to_who_has_gone():
    visitor, _ = ask_for_torrent(serving(b"t" * 100_000)[0])
    visitor.transport.clear()
    visitor.transport.producer.stopProducing()
    visitor.transport.producer.resumeProducing()
    assert visitor.transport.value() == b""
