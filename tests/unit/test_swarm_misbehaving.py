"""One session and one peer that is played by the test; fault rows 22, 43 and 46 to 51."""

from __future__ import annotations

from itertools import chain

import pytest
from memory_swarm import PIECE_LENGTH, Host, Script, World, torrent

from murder_fabric.policy.snubbing import ANSWER, SNUB_AFTER, STALL_AFTER
from murder_fabric.swarm.admission import Admission
from murder_fabric.swarm.presence import HANDSHAKE_TIMEOUT
from murder_fabric.swarm.upload import MAX_ASKED
from murder_fabric.wire.connection import BLOCK_LENGTH
from murder_fabric.wire.extensions import (
    AUTH_ID,
    ExtendedHandshake,
    Proof,
    parse_extended_handshake,
    peer_key,
)
from murder_fabric.wire.messages import (
    Bitfield,
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
    Unchoke,
)

KEY = peer_key(b"t" * 16)
OURS = ExtendedHandshake(request_length=4 << 20)


class Scene:
    """A host, and a script that has connected to it and shaken hands."""

    def __init__(self, pieces=4, have=(), fast=True, extended=True, full=False, **config):
        self.world = World()
        self.info, self.payload = torrent(pieces=pieces)
        payload = self.payload if have or full else None
        self.host = Host(self.world, "host", self.info, payload, pieces=have, **config)
        self.script = Script(self.world, "script", self.info)
        self.link = self.script.connect(self.host)
        self.script.say(Handshake(self.info.info_hash, b"s" * 20, fast=fast, extended=extended))

    @property
    def peer(self):
        return self.link.other.peer

    def offer_all(self, extended=OURS):
        """Say that the script has everything, and let it be asked."""
        if extended is not None:
            self.script.say(Extended(0, extended.payload()))
        has = Bitfield(b"\xf0") if not self.peer.fast else HaveAll()
        self.script.say(has, Unchoke())

    def block(self, request):
        start = request.index * PIECE_LENGTH + request.begin
        return self.payload[start : start + request.length]

    def serve(self, requests):
        for request in requests:
            self.script.say_block(request.index, request.begin, self.block(request))

    def cancelled(self):
        return {tuple(message) for message in self.script.heard(Cancel)}


# What is asked for ------------------------------------------------------------------------------------------


def test_our_own_kind_is_asked_for_whole_pieces():
    scene = Scene()
    scene.offer_all()
    assert scene.script.heard(Interested) == [Interested()]
    asked = scene.script.heard(Request)
    assert [(request.begin, request.length) for request in asked] == [(0, PIECE_LENGTH)] * 2
    assert len({request.index for request in asked}) == 2


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("extended", [True, False])
def test_a_stock_client_is_asked_for_stock_blocks_and_gets_us_everything(fast, extended):
    scene = Scene(fast=fast, extended=extended)
    scene.offer_all(extended=ExtendedHandshake() if extended else None)
    asked = scene.script.heard(Request)
    assert {request.length for request in asked} <= {BLOCK_LENGTH, BLOCK_LENGTH - 100}
    assert len(asked) == 8
    scene.serve(asked)
    assert bytes(scene.host.disk.data) == scene.payload
    assert scene.host.completed_at
    assert scene.host.session.bytes_downloaded == len(scene.payload)
    assert set(chain.from_iterable(scene.script.heard(Have))) <= {0, 1, 2, 3}
    if not fast:
        assert not [one for one in scene.link.received if isinstance(one, (HaveAll, HaveNone, Reject))]


def test_no_more_is_asked_than_the_peer_keeps_in_its_queue():
    scene = Scene(pieces=40)
    scene.script.say(Extended(0, ExtendedHandshake(request_queue=3).payload()), HaveAll(), Unchoke())
    assert len(scene.script.heard(Request)) == 3


def test_blocks_out_of_order_are_pieces_all_the_same():
    scene = Scene()
    scene.offer_all(extended=ExtendedHandshake())
    scene.serve(reversed(scene.script.heard(Request)))
    assert bytes(scene.host.disk.data) == scene.payload
    assert scene.peer is not None
    assert sorted(scene.host.verified) == [0, 1, 2, 3]


