"""Swarms of peers that have some files from elsewhere: of pieces that these share, only the rest comes."""

from __future__ import annotations

import random

import pytest
from memory_swarm import PIECE_LENGTH, Disk, Host, Script, World, torrent_of

from murder_fabric.wire.messages import Handshake, HaveAll, Request, Unchoke

#: Files of 10,000 to 50,000 bytes: every piece of 32 KiB has parts of several.
LENGTHS = tuple(random.Random(3).randrange(10_000, 50_000) for _ in range(24))
#: All but every sixth.
HELD = frozenset(file for file in range(len(LENGTHS)) if file % 6)


class WatchedDisk(Disk):
    """Writes down where it is written to."""

    def __init__(self, info):
        super().__init__(info)
        self.written = set()

    def write(self, index, begin, data):
        start = index * PIECE_LENGTH + begin
        self.written.update(range(start, start + len(data)))
        super().write(index, begin, data)


def bytes_of(files):
    starts = [sum(LENGTHS[:file]) for file in range(len(LENGTHS))]
    return {at for file in files for at in range(starts[file], starts[file] + LENGTHS[file])}


def updated(world, name, info, payload, **config):
    """Return a host that holds `HELD`, as after it was filled from a former release."""
    whole = [index for index in range(info.geometry.piece_count) if not info.geometry.runs(index, is_to_come)]
    host = Host(world, name, info, pieces=whole or [0], payload=payload, held=HELD, **config)
    assert len(whole) > 3
    host.session._download._storage = host.disk = WatchedDisk(info)
    for at in bytes_of(HELD):
        host.disk.data[at] = payload[at]
    return host


def is_to_come(file):
    return file not in HELD


def complete(world, hosts, within=20):
    return world.run(within, until=lambda: all(host.completed_at for host in hosts))


def test_only_what_no_held_file_has_comes_and_held_files_are_not_written_to():
    world, (info, payload) = World(), torrent_of(LENGTHS)
    seeder = Host(world, "seeder", info, payload)
    peers = [updated(world, f"peer{number}", info, payload) for number in range(3)]
    for host in peers:
        host.learn(seeder, *(other for other in peers if other is not host))
    assert complete(world, peers)
    for host in peers:
        assert bytes(host.disk.data) == payload
        assert host.disk.written == bytes_of(set(range(len(LENGTHS))) - HELD)
        assert host.session.bytes_downloaded == len(host.disk.written)


def test_one_that_has_nothing_gets_everything_from_one_that_was_updated():
    world, (info, payload) = World(), torrent_of(LENGTHS)
    seeder, host = Host(world, "seeder", info, payload), updated(world, "updated", info, payload)
    host.learn(seeder)
    assert complete(world, [host])
    seeder.accepts = False
    new = Host(world, "new", info)
    new.learn(host)
    assert complete(world, [new])
    assert bytes(new.disk.data) == payload


def test_what_is_held_and_wrong_is_fetched_too_and_nobody_is_blamed_for_it():
    world, (info, payload) = World(), torrent_of(LENGTHS)
    seeder, host = Host(world, "seeder", info, payload), updated(world, "updated", info, payload)
    missing = [index for index in range(info.geometry.piece_count) if index not in host.session.have]
    for index in missing:
        begin = info.geometry.runs(index, HELD.__contains__)[0].begin
        host.disk.data[index * PIECE_LENGTH + begin] ^= 1
    host.learn(seeder)
    assert complete(world, [host])
    assert sorted(host.verified) == missing
    assert bytes(host.disk.data) == payload
    assert [link.peer.strikes for link in host.links] == [0]


def test_a_wrong_piece_that_came_whole_is_still_the_senders_fault():
    world, (info, payload) = World(), torrent_of(LENGTHS)
    liar = Host(world, "liar", info, payload)
    host = updated(world, "updated", info, payload)
    for index in range(info.geometry.piece_count):
        if index not in host.session.have:
            begin = info.geometry.runs(index, is_to_come)[0].begin
            liar.disk.data[index * PIECE_LENGTH + begin] ^= 1
    host.learn(liar)
    world.run(5)
    assert any(str(link.closed).startswith("banned") for link in host.links)
    assert host.verified == []


@pytest.mark.parametrize("reverse", [False, True], ids=["in order", "backwards"])
def test_a_second_copy_of_the_rest_is_joined_with_what_is_held(reverse):
    """Endgame: the first peer asked stays silent, and the other one's answer must do."""
    world, (info, payload) = World(), torrent_of(LENGTHS)
    host = updated(world, "updated", info, payload)
    slow, quick = (Script(world, name, info) for name in ("slow", "quick"))
    host.learn(slow, quick)
    world.settle()
    for script in (slow, quick):
        script.say(Handshake(info.info_hash, script.config.peer_id, extended=False), HaveAll())
    slow.say(Unchoke())
    world.run(1)
    quick.say(Unchoke())
    answered = set()

    def answer():
        asked = [request for request in quick.heard(Request) if request not in answered]
        for request in reversed(asked) if reverse else asked:
            answered.add(request)
            start = request.index * PIECE_LENGTH + request.begin
            quick.say_block(request.index, request.begin, payload[start : start + request.length])
        return host.completed_at is not None

    assert world.run(1.5, until=answer), "before the silent one is given up"
    assert set(slow.heard(Request)) & set(quick.heard(Request))
    assert bytes(host.disk.data) == payload
    assert {start_of(request) for request in quick.heard(Request)} <= host.disk.written


def drawn(draw, world, name, info, payload):
    """Return a host that holds files as *draw* has it, some of which are not what they should be."""
    geometry = info.geometry
    held = frozenset(file for file in range(len(info.files)) if draw.random() < 0.6)
    pieces = range(geometry.piece_count)
    whole = [index for index in pieces if not geometry.runs(index, lambda file: file not in held)]
    host = Host(world, name, info, pieces=whole, held=held, rate=draw.choice([None, 300_000]))
    fault = draw.choice([0.0, 0.5])
    for index in pieces:
        for begin, length in geometry.runs(index, held.__contains__):
            at = index * PIECE_LENGTH + begin
            host.disk.data[at : at + length] = payload[at : at + length]
            host.disk.data[at] ^= index not in whole and draw.random() < fault
    return host


@pytest.mark.parametrize("liar", [False, True], ids=["honest", "with a liar"])
@pytest.mark.parametrize("seed", range(20))
def test_whatever_each_holds_and_is_wrong_of_it_all_complete_and_none_but_liars_are_banned(seed, liar):
    draw, world = random.Random(seed), World()
    info, payload = torrent_of([draw.choice([700, 9_000, 70_000]) for _ in range(16)], seed=seed)
    sources = [Host(world, "seeder", info, payload, super_seed=draw.random() < 0.5)]
    if liar:
        sources.append(Host(world, "liar", info, payload))
        sources[1].disk.lie = True
    peers = [drawn(draw, world, f"peer{number}", info, payload) for number in range(3)]
    for host in peers:
        host.learn(*sources, *(other for other in peers if other is not host))
    assert world.run(60, until=lambda: all(host.session.have.complete for host in peers))
    assert [bytes(host.disk.data) == payload for host in peers] == [True] * 3
    banned = {link.address[0] for host in peers for link in host.links if "banned" in str(link.closed)}
    assert banned <= {"liar"}


def start_of(request):
    return request.index * PIECE_LENGTH + request.begin
