"""Scrapes (BEP 48) as bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from murder_fabric import bencoding
from murder_fabric.errors import TrackerError
from murder_fabric.tracker.announcing import encode_failure
from murder_fabric.tracker.scraping import (
    MAX_HASHES,
    ScrapeEntry,
    encode_scrape,
    parse_scrape,
    parse_scrape_response,
    scrape_query,
)

hashes = st.binary(min_size=20, max_size=20)
entries = st.builds(ScrapeEntry, *[st.integers(0, 2**40)] * 3)


@given(st.lists(hashes, unique=True, min_size=1, max_size=MAX_HASHES))
def test_what_is_asked_is_read(info_hashes):
    assert parse_scrape(scrape_query(info_hashes)) == tuple(info_hashes)


@given(st.dictionaries(hashes, entries, max_size=5))
def test_what_is_answered_is_read(swarms):
    assert parse_scrape_response(encode_scrape(swarms)) == swarms


def test_a_swarm_asked_about_twice_is_answered_once():
    assert parse_scrape(scrape_query([b"h" * 20, b"h" * 20])) == (b"h" * 20,)


@pytest.mark.parametrize(
    "query",
    [
        b"",
        b"info_hash=short",
        b"info_hash",
        b"event=started",
        scrape_query([b"%020d" % i for i in range(65)]),
    ],
)
def test_a_scrape_of_nothing_or_everything_is_refused(query):
    with pytest.raises(TrackerError):
        parse_scrape(query)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"nonsense", "cannot be read"),
        (b"de", "no files"),
        (bencoding.encode({"files": []}), "no files"),
        (bencoding.encode({"files": {b"short": {}}}), "an entry that is none"),
        (bencoding.encode({"files": {b"h" * 20: 5}}), "an entry that is none"),
        (encode_failure("go away"), "refused: go away"),
    ],
)
def test_a_hostile_answer_is_one_sentence(data, says):
    with pytest.raises(TrackerError, match=says):
        parse_scrape_response(data)


def test_an_answer_that_leaves_counts_out_says_none():
    data = bencoding.encode({"files": {b"h" * 20: {"complete": 3, "incomplete": -4}}})
    assert parse_scrape_response(data) == {b"h" * 20: ScrapeEntry(3, 0, 0)}
