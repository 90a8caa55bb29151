"""Second copies of pieces, which are kept in memory until they are whole: together they have a limit."""

from __future__ import annotations

import random

import pytest
from memory_swarm import PIECE_LENGTH, Disk, torrent

from murder_fabric.bitfield import Bitfield
from murder_fabric.metainfo.geometry import Run
from murder_fabric.policy.endgame import overdue_after
from murder_fabric.swarm import download as module
from murder_fabric.swarm.assembly import Assembly
from murder_fabric.swarm.download import Download
from murder_fabric.swarm.peer import Peer

#: Long enough for any piece to be late.
LATER = 60.0


class Link:
    def send(self, *messages):
        """Nobody answers."""


def unchoked(number):
    """Return a peer that has all four pieces."""
    peer = Peer(Link(), (f"10.0.0.{number}", 6881), 4, dialed=True, now=0.0)
    peer.has, peer.trusted, peer.peer_choking, peer.useful = Bitfield.full(4), True, False, 4
    return peer


@pytest.mark.parametrize(
    ("limit", "copies"), [(3 * PIECE_LENGTH, 3), (PIECE_LENGTH, 1), (PIECE_LENGTH - 101, 0)]
)
def test_second_copies_keep_no_more_memory_than_allowed(monkeypatch, limit, copies):
    monkeypatch.setattr(module, "MAX_SPARE", limit)
    info, payload = torrent(pieces=4)
    download = Download(info, Bitfield(4), Disk(info, payload), random.Random(1))
    slow, idle = [unchoked(number) for number in range(4)], [unchoked(10 + number) for number in range(4)]
    for peer in slow:
        index = download.picker.take(peer.has)
        download._begin_piece(peer, index, now=0.0)
    download.ask_twice(idle, now=LATER)
    spares = [one for peer in idle for one in peer.assemblies.values() if one.spare]
    assert len(spares) == copies


def test_a_second_copy_that_is_overdue_makes_room_for_one_of_somebody_else(monkeypatch):
    """Row 46: who sends next to nothing does not keep others from it by the room that it has taken."""
    monkeypatch.setattr(module, "MAX_SPARE", PIECE_LENGTH)
    info, payload = torrent(pieces=4)
    download = Download(info, Bitfield(4), Disk(info, payload), random.Random(1))
    for number in range(4):
        slow = unchoked(number)
        download._begin_piece(slow, download.picker.take(slow.has), now=0.0)
    hoarder, giver = unchoked(10), unchoked(11)
    overdue = overdue_after(4 * PIECE_LENGTH, 0.0)
    download.ask_twice([hoarder], now=overdue)
    download.ask_twice([giver], now=1.9 * overdue)
    assert (len(hoarder.assemblies), len(giver.assemblies)) == (1, 0)
    for _ in range(2):  # one look makes room, the next one takes it
        download.ask_twice([giver], now=2 * overdue)
    assert (len(hoarder.assemblies), len(giver.assemblies)) == (0, 1)


def test_a_second_copy_keeps_no_more_in_memory_than_its_own_bytes():
    """A read brings up to half a MiB, of which one part may be all that was asked for."""
    assembly = Assembly(0, [Run(0, PIECE_LENGTH)], PIECE_LENGTH, None, 0.0, spare=True)
    read = bytes(1 << 19)
    assembly.part_received(0, memoryview(read)[:10])
    (kept,) = assembly.kept
    assert (kept[0], len(kept[1].obj)) == (0, 10)