def test_a_wrong_piece_out_of_order_is_a_strike_too():
    scene = Scene()
    scene.offer_all(extended=ExtendedHandshake())
    for request in reversed(scene.script.heard(Request)):
        if not scene.link.closed:
            scene.script.say_block(request.index, request.begin, bytes(request.length))
    assert scene.link.closed.endswith("banned: 2 of its pieces did not match their hashes")
    assert scene.host.verified == []


def test_only_payload_is_counted():
    scene = Scene(have=[0], pieces=4)
    scene.script.say(Extended(0, OURS.payload()), HaveNone(), Interested(), Request(0, 0, 100), KeepAlive())
    scene.world.run(1)
    assert scene.script.heard(Piece) == [Piece(0, 0, 100)]
    assert (scene.host.session.bytes_downloaded, scene.host.session.bytes_uploaded) == (0, 100)


# Row 47: blocks that were not asked for ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("index", "begin", "length"),
    [(1, 0, 100), (0, 5, PIECE_LENGTH - 5), (0, 0, 1), (3, PIECE_LENGTH - 101, 1), (0, 0, PIECE_LENGTH)],
)
def test_a_block_that_was_not_asked_for_is_never_written(index, begin, length):
    scene = Scene()
    scene.script.say(Extended(0, OURS.payload()), HaveAll())
    scene.script.say_block(index, begin, b"x" * length)
    assert bytes(scene.host.disk.data) == bytes(len(scene.payload))
    assert scene.host.verified == []


@pytest.mark.parametrize(
    ("index", "begin", "length"),
    [
        *[(4, 0, 100), (2**31, 0, 100), (2**32 - 1, 0, 100)],
        *[(0, PIECE_LENGTH, 1), (0, PIECE_LENGTH - 1, 2), (0, 2**32 - 1, 16), (3, PIECE_LENGTH - 100, 1)],
    ],
)
def test_a_block_that_does_not_exist_ends_the_connection(index, begin, length):
    scene = Scene()
    scene.offer_all()
    scene.script.say_block(index, begin, b"x" * length)
    assert "a block outside its piece" in scene.link.closed
    assert bytes(scene.host.disk.data) == bytes(len(scene.payload))


def test_a_block_twice_is_written_once():
    scene = Scene()
    scene.offer_all()
    first = scene.script.heard(Request)[0]
    scene.serve([first])
    scene.script.say_block(*first[:2], b"x" * first.length)
    assert scene.host.verified == [first.index]
    start = first.index * PIECE_LENGTH
    assert bytes(scene.host.disk.data)[start : start + first.length] == scene.block(first)


# Row 48: what a peer says it has ----------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [b"", b"\xf0\x00", b"\xf8", b"\xff", b"\x01"])
def test_a_bitfield_that_is_none_ends_the_connection(bits):
    scene = Scene()
    scene.link.other.inbox += (len(bits) + 1).to_bytes(4, "big") + b"\x05" + bits
    scene.world.settle()
    assert scene.link.closed
    assert scene.peer.useful == 0


@pytest.mark.parametrize("index", [4, 5, 2**31, 2**32 - 1])
def test_a_piece_that_does_not_exist_cannot_be_had(index):
    scene = Scene()
    scene.script.say(Have(index))
    assert "of 4" in scene.link.closed


def test_a_piece_that_is_had_twice_counts_once():
    scene = Scene()
    scene.script.say(Have(1), Have(1), Have(2))
    assert scene.peer.useful == 2


def test_a_late_bitfield_adds_to_what_was_said_and_takes_nothing_back():
    scene = Scene()
    scene.script.say(Have(1))
    scene.link.other.inbox += b"\x00\x00\x00\x02\x05\x70"
    scene.world.settle()
    assert scene.peer.useful == 3
    scene.link.other.inbox += b"\x00\x00\x00\x02\x05\x80"
    scene.world.settle()
    assert "takes pieces back" in scene.link.closed


