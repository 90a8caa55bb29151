"""Only the one canonical encoding of a value decodes; everything else is one kind of error."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from murder_fabric.bencoding import MAX_DEPTH, decode, encode
from murder_fabric.errors import BencodeError

LIMIT = 1 << 20
VALUES = st.recursive(
    st.integers(-(10**18), 10**18) | st.binary(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.binary(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_what_is_encoded_decodes_to_the_same(value):
    assert decode(encode(value), LIMIT) == value


@given(st.binary(max_size=60))
def test_whatever_decodes_encodes_to_the_same_bytes(data):
    try:
        value = decode(data, LIMIT)
    except BencodeError:
        return
    assert encode(value) == data


@pytest.mark.parametrize(
    "data",
    [
        b"", b"e", b"i-0e", b"i007e", b"i+5e", b"i1_0e", b"i 7 e", b"ie", b"i--1e", b"i" + b"9" * 5000 + b"e",
        b"-3:", b"+1:a", b"01:a", b"99999999999:a", b"5:abcd", b"1:ab", b"d1:b0:1:a0:e", b"d1:a0:1:a0:e",
        b"di1e0:e", b"l", b"d1:a", b"d1:ai1e-6:", b"i1ei2e", b"x",
        b"di1ei2ee", b"di1ei2ei3ei4ee", b"dl1:aei2ee", b"d1:ai1el1:bei2ee", b"d1:ae", b"d1:ai1e1:be",
        b"001:a", b"0100:" + bytes(100), b"999:" + bytes(998), b"1000:" + bytes(999),
        b"l-1:e", b"l:e", b"l1e",
    ],
)  # fmt: skip
def test_anything_but_the_canonical_form_is_refused(data):
    with pytest.raises(BencodeError):
        decode(data, LIMIT)


@pytest.mark.parametrize("length", [0, 1, 9, 10, 99, 100, 999, 1000, 99_999])
def test_a_string_decodes_whatever_its_length_wherever_it_stands(length):
    string = b":" * length
    for value in (string, [string, string], {string: string}, {b"k": [string]}):
        assert decode(encode(value), LIMIT) == value


@pytest.mark.parametrize("bomb", [b"l" * 100_000, b"d0:" * 50_000, b"l" * 100_000 + b"e" * 100_000])
def test_a_recursion_bomb_is_an_error_and_not_a_crash(bomb):
    with pytest.raises(BencodeError):
        decode(bomb, LIMIT)


def test_nesting_deeper_than_anything_needs_is_refused():
    deep = MAX_DEPTH + 1
    with pytest.raises(BencodeError):
        decode(b"l" * deep + b"e" * deep, LIMIT)


def test_nesting_that_torrents_use_is_no_bomb():
    depth = MAX_DEPTH // 2
    assert encode(decode(b"l" * depth + b"e" * depth, LIMIT)) == b"l" * depth + b"e" * depth


def test_more_than_asked_for_is_refused_unread():
    with pytest.raises(BencodeError, match="at most 3"):
        decode(b"3:abc", 3)


def test_every_truncation_is_refused():
    whole = encode({b"info": {b"length": 7, b"path": [b"a", b"b"]}, b"x": b"yz"})
    for end in range(len(whole)):
        with pytest.raises(BencodeError):
            decode(whole[:end], LIMIT)


def test_what_has_no_word_in_bencoding_cannot_be_encoded():
    with pytest.raises(BencodeError, match=r"1\.5"):
        encode({b"rate": 1.5})
