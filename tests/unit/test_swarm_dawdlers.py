"""Peers of one address that bring next to nothing of what they are asked for (fault rows 22 and 46)."""

from __future__ import annotations

import pytest
from memory_swarm import Host, Script, World, torrent
from test_web_seed import ASKED, Rig

from murder_fabric.wire.extensions import ExtendedHandshake
from murder_fabric.wire.messages import Extended, Handshake, HaveAll, HaveNone, Piece, Request, Unchoke

#: Bytes a second that are an answer now and then, and no more.
NEXT_TO_NOTHING = 360
PIECE_LENGTH = 1 << 20


def with_dawdlers(count):
    """Return the seconds in which a host has all from a seeder, where so many others were there before it."""
    info, payload = torrent(pieces=20, piece_length=PIECE_LENGTH)
    world = World()
    host = Host(world, "host", info, max_block=4 << 20)
    for number in range(count):
        dawdler = Host(world, f"dawdler{number}", info, payload, rate=NEXT_TO_NOTHING, max_block=4 << 20)
        dawdler.name = "dawdler"  # one address
        world.dials.append((dawdler, host.address))
        world.settle()
    world.run(1)
    began = world.now
    host.learn(Host(world, "seeder", info, payload, rate=PIECE_LENGTH, max_block=4 << 20))
    assert world.run(100, lambda: host.completed_at is not None)
    return host.completed_at - began


@pytest.mark.parametrize("count", [1, 2, 8])
def test_they_keep_no_piece_from_a_seeder(count):
    """Two of them were all the sources that a piece might have, for most of an hour."""
    assert with_dawdlers(count) <= 3 * with_dawdlers(0)


@pytest.mark.parametrize("asked", [False, True])
def test_they_keep_nobody_from_an_origin(asked):
    """By what nobody asked for, of who says that it shows its pieces singly; or by what it is asked for."""
    rig = Rig(pieces=40)
    script = Script(rig.world, "script", rig.info)
    script.connect(rig.host)
    theirs = ExtendedHandshake(request_length=4 << 20, super_seed=not asked, port=6881)
    script.say(Handshake(rig.info.info_hash, b"s" * 20), Extended(0, theirs.payload()))
    script.say(*([HaveAll(), Unchoke()] if asked else [HaveNone(), Piece(0, 0, 32 * 1024)]))
    if asked:
        script.say(Piece(*script.heard(Request)[0]))
    rig.connect()
    answered = 0
    for _ in range(40):
        script.link.other.inbox += bytes(NEXT_TO_NOTHING // 4)
        rig.world.settle()
        rig.advance(0.25)
        while len(ASKED.findall(rig.transport.value())) > answered:
            answered += 1
            rig.answer()
    assert rig.host.completed_at is not None