# Row 50: who may join ---------------------------------------------------------------------------------------


def test_whoever_wants_another_torrent_is_sent_away():
    scene = Scene()
    stranger = Script(scene.world, "stranger", scene.info)
    link = stranger.connect(scene.host)
    stranger.say(Handshake(b"x" * 20, b"s" * 20))
    assert "another torrent" in link.closed
    assert link.received == []


@pytest.mark.parametrize("said", [[], ["handshake"], ["handshake", "extended"]])
def test_whoever_does_not_get_to_the_end_of_the_handshake_is_sent_away(said):
    world, (info, _) = World(), torrent()
    host = Host(world, "host", info, key=KEY)
    script = Script(world, "script", info)
    link = script.connect(host)
    if "handshake" in said:
        script.say(Handshake(info.info_hash, b"s" * 20))
    if "extended" in said:
        script.say(Extended(0, ExtendedHandshake(nonce=b"n" * 16, auth_id=1).payload()))
    world.run(HANDSHAKE_TIMEOUT - 0.5)
    assert not link.closed
    world.run(1)
    assert link.closed == "by the other side: no handshake in time"


def prove(scene_or_host, script, key, change=lambda proof: proof):
    """Play the dialing side of the proof; return what was proven."""
    script.say(Extended(0, ExtendedHandshake(nonce=b"n" * 16, auth_id=7).payload()))
    theirs = parse_extended_handshake(script.heard(Extended)[0].payload)
    host = scene_or_host
    proof = Proof(key, host.info.info_hash, b"s" * 20, host.config.peer_id, b"n" * 16, theirs.nonce)
    script.say(Extended(AUTH_ID, change(proof.of_dialer())))
    return proof


def keyed(fast=True, extended=True):
    world, (info, payload) = World(), torrent()
    host = Host(world, "host", info, payload, key=KEY)
    script = Script(world, "script", info)
    script.connect(host)
    script.say(Handshake(info.info_hash, b"s" * 20, fast=fast, extended=extended))
    return host, script


def test_the_right_proof_opens_the_door():
    host, script = keyed()
    proof = prove(host, script, KEY)
    assert script.link.other.peer.trusted
    assert script.heard(Extended)[1] == Extended(7, proof.of_listener())
    assert script.heard(HaveAll) == [HaveAll()]


def test_nothing_is_said_of_what_we_have_before_the_proof():
    host, script = keyed()
    script.say(Extended(0, ExtendedHandshake(nonce=b"n" * 16, auth_id=7).payload()))
    assert {type(message) for message in script.link.received} == {Handshake, Extended}
    assert not host.session.trusted_peers


@pytest.mark.parametrize(
    ("key", "change"),
    [
        (peer_key(b"T" * 16), bytes),
        (b"", bytes),
        (KEY, lambda proof: proof[:-1]),
        (KEY, lambda proof: b""),
        (KEY, lambda proof: proof + b"\0"),
        (KEY, lambda proof: bytes(32)),
    ],
)
def test_a_wrong_proof_ends_the_connection(key, change):
    host, script = keyed()
    prove(host, script, key, change)
    assert "a wrong proof" in script.link.closed
    assert not host.session.trusted_peers


def test_a_proof_heard_elsewhere_proves_nothing():
    """The nonce of each connection is another."""
    host, script = keyed()
    heard = prove(host, script, KEY).of_dialer()
    eavesdropper = Script(host.world, "eve", host.info)
    link = eavesdropper.connect(host)
    eavesdropper.say(Handshake(host.info.info_hash, b"s" * 20))
    prove(host, eavesdropper, b"no key", lambda proof: heard)
    assert "a wrong proof" in link.closed
    assert not script.link.closed


def test_our_own_proof_sent_back_proves_nothing():
    _, script = keyed()
    script.say(Extended(0, ExtendedHandshake(nonce=b"n" * 16, auth_id=7).payload()))
    script.say(Extended(AUTH_ID, script.heard(Extended)[1].payload))
    assert "a wrong proof" in script.link.closed


