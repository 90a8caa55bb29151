"""Peers that send anything: the handshake, the stream of messages, and a whole session; rows 47 to 53."""

from __future__ import annotations

import random

from bounded import mutated, patient
from every_parser import PARSERS
from hypothesis import given
from hypothesis import strategies as st
from memory_swarm import PIECE_LENGTH, Host, Script, World, torrent
from peer_streams import HELLO, MAX_BLOCK, PIECES

from murder_fabric.wire import messages as wire
from murder_fabric.wire.connection import WireConnection

numbers = st.integers(0, 20) | st.sampled_from([PIECE_LENGTH, 2**31 - 1, 2**31, 2**32 - 1])
triples = st.tuples(numbers, numbers, numbers)
messages = st.one_of(
    *map(
        st.just,
        [
            wire.Choke(),
            wire.Unchoke(),
            wire.Interested(),
            wire.NotInterested(),
            wire.HaveAll(),
            wire.HaveNone(),
        ],
    ),
    st.builds(wire.Have, numbers),
    st.builds(wire.Bitfield, st.binary(min_size=2, max_size=2) | st.binary(max_size=4)),
    triples.map(lambda three: wire.Request(*three)),
    triples.map(lambda three: wire.Cancel(*three)),
    triples.map(lambda three: wire.Reject(*three)),
    st.builds(wire.Suggest, numbers),
    st.builds(wire.AllowedFast, numbers),
    st.builds(wire.Extended, st.integers(0, 255), st.binary(min_size=1, max_size=30)),
    st.builds(
        wire.Extended, st.just(0), st.just(b"d1:md11:murder_authi1ee12:murder_nonce16:" + b"n" * 16 + b"e")
    ),
)
blocks = st.builds(
    lambda index, begin, data: (wire.Piece(index, begin, len(data)), data),
    numbers,
    numbers,
    st.binary(min_size=1, max_size=50),
)


@st.composite
def streams(draw):
    """Draw what a peer may have sent, legal by itself and perhaps not in that order."""
    us = WireConnection(PIECES, MAX_BLOCK)
    them = WireConnection(PIECES, MAX_BLOCK)
    data = us.send(HELLO)
    list(us.receive(them.send(HELLO)))
    for message in draw(st.lists(messages | blocks, max_size=12)):
        piece, rest = message if type(message) is tuple else (message, b"")
        us.our_state = (
            type(us.our_state).OPENING
            if type(piece) in (wire.Bitfield, wire.HaveAll, wire.HaveNone)
            else type(us.our_state).OPEN
        )
        data += us.send(piece) + rest
    return data


@patient
@given(mutated(streams()))
def test_streams_of_messages(data):
    PARSERS["streams of messages"].read(data)


@patient
@given(st.lists(messages | blocks, max_size=60), st.booleans(), st.booleans(), st.integers(0, 3))
def test_a_session_outlives_whatever_a_peer_says(script, fast, has_all, seed):
    """The peer may be hung up on; nothing else happens to us, and nothing wrong is ever on the disk."""
    world, (info, payload) = World(), torrent(pieces=4)
    host = Host(world, "host", info, payload if has_all else None)
    peer = Script(world, "script", info)
    link = peer.connect(host)
    peer.say(wire.Handshake(info.info_hash, b"s" * 20, fast=fast))
    rng = random.Random(seed)
    for message in script:
        if link.closed:
            break
        piece, data = message if type(message) is tuple else (message, b"")
        link.other.inbox += WRITER.write(piece) + data
        if rng.random() < 0.2:
            world.run(0.25)
        world.settle()
    assert host.failures == []
    assert host.verified == []
    assert bytes(host.disk.data) == payload or not has_all


class Writer:
    """Writes any message at any time."""

    def write(self, message):
        connection = WireConnection(PIECES, MAX_BLOCK)
        connection.send(HELLO)
        list(connection.receive(WireConnection(PIECES).send(HELLO)))
        if type(message) not in (wire.Bitfield, wire.HaveAll, wire.HaveNone):
            connection.our_state = type(connection.our_state).OPEN
        return connection.send(message)


WRITER = Writer()
