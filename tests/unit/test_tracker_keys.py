"""Announce URLs: keys in them, scrape from them, and what is shown of them; and the order of trackers."""

from __future__ import annotations

import random

import pytest

from murder_fabric.errors import TrackerError
from murder_fabric.tracker.keys import announce_url, passkey, redacted, scrape_url, with_passkey
from murder_fabric.tracker.tiers import Tiers


def test_the_passkey_does_not_give_the_token_away():
    """The value was computed with `openssl dgst -sha256 -hmac`."""
    assert passkey(b"0123456789abcdef") == "332fd133aa7d2516efa7e2a310a18542392a2b2cfb7d3bc9c77b7f4fd9f2c897"


def test_an_announce_url_is_one_for_names_and_both_kinds_of_address():
    assert announce_url("web1", 8998) == "http://web1:8998/announce"
    assert announce_url("::1", 80, b"t") == f"http://[::1]:80/{passkey(b't')}/announce"


@pytest.mark.parametrize(
    ("url", "scrape"),
    [  # the table of BEP 48
        ("http://example.com/announce", "http://example.com/scrape"),
        ("http://example.com/x/announce", "http://example.com/x/scrape"),
        ("http://example.com/announce.php", "http://example.com/scrape.php"),
        ("http://example.com/announce?x2%0644", "http://example.com/scrape?x2%0644"),
        ("http://example.com/announce?x=2/4", "http://example.com/scrape?x=2/4"),
        (announce_url("h", 1, b"t"), f"http://h:1/{passkey(b't')}/scrape"),
    ],
)
def test_the_scrape_url_follows_from_the_announce_url(url, scrape):
    assert scrape_url(url) == scrape


@pytest.mark.parametrize("url", ["http://example.com/a", "http://example.com/x%064announce", "nonsense"])
def test_some_trackers_cannot_be_scraped(url):
    with pytest.raises(TrackerError, match="cannot be scraped"):
        scrape_url(url)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (announce_url("web1", 8998, b"t"), "http://web1:8998/.../announce"),
        ("http://web1:8998/announce", "http://web1:8998/announce"),
        ("http://me:secret@web1/secret?passkey=secret#secret", "http://web1/..."),
        ("http://[::1", "(an unreadable URL)"),
        ("http://web1/\x1b[2J/announce", "http://web1/.../announce"),
        ("http://web\x1b1/announce", "http://web?1/announce"),
    ],
)
def test_what_is_shown_of_a_url_opens_nothing(url, shown):
    assert redacted(url) == shown


def test_trackers_are_asked_tier_by_tier_and_the_last_to_answer_first():
    tiers = Tiers([["a"], ["b", "c", "d"], ["a", "e"]], random.Random(1))
    first, *middle, last = tiers
    assert (first, sorted(middle), last) == ("a", ["b", "c", "d"], "e")
    tiers.answered("d")
    assert list(tiers)[:2] == ["a", "d"]
    tiers.answered("nowhere")
    assert len(list(tiers)) == 5


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://10.0.0.1:8998/announce", f"http://10.0.0.1:8998/{passkey(b'token')}/announce"),
        ("http://10.0.0.1:8998/announce?x=1", f"http://10.0.0.1:8998/{passkey(b'token')}/announce?x=1"),
        ("http://10.0.0.1/of/its/own/announce", "http://10.0.0.1/of/its/own/announce"),
    ],
)
def test_the_passkey_goes_into_a_plain_announce_url(url, expected):
    assert with_passkey(url, b"token") == expected
    assert with_passkey(url, None) == url