def test_a_proof_before_its_nonce_is_none():
    _, script = keyed()
    script.say(Extended(AUTH_ID, bytes(32)))
    assert "before its nonce" in script.link.closed


@pytest.mark.parametrize(
    "message",
    [Interested(), Unchoke(), HaveAll(), Bitfield(b"\xff"), Have(1), Request(0, 0, 1), Reject(0, 0, 1)],
)
def test_nothing_is_believed_before_the_proof(message):
    _, script = keyed()
    script.say(message)
    assert "before it proved who it is" in script.link.closed


def test_a_stock_client_cannot_join_a_run_with_a_token():
    _, script = keyed(extended=False)
    assert "cannot prove" in script.link.closed
    _, script = keyed()
    script.say(Extended(0, ExtendedHandshake().payload()))
    assert "cannot prove" in script.link.closed


def test_a_stranger_with_an_honest_peer_id_does_not_push_out_the_honest():
    host, script = keyed()
    prove(host, script, KEY)
    stranger = Script(host.world, "stranger", host.info)
    stranger.connect(host)
    stranger.say(Handshake(host.info.info_hash, b"s" * 20))
    assert not script.link.closed
    assert script.link.other.peer.trusted


def test_the_nonces_of_two_connections_differ():
    world, (info, _) = World(), torrent()
    given = iter([b"1" * 16, b"2" * 16])
    admission = Admission(info, b"p" * 20, KEY, 0, BLOCK_LENGTH, lambda length: next(given))
    peers = [type("Peer", (), {})(), type("Peer", (), {})()]
    said = [parse_extended_handshake(admission.extended_handshake(peer).payload).nonce for peer in peers]
    assert said == [b"1" * 16, b"2" * 16] == [peer.our_nonce for peer in peers]
    assert world.hosts == {}


def test_where_a_peer_listens_is_believed_once():
    scene = Scene()
    for port in (7000, 7001, 7002):
        scene.script.say(Extended(0, ExtendedHandshake(port=port).payload()))
    assert scene.peer.address == ("script", 7000)


def test_where_a_peer_listens_is_believed_after_its_proof_only():
    """Else anybody at a run's address could keep us from dialing the peer that does listen there."""
    host, script = keyed()
    script.say(Extended(0, ExtendedHandshake(nonce=b"n" * 16, auth_id=7, port=7000).payload()))
    peer = script.link.other.peer
    assert not peer.listens
    theirs = parse_extended_handshake(script.heard(Extended)[0].payload)
    proof = Proof(KEY, host.info.info_hash, b"s" * 20, host.config.peer_id, b"n" * 16, theirs.nonce)
    script.say(Extended(AUTH_ID, proof.of_dialer()))
    assert (peer.listens, peer.address) == (True, ("script", 7000))


# Row 51: requests -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "request_",
    [
        *[Request(4, 0, 1), Request(2**32 - 1, 0, 1), Request(0, 0, 0), Request(0, 0, PIECE_LENGTH + 1)],
        *[
            Request(0, PIECE_LENGTH, 1),
            Request(0, 2**32 - 1, 2),
            Request(0, 0, 2**31),
            Request(3, 0, PIECE_LENGTH),
        ],
    ],
)
def test_a_request_for_no_block_of_ours_ends_the_connection(request_):
    scene = Scene(full=True)
    scene.script.say(HaveNone(), Interested(), request_)
    assert "a request for no block of ours" in scene.link.closed


def test_more_requests_than_anybody_needs_end_the_connection():
    scene = Scene(full=True)
    scene.script.say(HaveNone(), Interested())
    scene.script.say(*(Request(0, begin, 1) for begin in range(MAX_ASKED)))
    assert not scene.link.closed
    scene.script.say(Request(1, 0, 1))
    assert "requests at once" in scene.link.closed


def test_asking_while_choked_is_refused_and_in_the_end_not_answered():
    scene = Scene(full=True)
    scene.script.say(HaveNone(), *(Request(0, 0, 1) for _ in range(MAX_ASKED)))
    assert len(scene.script.heard(Reject)) == MAX_ASKED
    scene.script.say(Request(0, 0, 1))
    assert "it may not make" in scene.link.closed


