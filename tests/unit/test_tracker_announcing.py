"""Announces and their answers as bytes; fault rows 55 and 57."""

from __future__ import annotations

import contextlib
import ipaddress
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from murder_fabric import bencoding
from murder_fabric.errors import TrackerError
from murder_fabric.tracker.addresses import PeerAddress, canonical_host
from murder_fabric.tracker.announcing import (
    MAX_PEERS,
    AnnounceRequest,
    AnnounceResponse,
    announce_query,
    encode_failure,
    encode_response,
    parse_announce,
    parse_response,
)

HASH = b"%68" * 20
PLAIN = {
    "info_hash": HASH,
    "peer_id": b"-MF0100-abcdefghijkl",
    "port": b"6881",
    "uploaded": b"0",
    "downloaded": b"0",
    "left": b"7",
}

counts = st.integers(0, 2**63 - 1)
requests = st.builds(
    AnnounceRequest,
    info_hash=st.binary(min_size=20, max_size=20),
    peer_id=st.binary(min_size=20, max_size=20),
    port=st.integers(1, 65535),
    uploaded=counts,
    downloaded=counts,
    left=counts,
    event=st.sampled_from(["", "started", "completed", "stopped"]),
    num_want=st.integers(0, 10_000),
    compact=st.booleans(),
)
hosts = (
    st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6))
    # First the one spelling: `::ffff:224.0.0.1` is a multicast group only then.
    .map(lambda address: ipaddress.ip_address(canonical_host(str(address))))
    .filter(lambda address: not address.is_multicast and not address.is_unspecified)
)
addresses = st.builds(PeerAddress, hosts.map(str), st.integers(1, 65535))
responses = st.builds(
    AnnounceResponse,
    interval=st.integers(5, 300).map(float),
    complete=counts,
    incomplete=counts,
    peers=st.lists(addresses, unique=True, max_size=50).map(tuple),
)


def query(**changes):
    parameters = {**PLAIN, **changes}
    return b"&".join(b"%s=%s" % (name.encode(), v) for name, v in parameters.items() if v is not None)


def answer(**changes):
    fields = {"interval": 15, "peers": b"\x7f\x00\x00\x01\x1a\xe1", **changes}
    return bencoding.encode({k.replace("_", " ").encode(): v for k, v in fields.items() if v is not None})


@given(requests)
def test_what_a_client_asks_the_tracker_reads(request):
    assert parse_announce(announce_query(request)) == request


@given(responses, st.booleans())
def test_what_a_tracker_answers_the_client_reads(response, compact):
    parsed = parse_response(encode_response(response, compact))
    assert set(parsed.peers) == set(response.peers)
    assert (parsed.interval, parsed.complete, parsed.incomplete) == (
        response.interval,
        response.complete,
        response.incomplete,
    )


def test_a_client_that_says_little_gets_the_defaults():
    request = parse_announce(query())
    assert (request.event, request.num_want, request.compact) == ("", 30, True)


def test_what_is_not_known_is_not_looked_at():
    """Least of all `ip`, by which a stranger would point the swarm at a victim."""
    assert parse_announce(query(ip=b"8.8.8.8", key=b"%zz", ipv6=b"::1")) == parse_announce(query())


def test_a_plus_in_an_info_hash_is_a_plus():
    assert parse_announce(query(info_hash=b"+" * 20)).info_hash == b"+" * 20


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"info_hash": None}, "info_hash is missing"),
        ({"info_hash": b""}, "info_hash is 0 bytes"),
        ({"info_hash": b"%68" * 19}, "info_hash is 19 bytes"),
        ({"info_hash": b"%68" * 21}, "info_hash is 21 bytes"),
        ({"info_hash": b"%68" * 19 + b"%6"}, "percent sign"),
        ({"info_hash": b"%68" * 19 + b"%zz"}, "percent sign"),
        ({"info_hash": b"%"}, "percent sign"),
        ({"info_hash": b"\xff" * 20}, "no URL may hold"),
        ({"info_hash": HASH + b"&info_hash=" + HASH}, "info_hash is given twice"),
        ({"peer_id": None}, "peer_id is missing"),
        ({"peer_id": b"short"}, "peer_id is 5 bytes"),
        ({"port": None}, "port is missing"),
        ({"port": b""}, "port is not a number"),
        ({"port": b"0"}, "port is not a number from 1 to 65535"),
        ({"port": b"65536"}, "port is not a number"),
        ({"port": b"abc"}, "port is not a number"),
        ({"port": b"+80"}, "port is not a number"),
        ({"port": b"8_0"}, "port is not a number"),
        ({"port": b"-1"}, "port is not a number"),
        ({"port": b"%D9%A1"}, "port is not a number"),
        ({"port": b"6881&port=6882"}, "port is given twice"),
        ({"left": None}, "left is missing"),
        ({"left": b"-1"}, "left is not a number"),
        ({"left": b"18446744073709551616"}, "left is not a number"),
        ({"left": b"9223372036854775808"}, "left is not a number"),
        ({"left": b"1e3"}, "left is not a number"),
        ({"left": b"%207"}, "left is not a number"),
        ({"uploaded": b"x"}, "uploaded is not a number"),
        ({"uploaded": None}, "uploaded is missing"),
        ({"downloaded": b"0x10"}, "downloaded is not a number"),
        ({"numwant": b"-1"}, "numwant is not a number"),
        ({"numwant": b"1000000000"}, "numwant is not a number"),
        ({"compact": b"yes"}, "compact is not a number"),
        ({"compact": b"2"}, "compact is not a number"),
        ({"event": b"junk"}, "event is none of"),
        ({"event": b"started%00"}, "event is none of"),
        ({"event": b"%ff"}, "event is none of"),
        ({"event": b"started&event=stopped"}, "event is given twice"),
    ],
)
def test_an_announce_that_cannot_be_meant_is_refused(changes, says):
    with pytest.raises(TrackerError, match=says):
        parse_announce(query(**changes))


