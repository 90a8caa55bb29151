"""Peers with the run's secret that take the id of another, or a fresh one each time; fault rows 43 and 44."""

from __future__ import annotations

import itertools
import random

import pytest
from memory_swarm import PIECE_LENGTH, Host, Script, World, torrent

from murder_fabric.bitfield import Bitfield
from murder_fabric.errors import RemoteProtocolError
from murder_fabric.policy.stalling import GIVE_UP_AFTER, Stall
from murder_fabric.swarm.contacts import Contacts
from murder_fabric.swarm.peer import Peer
from murder_fabric.wire import messages as wire
from murder_fabric.wire.connection import BLOCK_LENGTH
from murder_fabric.wire.extensions import (
    AUTH_ID,
    ExtendedHandshake,
    Proof,
    parse_extended_handshake,
    peer_key,
)
from murder_fabric.wire.messages import Choke, Extended, Handshake, Interested, Request, Unchoke

KEY = peer_key(b"t" * 16)
NONCE = b"n" * 16
BANNED = "banned: it sent wrong pieces, or too many messages, before"


class Impostor:
    """A host of the run that was taken over: all that it opens comes from its one address."""

    def __init__(self, world, info, name="impostor"):
        self.world, self.info, self.name = world, info, name

    def join(self, victim, peer_id, request_length=4 << 20):
        """Connect to *victim* as *peer_id*, prove to know the secret, and offer everything."""
        script = Script(self.world, self.name, self.info)
        link = script.connect(victim)
        script.say(Handshake(self.info.info_hash, peer_id, fast=False, extended=True))
        if link.closed:
            return script
        ours = ExtendedHandshake(request_length=request_length, nonce=NONCE, auth_id=1)
        script.say(Extended(0, ours.payload()))
        said = next((one.payload for one in script.heard(Extended) if one.id == 0), b"de")  # not to itself
        theirs = parse_extended_handshake(said)
        proof = Proof(KEY, self.info.info_hash, peer_id, victim.config.peer_id, NONCE, theirs.nonce)
        has = Bitfield.full(self.info.geometry.piece_count).to_bytes()
        script.say(Extended(AUTH_ID, proof.of_dialer()), wire.Bitfield(has), Unchoke())
        return script

    def lie(self, script, most=100):
        """Answer what is asked with wrong bytes, until it is hung up on; return how many blocks that were."""
        sent = 0
        while not script.link.closed and sent < min(most, len(script.heard(Request))):
            index, begin, length = script.heard(Request)[sent]
            script.say_block(index, begin, bytes(length))
            sent += 1
        return sent


class Scene:
    """A victim and an honest seeder, in a run with a secret; the victim does not know of the seeder yet."""

    def __init__(self, pieces=40, rate=None, **config):
        self.world = World()
        self.info, self.payload = torrent(pieces=pieces)
        self.victim = Host(self.world, "victim", self.info, key=KEY, **config)
        self.honest = Host(self.world, "honest", self.info, self.payload, key=KEY, rate=rate)
        self.impostor = Impostor(self.world, self.info)

    def must_complete(self, within=20):
        self.world.settle()
        if not self.honest.links:
            self.victim.learn(self.honest)
        assert self.world.run(within, until=lambda: self.victim.completed_at)
        assert bytes(self.victim.disk.data) == self.payload
        assert not [link for link in self.victim.links if link.other.host is self.honest and link.closed]

    def lies_taken(self, ids):
        """Return how many wrong blocks were taken of the impostor under each of *ids* in turn."""
        return [self.impostor.lie(self.impostor.join(self.victim, one)) for one in ids]


def fresh(count):
    return [b"fresh".ljust(18, b".") + b"%02d" % number for number in range(count)]


def test_who_takes_the_id_of_the_seeder_gets_only_itself_banned():
    scene = Scene()
    assert scene.lies_taken([scene.honest.config.peer_id] * 3) == [2, 0, 0]
    scene.must_complete()


def test_who_takes_the_id_of_the_seeder_does_not_push_it_out():
    scene = Scene(rate=4 * PIECE_LENGTH)
    scene.victim.learn(scene.honest)
    scene.world.run(2)
    (link,) = scene.victim.open_links
    assert scene.lies_taken([scene.honest.config.peer_id]) == [2]
    assert not link.closed
    scene.must_complete()


def test_the_seeder_comes_in_while_another_has_its_id():
    scene = Scene()
    mute = scene.impostor.join(scene.victim, scene.honest.config.peer_id)
    scene.honest.learn(scene.victim)
    scene.must_complete()
    assert not mute.link.closed or mute.link.closed.endswith("both have everything")


def test_fresh_ids_of_one_address_are_no_fresh_start():
    scene = Scene()
    assert scene.lies_taken(fresh(4)) == [2, 0, 0, 0]
    assert scene.victim.links[-1].closed == BANNED
    scene.must_complete()