def test_without_the_fast_bit_silence_means_no():
    scene = Scene(full=True, fast=False)
    scene.script.say(Request(0, 0, 1))
    assert not [one for one in scene.link.received if type(one) in (Reject, Piece)]
    assert not scene.link.closed


def test_the_same_request_twice_is_answered_once():
    scene = Scene(full=True)
    scene.script.say(HaveNone(), Interested(), Request(0, 0, 9), Request(0, 0, 9))
    scene.world.run(1)
    assert scene.script.heard(Piece) == [Piece(0, 0, 9)]


def test_what_is_taken_back_is_not_sent_and_the_fast_are_told_so():
    scene = Scene(full=True)
    scene.script.say(
        HaveNone(), Interested(), Request(0, 0, 9), Request(1, 0, 9), Cancel(0, 0, 9), Cancel(2, 0, 9)
    )
    scene.world.run(1)
    assert scene.script.heard(Piece) == [Piece(1, 0, 9)]
    assert scene.script.heard(Reject) == [Reject(0, 0, 9)]


def test_flapping_interest_does_no_harm():
    scene = Scene(full=True)
    scene.script.say(HaveNone())
    for _ in range(200):
        scene.script.say(Interested(), NotInterested())
    scene.script.say(Interested(), Request(0, 0, 9))
    scene.world.run(1)
    assert scene.script.heard(Piece) == [Piece(0, 0, 9)]


# Rows 22 and 46: who does not deliver -----------------------------------------------------------------------


def with_honest(scene, **config):
    """Let an honest seeder join, too."""
    honest = Host(scene.world, "honest", scene.info, scene.payload, **config)
    honest.learn(scene.host)
    scene.world.settle()
    return honest


def test_what_a_silent_peer_owes_is_asked_of_others_after_three_seconds():
    scene = Scene(pieces=30)
    scene.script.say(Extended(0, OURS.payload()), *map(Have, range(30)), Unchoke())
    owed = {request.index for request in scene.script.heard(Request)}
    assert len(owed) == 2
    honest = with_honest(scene, rate=6 * PIECE_LENGTH)
    scene.world.run(SNUB_AFTER - 0.5)
    assert scene.script.heard(Cancel) == []
    assert not owed & {request.index for request in honest.links[0].received if type(request) is Request}
    scene.world.run(1)
    assert {cancel.index for cancel in scene.script.heard(Cancel)} == owed
    assert scene.world.run(5, until=lambda: scene.host.completed_at)
    assert set(scene.host.verified[:15]).isdisjoint(owed)


def test_a_silent_peer_is_dropped_after_ten_seconds():
    scene = Scene()
    scene.offer_all()
    scene.world.run(STALL_AFTER - 0.5)
    assert not scene.link.closed
    assert scene.cancelled() == {tuple(request) for request in scene.script.heard(Request)}
    scene.world.run(1)
    assert scene.link.closed == "by the other side: it does not answer"


def test_a_byte_a_second_is_no_answer():
    """Row 22: asked elsewhere within 3 s, closed at 10 s."""
    scene = Scene()
    scene.offer_all()
    first = scene.script.heard(Request)[0]
    scene.script.say(Piece(*first))
    began = scene.world.now
    while not scene.link.closed and scene.world.now < began + 20:
        scene.link.other.inbox += b"x"
        scene.world.run(1)
        if scene.world.now - began >= SNUB_AFTER + 0.5:
            assert tuple(scene.script.heard(Request)[1]) in scene.cancelled()
    assert STALL_AFTER <= scene.world.now - began <= STALL_AFTER + 1.5
    assert "does not answer" in scene.link.closed


