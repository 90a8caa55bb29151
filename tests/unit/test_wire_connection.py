"""Two ends of a peer connection joined in memory; fault rows 47 to 50 and 53."""

from __future__ import annotations

import struct
import tracemalloc
from itertools import accumulate, chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from murder_fabric.errors import LocalProtocolError, RemoteProtocolError
from murder_fabric.wire.connection import BLOCK_LENGTH, MAX_EXTENDED, PROTOCOL, PeerState, WireConnection
from murder_fabric.wire.messages import (
    AllowedFast,
    Bitfield,
    BlockPart,
    Cancel,
    Choke,
    Extended,
    Handshake,
    Have,
    HaveAll,
    HaveNone,
    Interested,
    KeepAlive,
    NotInterested,
    Piece,
    Reject,
    Request,
    Suggest,
    Unchoke,
)

PIECES = 12
HELLO = Handshake(b"h" * 20, b"-MF0100-abcdefghijkl")
CONVERSATION = [
    HELLO,
    Extended(0, b"de"),
    Bitfield(b"\xff\xf0"),
    Interested(),
    Unchoke(),
    KeepAlive(),
    Request(3, 16384, 16384),
    Have(7),
    Reject(3, 16384, 16384),
    AllowedFast(2),
    Suggest(1),
    Cancel(1, 0, 5),
    Choke(),
    NotInterested(),
    Extended(1, b"proof"),
]


def joined(fast=True, extended=True, pieces=PIECES, max_block=BLOCK_LENGTH):
    """Return two connections that have shaken hands."""
    hello = Handshake(b"h" * 20, b"i" * 20, fast=fast, extended=extended)
    us, them = WireConnection(pieces, max_block), WireConnection(pieces, max_block)
    assert list(them.receive(us.send(hello))) == [hello]
    assert list(us.receive(them.send(hello))) == [hello]
    return us, them


def fed(wire, data, size):
    """Return what *wire* says to *data* that comes in *size* bytes at a time."""
    got = []
    for start in range(0, len(data), size):
        for message in wire.receive(data[start : start + size]):
            got.append(message._replace(data=bytes(message.data)) if type(message) is BlockPart else message)
    return got


def kinds(messages):
    """
    Return *messages* so that those of two kinds differ, to Python `Have(1) == Suggest(1)`, both tuples; and
    pieces one by one, since how many come in a row depends on how the bytes are cut.
    """
    singly = (map(Have, one) if type(one) is Have else [one] for one in messages)
    return [(type(message), message) for message in chain.from_iterable(singly)]


def frame(message_id, body=b"", length=None):
    return struct.pack(">IB", len(body) + 1 if length is None else length, message_id) + body


@pytest.mark.parametrize("size", [1, 3, 68, 1000])
def test_what_one_side_sends_the_other_side_gets(size):
    """However the bytes are cut on the way."""
    us, them = WireConnection(PIECES), WireConnection(PIECES)
    list(us.receive(them.send(HELLO)))
    data = us.send(HELLO) + b"".join(us.send(message) for message in CONVERSATION[1:])
    assert kinds(fed(them, data, size)) == kinds(CONVERSATION)
    assert us.our_state is them.their_state is PeerState.OPEN


@pytest.mark.parametrize("size", [1, 3, 10, 16397, 100_000])
def test_a_block_comes_in_parts_that_add_up(size):
    us, them = joined()
    block = bytes(range(256)) * 64
    data = us.send(Piece(2, 32768, len(block))) + block + us.send(Have(1))
    first, *parts, last = fed(them, data, size)
    assert first == Piece(2, 32768, 16384)
    assert b"".join(part.data for part in parts) == block
    ends = accumulate((len(part.data) for part in parts), initial=32768)
    assert [part.begin for part in parts] == list(ends)[:-1]
    assert [part.last for part in parts] == [False] * (len(parts) - 1) + [True]
    assert last == Have(1)


def test_pieces_told_in_a_row_are_one_message():
    us, them = joined()
    data = us.send(Have(3, 1)) + us.send(Have(2)) + us.send(Choke()) + us.send(Have(0))[:-1]
    assert len(data) == 3 * 9 + 5 + 8
    assert list(them.receive(data)) == [Have(3, 1, 2), Choke()]
    assert list(them.receive(us.send(Have(0))[-1:])) == [Have(0)]


def test_what_is_missing_of_a_block_is_known():
    left, right = joined()
    known = [right.missing]
    for data in (left.send(Piece(3, 0, 100)), bytes(30), bytes(70), left.send(Choke())):
        assert list(right.receive(data))
        known.append(right.missing)
    assert known == [0, 100, 70, 0, 0]


def test_no_byte_of_a_block_is_copied():
    us, them = joined()
    data = us.send(Piece(0, 0, 100)) + bytes(100)
    _, part = them.receive(data)
    assert part.data.obj is data