@given(st.binary(max_size=200))
def test_no_query_raises_anything_but_a_tracker_error(data):
    with contextlib.suppress(TrackerError):
        assert parse_announce(query(event=data)).event in ("", "started", "completed", "stopped")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "cannot be read"),
        (b"<html>", "cannot be read"),
        (b"l" * 60_000, "cannot be read"),
        (b"d0:" * 20_000, "cannot be read"),
        (b"i5e", "not a dictionary"),
        (b"le", "not a dictionary"),
        (b"d8:intervali15e5:peers0:e" + b" ", "cannot be read"),
        (b"d8:intervali15e8:intervali15ee", "cannot be read"),
        (b"d5:peers70000:" + b"x" * 70_000 + b"e", "cannot be read"),
        (answer(interval=None), "no interval"),
        (answer(interval=b"15"), "no interval"),
        (answer(peers=b"12345"), "peers is not a list of 6 bytes"),
        (answer(peers=17), "peers is not a list"),
        (answer(peers={}), "peers is not a list"),
        (answer(peers=[1]), "without ip and port"),
        (answer(peers=[{"ip": b"127.0.0.1"}]), "without ip and port"),
        (answer(peers=[{"ip": 1, "port": 1}]), "without ip and port"),
        (answer(peers6=b"x" * 17), "peers6 is not a list of 18 bytes"),
        (answer(peers6=[]), "peers6 is not a list"),
        (answer(failure_reason=7), "it gave no reason"),
        (encode_failure("not here"), "refused: not here"),
    ],
)
def test_a_hostile_answer_is_one_sentence(data, says):
    with pytest.raises(TrackerError, match=says) as caught:
        parse_response(data)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("asked", "kept"), [(0, 5), (-1, 5), (10**12, 300), (4, 5), (60, 60)])
def test_an_interval_is_clamped(asked, kept):
    assert parse_response(answer(interval=asked)).interval == kept


def test_counts_that_cannot_be_are_none():
    parsed = parse_response(answer(complete=-5, incomplete=b"many"))
    assert (parsed.complete, parsed.incomplete) == (0, 0)


def test_a_failure_reason_cannot_touch_the_terminal():
    reason = "\x1b[2J\r\n\x9b31m\u202egnp.exe" + "x" * 1000
    with pytest.raises(TrackerError) as caught:
        parse_response(encode_failure(reason))
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    "peers",
    [
        b"\x7f\x00\x00\x01\x00\x00",  # port 0
        b"\x00\x00\x00\x00\x1a\xe1",
        b"\xe0\x00\x00\x01\x1a\xe1",  # multicast
        [{"ip": b"127.0.0.1", "port": 0}],
        [{"ip": b"127.0.0.1", "port": 65536}],
        [{"ip": b"127.0.0.1", "port": -1}],
        [{"ip": b"metadata.internal", "port": 80}],
        [{"ip": b"\xff", "port": 80}],
    ],
)
def test_peers_nobody_can_dial_are_dropped(peers):
    assert parse_response(answer(peers=peers)).peers == ()


def test_ipv4_in_the_clothes_of_ipv6_is_ipv4():
    mapped = bytes(10) + b"\xff\xff\x0a\x00\x00\x01\x1a\xe1"
    assert parse_response(answer(peers=b"", peers6=mapped)).peers == (PeerAddress("10.0.0.1", 6881),)


def test_of_too_many_peers_some_are_taken_and_each_once():
    rng = random.Random(1)
    many = b"".join(b"\x0a" + rng.randbytes(3) + b"\x1a\xe1" for _ in range(10_000))
    assert len(parse_response(answer(peers=many)).peers) == MAX_PEERS
    assert len(parse_response(answer(peers=many[:6] * 500)).peers) == 1


def test_a_cut_answer_is_refused_wherever_it_is_cut():
    whole = encode_response(AnnounceResponse(15, 1, 2, (PeerAddress("::1", 1), PeerAddress("10.0.0.1", 2))))
    for length in range(len(whole)):
        with pytest.raises(TrackerError):
            parse_response(whole[:length])
