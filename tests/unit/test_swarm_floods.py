"""Peers that say nothing wrong, and too much of it; and those who only say a lot (fault row 51)."""

from __future__ import annotations

import pytest
from memory_swarm import Script
from test_swarm_misbehaving import Scene

from murder_fabric.policy.chatter import AT_ONCE
from murder_fabric.wire.connection import _WRITERS
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
    Reject,
    Request,
    Suggest,
    Unchoke,
)

TOO_MUCH = "it says more than anybody has to say"
BANNED = "banned: it sent wrong pieces, or too many messages, before"


def raw(*messages):
    """Return what *messages* look like on the wire, whether or not they are legal now."""
    return b"".join(_WRITERS[type(message)](message) for message in messages)


#: What is said again and again, and the words that are within the budget then.
FLOODS = {
    "bitfields that say nothing new": [Bitfield(b"\x70")],
    "bitfields of nothing": [Bitfield(b"\0")],
    "interest": [Interested()],
    "interest that comes and goes": [Interested(), NotInterested()],
    "chokes": [Choke()],
    "chokes that come and go": [Choke(), Unchoke()],
    "refusals of what nobody asked for": [Reject(0, 0, 1)],
    "keep-alives": [KeepAlive()],
    "cancels": [Cancel(0, 0, 9)],
    "haves that say nothing new": [Have(1)],
    "suggestions": [Suggest(1)],
    "extended messages": [Extended(7, b"x")],
    "extended handshakes": [Extended(0, b"de")],
    "requests taken back": [Request(0, 0, 9), Cancel(0, 0, 9)],
    "requests for one byte": [Request(0, 0, 1)],
}


def flooded(said, **config):
    """Return a scene in which *said* was said for as long as anybody listened, and how often that was."""
    scene = Scene(full=True, **config)
    scene.script.say(*([HaveNone()] if said == [Bitfield(b"\0")] else [Have(1, 2, 3)]), Interested())
    data, times = raw(*said) * 100, 0
    while not scene.link.closed and times < 200:
        scene.link.other.inbox += data
        scene.world.settle()
        for link in list(scene.world.links):
            link.move(0.1)
        times += 1
    return scene, 100 * times * len(said)


@pytest.mark.parametrize("kind", FLOODS)
def test_a_flood_is_hung_up_on_and_counts_a_strike(kind):
    scene, count = flooded(FLOODS[kind])
    assert scene.link.closed.endswith(TOO_MUCH)
    assert count <= AT_ONCE + 300
    again = Script(scene.world, "script", scene.info)
    for _ in range(60):  # its budget has to fill up again
        scene.world.run(1)
    link = again.connect(scene.host)
    again.say(Handshake(scene.info.info_hash, b"s" * 20), HaveNone())
    for _ in range(20):
        if not link.closed:
            link.other.inbox += raw(KeepAlive()) * 1000
            scene.world.settle()
    assert link.closed.endswith(TOO_MUCH)
    link = again.connect(scene.host)
    again.say(Handshake(scene.info.info_hash, b"s" * 20))
    assert link.closed.endswith(BANNED)


def test_blocks_that_nobody_asked_for_are_weighed():
    scene = Scene(full=True)
    scene.script.say(HaveAll())
    while not scene.link.closed:
        scene.script.say_block(0, 0, b"x")
        assert len(scene.host.verified) == 0
    assert scene.link.closed.endswith(TOO_MUCH)


def test_coming_again_and_again_is_a_flood_too():
    scene = Scene(full=True)
    closed = []
    for _ in range(200):
        link = scene.script.connect(scene.host)
        scene.script.say(Handshake(scene.info.info_hash, b"s" * 20))
        closed.append(str(link.closed))
        link.close("bye")
        scene.world.settle()
    assert any(why.endswith(TOO_MUCH) for why in closed)
    assert len([why for why in closed if why == "None"]) <= 2 * AT_ONCE / 20


def test_who_came_back_too_often_may_come_back_later():
    """As a host does whose connections break: every refusal leaves it what it has."""
    scene = Scene(full=True)
    for _ in range(200):
        link = scene.script.connect(scene.host)
        scene.script.say(Handshake(scene.info.info_hash, b"s" * 20))
        refused = str(link.closed)
        link.close("bye")
        scene.world.settle()
    assert refused.endswith(TOO_MUCH)
    scene.world.run(2)
    link = scene.script.connect(scene.host)
    scene.script.say(Handshake(scene.info.info_hash, b"s" * 20))
    assert not link.closed


def test_who_has_proven_nothing_has_little_to_say_and_nobody_is_blamed_for_it():
    scene = Scene(key=b"k" * 20)
    scene.link.other.inbox += raw(KeepAlive()) * 200
    scene.world.settle()
    assert scene.link.closed.endswith(TOO_MUCH)
    assert not scene.host.session._contacts._strikes


@pytest.mark.parametrize("kind", FLOODS)
def test_at_a_leisurely_pace_all_of_it_may_be_said(kind):
    said = FLOODS[kind]
    scene = Scene(full=True)
    scene.script.say(*([HaveNone()] if kind == "bitfields of nothing" else [Have(1, 2, 3)]))
    scene.script.say(Interested())
    for _ in range(200):
        scene.link.other.inbox += raw(*said)
        scene.world.run(1)
    assert not scene.link.closed


def test_what_changes_nothing_is_not_acted_upon():
    scene = Scene(full=True)
    scene.script.say(HaveNone(), Interested())
    session, calls = scene.host.session, []
    session._fill_all = lambda **now: calls.append("fill all")
    session._rechoke = lambda **now: calls.append("rechoke")
    scene.script.say(Interested(), NotInterested(), Interested(), Reject(0, 0, 9), Choke(), Have(1))
    scene.link.other.inbox += raw(Bitfield(b"\x40"), Bitfield(b"\x40"))
    scene.world.settle()
    assert calls == []
    assert not scene.link.closed


def test_what_we_took_back_and_is_refused_weighs_nothing():
    scene = Scene()
    scene.offer_all()
    peer, before = scene.peer, scene.peer.chatter.left(now=scene.world.now)
    peer.cancelled.add(Request(0, 0, 7))
    scene.script.say(Reject(0, 0, 7))
    assert peer.chatter.left(now=scene.world.now) == before


def test_a_choke_weighs_what_it_takes_back():
    scene = Scene(pieces=40, fast=False)
    scene.script.say(Extended(0, b"de"))
    scene.link.other.inbox += raw(Bitfield(b"\xff" * 5))
    scene.script.say(Unchoke())
    asked, before = len(scene.peer.requested), scene.peer.chatter.left(now=scene.world.now)
    assert asked > 1
    scene.script.say(Choke())
    assert before - scene.peer.chatter.left(now=scene.world.now) == 10 + asked