U32 = st.integers(0, 2**32 - 1)
TRIPLES = st.tuples(U32, U32, U32)
MESSAGES = st.one_of(
    st.sampled_from([KeepAlive(), Choke(), Unchoke(), Interested(), NotInterested()]),
    U32.map(Have),
    TRIPLES.map(lambda three: Request(*three)),
    TRIPLES.map(lambda three: Cancel(*three)),
    TRIPLES.map(lambda three: Reject(*three)),
    U32.map(Suggest),
    U32.map(AllowedFast),
    st.builds(Extended, st.integers(0, 255), st.binary(max_size=50)),
)


@given(
    st.sampled_from([Bitfield(b"\xff\xf0"), HaveAll(), HaveNone(), Have(1)]),
    st.lists(MESSAGES, max_size=20),
    st.integers(1, 64),
)
def test_any_conversation_survives_the_wire(opening, messages, size):
    us, them = joined()
    data = b"".join(us.send(message) for message in [opening, *messages])
    assert kinds(fed(them, data, size)) == kinds([opening, *messages])


@given(st.binary(max_size=300), st.integers(1, 64))
def test_garbage_is_read_or_refused_and_nothing_else(data, size):
    _, them = joined()
    try:
        fed(them, data, size)
    except RemoteProtocolError:
        assert them.their_state is PeerState.ERROR
    else:
        assert them.their_state is not PeerState.ERROR


@given(st.booleans(), st.booleans(), st.binary(min_size=20, max_size=20))
def test_a_handshake_carries_the_bits_we_know(fast, extended, peer_id):
    hello = Handshake(b"h" * 20, peer_id, fast=fast, extended=extended)
    assert list(WireConnection(1).receive(WireConnection(1).send(hello))) == [hello]


def test_reserved_bits_of_others_mean_nothing():
    data = PROTOCOL + b"\xff" * 8 + b"h" * 20 + b"p" * 20
    assert list(WireConnection(1).receive(data)) == [Handshake(b"h" * 20, b"p" * 20)]


# What may follow what: the same table judges both sides, only the blame differs ----------------------------

#: What it is, whether the handshakes had the bits, what was said before, what may not be said after it.
WRONG = [
    ("have-none after a bitfield", {}, [Bitfield(b"\xff\xf0")], HaveNone()),
    ("have-all after have", {}, [Have(1)], HaveAll()),
    ("have-all twice", {}, [HaveAll()], HaveAll()),
    ("have-all without the fast bit", {"fast": False}, [], HaveAll()),
    ("have-none without the fast bit", {"fast": False}, [], HaveNone()),
    ("a reject without the fast bit", {"fast": False}, [Have(1)], Reject(0, 0, 1)),
    ("a hint without the fast bit", {"fast": False}, [], Suggest(1)),
    ("allowed-fast without the fast bit", {"fast": False}, [], AllowedFast(1)),
    ("extensions without their bit", {"extended": False}, [], Extended(0, b"de")),
]


@pytest.mark.parametrize(("bits", "before", "wrong"), [w[1:] for w in WRONG], ids=[w[0] for w in WRONG])
def test_out_of_turn_is_the_senders_fault(bits, before, wrong):
    us, them = joined(**bits)
    for message in before:
        assert list(them.receive(us.send(message))) == [message]
    with pytest.raises(LocalProtocolError, match=type(wrong).__name__):
        us.send(wrong)
    raw = joined()[0].send(wrong)
    with pytest.raises(RemoteProtocolError, match=type(wrong).__name__):
        list(them.receive(raw))
    assert them.their_state is PeerState.ERROR


def test_a_bit_counts_only_where_both_have_it():
    us, them = WireConnection(PIECES), WireConnection(PIECES)
    list(them.receive(us.send(HELLO)))
    list(us.receive(them.send(Handshake(b"h" * 20, b"i" * 20, fast=False, extended=False))))
    assert not us.fast
    assert not them.extended
    with pytest.raises(LocalProtocolError):
        us.send(HaveAll())
    with pytest.raises(LocalProtocolError):
        them.send(Extended(0, b"de"))


@pytest.mark.parametrize("before", [Have(1), Bitfield(b"\x80\x00"), HaveAll(), Unchoke()])
def test_a_late_bitfield_is_taken_and_never_sent(before):
    """aria2 sends one in the place of many Haves; BEP 3 allows it first only."""
    us, them = joined()
    list(them.receive(us.send(before)))
    with pytest.raises(LocalProtocolError):
        us.send(Bitfield(b"\xff\xf0"))
    assert list(them.receive(joined()[0].send(Bitfield(b"\xff\xf0")))) == [Bitfield(b"\xff\xf0")]


def test_a_second_handshake_is_refused():
    _, them = joined()
    with pytest.raises(LocalProtocolError):
        them.send(HELLO)
    with pytest.raises(RemoteProtocolError):
        list(them.receive(WireConnection(PIECES).send(HELLO)))


