"""Extended handshakes of all kinds of clients, and the proof that a peer belongs to the run."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from murder_fabric.bencoding import encode
from murder_fabric.errors import RemoteProtocolError
from murder_fabric.tracker.keys import passkey
from murder_fabric.wire.connection import BLOCK_LENGTH
from murder_fabric.wire.extensions import (
    MAX_REQUEST_LENGTH,
    ExtendedHandshake,
    Proof,
    parse_extended_handshake,
    peer_key,
)


@given(
    st.builds(
        ExtendedHandshake,
        request_queue=st.integers(1, 5000),
        request_length=st.integers(BLOCK_LENGTH, MAX_REQUEST_LENGTH),
        port=st.integers(0, 65535),
        client=st.text(st.characters(codec="ascii"), max_size=64),
        nonce=st.one_of(st.just(b""), st.binary(min_size=16, max_size=16)),
        auth_id=st.integers(0, 255),
    )
)
def test_what_we_say_we_can_read(handshake):
    assert parse_extended_handshake(handshake.payload()) == handshake


def test_a_stock_client_is_asked_for_stock_blocks():
    said = {b"m": {b"ut_metadata": 2, b"ut_pex": 1}, b"v": b"\xce\xbcTorrent", b"reqq": 500, b"p": 6881}
    assert parse_extended_handshake(encode(said)) == ExtendedHandshake(
        request_queue=500, port=6881, client="μTorrent"
    )


@pytest.mark.parametrize(
    "said",
    [
        {b"reqq": 0},
        {b"reqq": -1},
        {b"reqq": 10**9},
        {b"reqq": b"many"},
        {b"reqq": []},
        {b"murder_request_length": 1},
        {b"murder_request_length": -(2**31)},
        {b"murder_request_length": 2**40},
        {b"murder_request_length": {}},
        {b"p": 0},
        {b"p": 65536},
        {b"p": -1},
        {b"p": b"\x1a\xe1"},
        {b"m": []},
        {b"m": b"murder_auth"},
        {b"m": {b"murder_auth": 0}},
        {b"m": {b"murder_auth": 256}},
        {b"m": {b"murder_auth": b"\x01"}},
        {b"murder_nonce": b"short"},
        {b"murder_nonce": b"n" * 17},
        {b"murder_nonce": 5},
        {b"v": 7},
        {b"yourip": b"\x7f\x00\x00\x01", b"unheard_of": [{}]},
    ],
)
def test_a_value_that_cannot_be_meant_counts_as_not_said(said):
    assert parse_extended_handshake(encode(said)) == ExtendedHandshake()


def test_a_clients_name_is_short_text_whatever_it_is():
    assert parse_extended_handshake(encode({b"v": b"\xff" * 500})).client == "\ufffd" * 64


@pytest.mark.parametrize(
    "payload",
    [
        *[b"", b"d", b"le", b"i1e", b"4:spam", b"d1:v", b"d1:vi1eejunk", b"d1:v1:a1:m1:be", b"l" * 5000],
        b"d1:v16000:" + bytes(16000) + b"e" * 500,
    ],
)
def test_garbage_is_the_peers_fault(payload):
    with pytest.raises(RemoteProtocolError, match="an extended handshake that is"):
        parse_extended_handshake(payload)


PROOF = Proof(peer_key(b"t" * 16), b"h" * 20, b"d" * 20, b"l" * 20, b"1" * 16, b"2" * 16)


def test_both_ends_make_the_same_proofs_and_each_only_its_own():
    assert PROOF.of_dialer() == PROOF._replace().of_dialer()
    assert len(PROOF.of_dialer()) == len(PROOF.of_listener()) == 32
    assert PROOF.of_dialer() != PROOF.of_listener()


@pytest.mark.parametrize("name", Proof._fields)
def test_a_proof_holds_for_one_connection_only(name):
    other = PROOF._replace(**{name: getattr(PROOF, name)[::-1][:-1] + b"x"})
    assert other.of_dialer() != PROOF.of_dialer()
    assert other.of_listener() != PROOF.of_listener()


def test_the_key_of_peers_gives_away_neither_token_nor_passkey():
    token = b"t" * 16
    assert len({token, peer_key(token), passkey(token)}) == 3
    assert peer_key(token) != peer_key(b"T" * 16)