def test_what_nobody_asked_for_is_no_answer():
    """Row 46: who claims all, and sends something else than it is asked for, is closed at 10 s too."""
    scene = Scene()
    scene.offer_all()
    asked = scene.script.heard(Request)
    began = scene.world.now
    while not scene.link.closed and scene.world.now < began + 20:
        scene.script.say_block(3, BLOCK_LENGTH, b"x")
        scene.world.run(1)
        if scene.world.now - began >= SNUB_AFTER + 0.5:
            assert set(map(tuple, asked)) <= set(scene.cancelled())
    assert STALL_AFTER <= scene.world.now - began <= STALL_AFTER + 1.5
    assert "does not answer" in scene.link.closed


def test_a_slow_peer_is_waited_for():
    """Its share of a slow link is a packet now and then."""
    scene = Scene()
    scene.offer_all()
    first = scene.script.heard(Request)[0]
    scene.script.say(Piece(*first))
    data = scene.block(first)
    for start in range(0, 30 * ANSWER, ANSWER):
        scene.link.other.inbox += data[start : start + ANSWER]
        scene.world.run(2)
    assert not scene.link.closed
    assert scene.script.heard(Cancel) == []


def test_a_snubbed_peer_that_sends_after_all_is_asked_again():
    scene = Scene()
    scene.offer_all()
    asked = scene.script.heard(Request)
    scene.world.run(SNUB_AFTER + 1)
    scene.serve(asked[:1])
    assert len(scene.script.heard(Request)) > len(asked)
    assert not scene.link.closed


def test_who_chokes_for_ever_holds_nothing():
    scene = Scene()
    scene.offer_all()
    asked = scene.script.heard(Request)
    scene.script.say(Choke(), *(Reject(*request) for request in asked))
    assert scene.world.run(1, until=lambda: False) is False
    with_honest(scene)
    assert scene.world.run(1, until=lambda: scene.host.completed_at)
    assert scene.script.heard(Cancel) == []


def test_a_choke_without_the_fast_bit_takes_all_requests_back():
    scene = Scene(fast=False)
    scene.offer_all(extended=None)
    scene.script.say(Choke())
    with_honest(scene)
    assert scene.world.run(1, until=lambda: scene.host.completed_at)


def test_who_refuses_what_it_offers_is_not_asked_in_circles():
    scene = Scene()
    scene.script.on[Request] = lambda request: scene.link.send(Reject(*request))
    scene.offer_all()
    scene.world.run(2)
    assert len(scene.script.heard(Request)) <= 4
    with_honest(scene)
    assert scene.world.run(2, until=lambda: scene.host.completed_at)


def test_the_answer_to_a_cancel_is_not_taken_for_a_refusal():
    scene = Scene(pieces=2)
    scene.script.say(Extended(0, OURS.payload()), HaveAll(), Unchoke())
    asked = scene.script.heard(Request)
    scene.world.run(SNUB_AFTER + 0.5)
    scene.serve(asked[:1])
    again = scene.script.heard(Request)[len(asked) :]
    assert asked[1] in again
    scene.script.say(Reject(*asked[1]))
    assert not scene.peer.snubbed
    scene.serve(again)
    assert scene.host.completed_at


def test_while_we_slept_nobody_kept_us_waiting():
    """Row 89: a frozen host finds its peers' answers when it wakes up, before it judges them."""
    scene = Scene()
    scene.offer_all()
    scene.world.run(1)
    scene.world.now += 60
    scene.host.tick()
    assert not scene.link.closed
    assert scene.script.heard(Cancel) == []


def test_who_says_nothing_for_two_minutes_is_gone_and_we_say_something_meanwhile():
    scene = Scene()
    scene.script.say(HaveNone())
    scene.world.run(119)
    assert len(scene.script.heard(KeepAlive)) == 3
    assert not scene.link.closed
    scene.world.run(2)
    assert "does not answer" in scene.link.closed


# The end of a download --------------------------------------------------------------------------------------