def test_many_clients_speak_of_extensions_before_their_bitfield():
    us, them = joined()
    said = [Extended(0, b"de"), KeepAlive(), Bitfield(b"\xff\xf0")]
    assert list(them.receive(b"".join(map(us.send, said)))) == said


def test_nothing_is_said_before_the_handshake():
    with pytest.raises(LocalProtocolError):
        WireConnection(PIECES).send(Interested())


def test_after_a_broken_rule_nothing_is_read_any_more():
    _, them = joined()
    with pytest.raises(RemoteProtocolError):
        list(them.receive(frame(4, bytes(9))))
    with pytest.raises(RemoteProtocolError):
        list(them.receive(frame(0)))


# Hostile lengths (rows 47, 49) ------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [2**17 + 1, 2**31 - 1, 2**31, 2**32 - 1])
@pytest.mark.parametrize("message_id", [*range(22), 255])
def test_a_huge_message_is_refused_by_its_first_five_bytes(message_id, length):
    _, them = joined()
    with pytest.raises(RemoteProtocolError, match=r"bytes"):
        list(them.receive(frame(message_id, length=length)))


def test_a_huge_message_costs_no_memory():
    _, them = joined()
    tracemalloc.start()
    with pytest.raises(RemoteProtocolError):
        fed(them, frame(20, bytes(1000), length=2**31), 5)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20


@pytest.mark.parametrize(
    ("message_id", "size"),
    [
        *[(0, 1), (1, 4), (2, 1), (3, 1), (4, 0), (4, 3), (4, 5), (5, 3), (6, 11), (6, 13)],
        *[(8, 11), (8, 13), (13, 3), (14, 1), (15, 1), (16, 11), (17, 5), (20, 0)],
    ],
)
def test_a_message_of_the_wrong_length_is_refused(message_id, size):
    _, them = joined()
    with pytest.raises(RemoteProtocolError, match=f"message {message_id} of"):
        list(them.receive(frame(message_id, bytes(size))))


@pytest.mark.parametrize("size", [0, BLOCK_LENGTH + 1, 2**24])
def test_a_block_longer_than_we_ask_for_or_empty_is_refused(size):
    _, them = joined()
    with pytest.raises(RemoteProtocolError, match="a block of"):
        list(them.receive(frame(7, length=size + 9)))


@pytest.mark.parametrize("length", [1, 5, 8])
def test_a_block_without_its_place_is_refused(length):
    _, them = joined()
    with pytest.raises(RemoteProtocolError):
        list(them.receive(frame(7, bytes(length - 1))))


def test_a_longer_block_is_taken_where_longer_ones_are_asked_for():
    us, them = joined(max_block=1 << 20)
    data = us.send(Piece(0, 0, 1 << 20)) + bytes(1 << 20)
    assert [type(message) for message in them.receive(data)] == [Piece, BlockPart]


#: Ids that mean something to us; 7 begins a block and is looked at above.
KNOWN = {*range(9), 13, 14, 15, 16, 17, 20}


@pytest.mark.parametrize("size", [0, 1, 1000])
def test_of_256_ids_those_unknown_are_passed_over(size):
    """BEP 3: so that extensions can come; row 53."""
    for message_id in set(range(256)) - KNOWN:
        us, them = joined()
        them_before = them.their_state
        assert list(them.receive(frame(message_id, bytes(size)))) == [KeepAlive()]
        assert them.their_state is them_before
        assert list(them.receive(us.send(Bitfield(b"\xff\xf0")))) == [Bitfield(b"\xff\xf0")]


def test_the_longest_extended_message_is_taken_and_one_byte_more_is_not():
    us, them = joined()
    longest = Extended(3, bytes(MAX_EXTENDED - 2))
    assert list(them.receive(us.send(longest))) == [longest]
    with pytest.raises(RemoteProtocolError):
        list(them.receive(us.send(Extended(3, bytes(MAX_EXTENDED - 1)))))


@pytest.mark.parametrize(
    "data", [b"G", b"GET / HTTP/1.1\r\n", b"\x13BitTorrent protocoL", b"\x12", b"\x16\x03\x01\x02\x00"]
)
@pytest.mark.parametrize("size", [1, 100])
def test_a_stranger_is_known_at_once(data, size):
    wire = WireConnection(PIECES)
    with pytest.raises(RemoteProtocolError, match="not BitTorrent"):
        fed(wire, data, size)


@pytest.mark.parametrize("length", [0, 1, 19, 20, 67])
def test_a_handshake_that_is_not_all_there_is_waited_for(length):
    wire = WireConnection(PIECES)
    data = WireConnection(PIECES).send(HELLO)
    assert list(wire.receive(data[:length])) == []
    assert list(wire.receive(data[length:])) == [HELLO]


def test_words_of_one_kind_are_equal_and_those_of_two_kinds_are_not():
    assert Choke() == Choke()
    assert Choke() != Unchoke()
    assert len({Choke(), Choke(), HaveAll(), HaveNone()}) == 3