def test_an_id_is_none_when_it_comes_back_after_one_strike():
    scene = Scene(hosts_at=lambda host: 50)
    for _ in range(2):
        script = scene.impostor.join(scene.victim, b"i" * 20)
        assert scene.impostor.lie(script, most=1) == 1
        script.link.close("before the second")
        scene.world.settle()
    assert scene.lies_taken([b"i" * 20]) == [0]
    assert scene.lies_taken(fresh(1)) == [2]


def test_an_address_that_several_hosts_share_has_the_strikes_of_all_of_them():
    scene = Scene(hosts_at=lambda host: 3)
    assert scene.lies_taken(fresh(5)) == [2, 2, 2, 0, 0]
    scene.must_complete()


def test_who_is_connected_already_when_its_address_is_banned_has_one_more_lie():
    scene = Scene()
    first, second = (scene.impostor.join(scene.victim, one) for one in fresh(2))
    assert scene.impostor.lie(first) == 2
    assert scene.impostor.lie(second) == 1
    assert second.link.closed.endswith("banned: 3 pieces from its address did not match their hashes")
    scene.must_complete()


def test_an_origin_that_lies_says_nothing_about_the_peer_on_its_host():
    contacts = Contacts(b"u" * 20, None, random.Random(1), 30, lambda host: 1)
    origin, peer = (Peer(None, ("honest", port), 4, dialed=False, now=0.0) for port in (0, 6881))
    origin.origin, origin.peer_id, peer.peer_id = True, b"http://honest/v1", b"p" * 20
    banned = "banned: 2 of its pieces did not match their hashes"
    assert [contacts.struck(origin) for _ in range(2)] == [None, banned]
    contacts.check(peer)
    assert [contacts.struck(peer) for _ in range(2)] == [None, banned]
    with pytest.raises(RemoteProtocolError, match=BANNED):
        contacts.check(peer)


def test_our_own_id_is_no_way_around_it():
    scene = Scene()
    assert sum(scene.lies_taken([scene.victim.config.peer_id] * 5)) <= 2
    assert sum(scene.lies_taken(fresh(5))) <= 2
    scene.must_complete()


def test_who_is_dialed_at_one_address_and_comes_from_another_has_two_connections_that_last():
    """An agent with several addresses that listens on all of them; it takes the other's two for a mistake."""
    world, (info, payload) = World(), torrent(pieces=60)
    seeder = Host(world, "seeder", info, payload, key=KEY, rate=PIECE_LENGTH)
    peer = Host(world, "peer", info, key=KEY)
    world.hosts["seeder-b"] = seeder
    for address in (("seeder", 6881), ("seeder-b", 6881)):
        peer.session.addresses_learned([address], now=world.now)
        world.run(3)
    assert world.run(90, until=lambda: peer.completed_at)
    assert len(peer.links) <= 3


# What counts as progress ------------------------------------------------------------------------------------


def seconds_until_given_up(scene, torment):
    """Return when the victim gives up that *torment* is done to once a second; None: not for ten minutes."""
    stall, began = Stall(now=scene.world.now), scene.world.now
    for number in itertools.count():
        if scene.world.now - began > 600 or scene.victim.completed_at:
            return None
        torment(number)
        scene.world.run(1)
        if stall.is_over(scene.victim.session.bytes_gained, now=scene.world.now):
            return scene.world.now - began


def test_wrong_pieces_from_ever_new_addresses_end_in_giving_up():
    scene = Scene()

    def torment(number):
        other = Impostor(scene.world, scene.info, f"impostor{number}")
        assert other.lie(other.join(scene.victim, scene.honest.config.peer_id)) == 2

    assert seconds_until_given_up(scene, torment) == pytest.approx(GIVE_UP_AFTER, abs=5)
    assert scene.victim.session.bytes_downloaded >= 100 * PIECE_LENGTH


def test_pieces_that_are_never_ended_are_no_progress_for_ever():
    scene = Scene()
    script = scene.impostor.join(scene.victim, b"i" * 20, BLOCK_LENGTH)

    def torment(number):
        index, begin, length = script.heard(Request)[-1]
        script.say_block(index, begin, bytes(length))
        script.say(Choke(), Unchoke())

    assert seconds_until_given_up(scene, torment) is not None
    assert not script.link.closed
    assert scene.victim.session.bytes_downloaded > scene.victim.session.bytes_gained == 0


def test_blocks_that_nobody_asked_for_are_no_progress():
    scene = Scene()
    script = scene.impostor.join(scene.victim, b"i" * 20)
    script.say(Choke())

    def torment(number):
        script.say_block(0, 0, bytes(PIECE_LENGTH))
        script.say(Interested())

    assert seconds_until_given_up(scene, torment) == pytest.approx(GIVE_UP_AFTER, abs=2)
    assert scene.victim.session.bytes_downloaded >= 50 * PIECE_LENGTH


def test_what_comes_of_a_piece_counts_as_it_comes():
    """On a slow link a piece takes longer than patience lasts."""
    scene = Scene(pieces=2, rate=400)
    scene.victim.learn(scene.honest)
    assert seconds_until_given_up(scene, lambda number: None) is None
    assert scene.victim.completed_at
    assert scene.victim.session.bytes_gained == len(scene.payload)