def test_the_endgame_asks_one_other_peer_and_takes_back_what_is_late():
    scene = Scene(pieces=1)
    scene.offer_all()
    owed = scene.script.heard(Request)
    others = [Script(scene.world, f"other{number}", scene.info) for number in range(3)]
    for number, other in enumerate(others):
        other.connect(scene.host)
        other.say(Handshake(scene.info.info_hash, b"%d" % number * 20), Extended(0, OURS.payload()))
        other.say(HaveAll(), Unchoke())
    scene.world.run(1.5)
    asked = [other for other in others if other.heard(Request)]
    assert len(asked) == 1
    assert asked[0].heard(Request) == owed
    asked[0].say_block(*owed[0][:2], scene.block(owed[0]))
    assert scene.host.completed_at
    assert bytes(scene.host.disk.data) == scene.payload
    assert scene.host.session.bytes_downloaded == len(scene.payload)


def test_a_duplicate_whose_blocks_come_out_of_order_counts():
    scene = Scene(pieces=1)
    scene.offer_all()
    other = Script(scene.world, "other", scene.info)
    other.connect(scene.host)
    other.say(Handshake(scene.info.info_hash, b"o" * 20), Extended(0, ExtendedHandshake().payload()))
    other.say(HaveAll(), Unchoke())
    scene.world.run(1.5)
    for request in reversed(other.heard(Request)):
        other.say_block(*request[:2], scene.block(request))
    assert scene.host.completed_at
    assert bytes(scene.host.disk.data) == scene.payload


def test_the_first_source_cannot_spoil_what_the_second_has_brought():
    scene = Scene(pieces=2)
    scene.offer_all()
    late = scene.script.heard(Request)[0]
    with_honest(scene)
    scene.script.say(Piece(*late))
    scene.link.other.inbox += b"x" * 1024
    assert scene.world.run(3, until=lambda: late.index in scene.host.verified)
    scene.link.other.inbox += b"x" * (late.length - 1024)
    scene.world.settle()
    start = late.index * PIECE_LENGTH
    assert bytes(scene.host.disk.data)[start : start + late.length] == scene.block(late)


@pytest.mark.parametrize("moment", ["first block", "later block"])
def test_a_disk_that_fails_is_told_of_once_and_ends_the_session(moment):
    scene = Scene(pieces=8)
    with_honest(scene, rate=1 << 16)
    if moment == "later block":
        assert scene.world.run(10, until=lambda: scene.host.verified)
    scene.host.disk.broken = "No space left on /srv"
    scene.world.run(5)
    assert scene.host.failures == ["No space left on /srv"]
    assert scene.host.open_links == []
    dials = len(scene.world.dialed)
    scene.host.session.addresses_learned([("honest", 6881)], now=scene.world.now)
    scene.host.session.storage_failed("again")
    assert scene.host.failures == ["No space left on /srv"]
    assert len([one for one in scene.world.dialed if one[1] == "host"]) <= dials
    assert scene.host.completed_at is None


def test_a_disk_that_is_full_takes_nothing_more_and_gives_what_it_has():
    """Fault row 30: somebody may need the only copy that is left."""
    scene = Scene(pieces=8)
    with_honest(scene, rate=1 << 16)
    assert scene.world.run(10, until=lambda: len(scene.host.verified) == 2)
    scene.host.disk.full = "No space left on /srv"
    assert scene.world.run(10, until=lambda: scene.host.failures)
    assert scene.peer.requested == set()
    other = Host(scene.world, "other", scene.info)
    other.learn(scene.host)
    assert scene.world.run(10, until=lambda: len(other.verified) == 2)
    late = Host(scene.world, "late", scene.info, scene.payload)
    late.learn(scene.host)
    scene.world.run(10)
    scene.script.say(HaveAll(), Unchoke())
    assert not any(peer.am_interested or peer.requested for peer in scene.host.session.peers)
    assert sorted(other.verified) == sorted(scene.host.verified)
    assert scene.host.failures == ["No space left on /srv"]


def test_a_stopped_session_takes_and_makes_no_connections():
    scene = Scene(full=True)
    scene.host.session.stop("leaving")
    scene.world.settle()
    assert scene.link.closed == "by the other side: leaving"
    other = Script(scene.world, "other", scene.info)
    link = other.connect(scene.host)
    assert link.closed
    scene.host.learn(scene.host)
    assert scene.world.dials == []
