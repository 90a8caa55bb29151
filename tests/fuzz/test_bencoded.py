"""Bencoding and what is written in it: torrents, answers of trackers, handshakes; rows 57 and 59 to 63."""

from __future__ import annotations

import contextlib
import time
import tracemalloc

import pytest
from bencoded import LIMIT, torrent_of
from bounded import mutated, patient
from every_parser import PARSERS
from hypothesis import given
from hypothesis import strategies as st

from murder_fabric.bencoding import decode, encode
from murder_fabric.errors import BencodeError
from murder_fabric.metainfo.parsing import LONGEST_TORRENT, parse_metainfo
from murder_fabric.metainfo.paths import conflict
from murder_fabric.tracker.addresses import PeerAddress
from murder_fabric.tracker.announcing import AnnounceResponse, encode_response, parse_response
from murder_fabric.tracker.scraping import ScrapeEntry, encode_scrape
from murder_fabric.wire.extensions import MAX_REQUEST_LENGTH, ExtendedHandshake

values = st.recursive(
    st.integers(-(2**63), 2**63) | st.binary(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.binary(max_size=8), inner, max_size=4),
    max_leaves=20,
)
names = st.binary(min_size=1, max_size=5).filter(
    lambda name: name not in (b".", b"..") and not {0, 47} & {*name}
)
paths = st.lists(names, min_size=1, max_size=3).map(tuple)
trees = st.dictionaries(paths, st.tuples(st.binary(max_size=2000), st.integers(0, 0o777)), min_size=1).filter(
    lambda tree: conflict(tree, []) is None
)
addresses = st.builds(
    PeerAddress,
    st.sampled_from(["10.0.0.1", "192.168.7.255", "fd00::1", "2001:db8::7"]),
    st.integers(1, 65535),
)
answers = st.builds(
    AnnounceResponse,
    st.integers(5, 300).map(float),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
    st.lists(addresses, max_size=60, unique=True).map(tuple),
)
handshakes = st.builds(
    ExtendedHandshake,
    request_queue=st.integers(1, 2000),
    request_length=st.integers(16384, MAX_REQUEST_LENGTH),
    port=st.integers(0, 65535),
    client=st.text(max_size=20),
    nonce=st.sampled_from([b"", b"n" * 16]),
    auth_id=st.integers(0, 255),
)


@st.composite
def changed(draw, tree):
    """Draw a torrent in which one field is another value; it is canonical bencoding all the same."""
    value = decode(torrent_of(draw(tree)).encode(), LIMIT)
    place = value
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = draw(st.sampled_from(keys))
        inside = place[key]
        if not isinstance(inside, (dict, list)) or not inside or draw(st.integers(0, 3)) == 0:
            break
        place = inside
    place[key] = draw(values | st.sampled_from([0, 1, -1, 2**63, b"", b"..", b"/", [b"..", b"a"], [], {}]))
    return encode(value)


@patient
@given(mutated(values.map(encode)))
def test_bencoding(data):
    PARSERS["bencoding"].read(data)


@patient
@given(mutated(trees.map(lambda tree: torrent_of(tree).encode())) | changed(trees))
def test_torrents(data):
    PARSERS["torrents"].read(data)


@patient
@given(trees)
def test_a_torrent_says_what_it_was_made_of(tree):
    metainfo = torrent_of(tree)
    assert parse_metainfo(metainfo.encode()) == metainfo


@patient
@given(mutated(answers.map(encode_response)))
def test_answers_of_trackers(data):
    PARSERS["answers of trackers"].read(data)


@patient
@given(answers)
def test_an_answer_says_what_was_answered(answer):
    found = parse_response(encode_response(answer))
    assert set(found.peers) == set(answer.peers)
    assert found.interval == answer.interval


@patient
@given(
    mutated(
        st.builds(lambda *counts: encode_scrape({b"h" * 20: ScrapeEntry(*counts)}), *[st.integers(0)] * 3)
    )
)
def test_answers_to_scrapes(data):
    PARSERS["answers to scrapes"].read(data)


@patient
@given(mutated(handshakes.map(ExtendedHandshake.payload)))
def test_extended_handshakes(payload):
    PARSERS["extended handshakes"].read(payload)


BOMBS = {
    "lists": b"l" * 100_000,
    "dictionaries": b"d0:" * 50_000,
    "closed lists": b"l" * 50_000 + b"e" * 50_000,
    "digits": b"i" + b"9" * 100_000 + b"e",
    "a long length": b"99999999999:a",
    "a length of digits": b"9" * 100_000 + b":",
    "a key of negative length": b"d1:ai1e-6:" * 1000,
}


def peak_of(data):
    """Return the bytes of memory that decoding took."""
    tracemalloc.start()
    try:
        with contextlib.suppress(BencodeError):
            decode(data, LONGEST_TORRENT)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("data", BOMBS.values(), ids=BOMBS.keys())
def test_bombs_cost_no_more_than_their_own_length(data):
    assert peak_of(data) < 1 << 22


@pytest.mark.parametrize("data", BOMBS.values(), ids=BOMBS.keys())
def test_bombs_are_refused_within_ten_milliseconds_of_processor(data):
    took = []
    for _ in range(3):  # the first time something may have to be loaded
        began = time.process_time()
        with pytest.raises(BencodeError):
            decode(data, LONGEST_TORRENT)
        took.append(time.process_time() - began)
    assert min(took) < 0.01


def test_the_smallest_values_cost_a_hundred_times_their_bytes_at_the_most():
    """What strangers send is 64 KiB at the most (a tracker's answer)."""
    data = b"l" + b"i0e" * 21_000 + b"e"
    assert peak_of(data) < 128 * len(data)
