"""A download that waits: when it is given up, and with which sentence."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import pytest
from twisted.internet.task import Clock

from murder_fabric.agent.addresses import Listen
from murder_fabric.agent.torrent import Torrent, TorrentConfig
from murder_fabric.bitfield import Bitfield
from murder_fabric.errors import SwarmError
from murder_fabric.policy.stalling import GIVE_UP_AFTER, ORPHANED_AFTER, REACH_WITHIN, Stall
from murder_fabric.storage.creation import create_metainfo

REFUSED = "http://192.0.2.1:6969/announce: the tracker refused: Requested download is not authorized"


@pytest.fixture
def waiting(tmp_path):
    """A torrent of one piece that is missing, and the clock it lives by."""
    (tmp_path / "file").write_bytes(b"x")
    clock, info = Clock(), create_metainfo(str(tmp_path / "file"), None).info
    torrent = Torrent(clock, info, None, Bitfield(1), TorrentConfig(Listen("192.0.2.2", 0, 0), ()))
    torrent.session = SimpleNamespace(bytes_downloaded=0, bytes_uploaded=0, trusted_peers=[])
    return torrent, clock


def given_up(torrent):
    said = []
    torrent.complete.addErrback(lambda failure: said.append((failure.check(SwarmError), str(failure.value))))
    return [sentence for kind, sentence in said if kind]


def test_a_tracker_that_refuses_the_torrent_is_not_waited_for(waiting):
    torrent, clock = waiting
    torrent.tracker_problem = REFUSED
    stall = Stall(now=clock.seconds())
    clock.advance(REACH_WITHIN)
    torrent.look_for_hope(stall)
    (sentence,) = given_up(torrent)
    assert REFUSED in sentence


def test_once_a_tracker_has_answered_peers_have_longer(waiting):
    torrent, clock = waiting
    torrent.tracker_answered = True
    stall = Stall(now=clock.seconds())
    for _ in range(int(GIVE_UP_AFTER)):
        assert not torrent.complete.called
        clock.advance(1)
        torrent.look_for_hope(stall)
    (sentence,) = given_up(torrent)
    assert "as no peer is connected" in sentence


def test_a_tracker_that_has_not_answered_yet_is_named_by_those_who_fetched_something(waiting):
    torrent, _ = waiting
    torrent._config = dataclasses.replace(torrent._config, trackers=(("http://192.0.2.1:8998/announce",),))
    assert torrent.tracker_silence is None
    torrent.session.bytes_downloaded = 1
    assert "no answer yet" in torrent.tracker_silence
    torrent.tracker_problem = REFUSED
    assert torrent.tracker_silence == REFUSED
    torrent.tracker_answered = True
    assert torrent.tracker_silence is None


def test_who_is_complete_waits_for_nobody(waiting):
    torrent, clock = waiting
    torrent._have.add(0)
    stall = Stall(now=clock.seconds())
    clock.advance(GIVE_UP_AFTER)
    torrent.look_for_hope(stall)
    assert not torrent.complete.called


def test_who_is_complete_has_no_rate_any_more(waiting):
    torrent, clock = waiting
    torrent.progress()
    clock.advance(1)
    torrent.session.bytes_downloaded = 1
    assert torrent.progress().rate > 0
    torrent._bytes = 1
    assert torrent.progress().rate == 0


def test_where_the_only_source_has_left_it_is_waited_for_and_not_for_long(waiting):
    """Fault row 4: nobody is there to say it, as an operator would be in a deploy."""
    torrent, clock = waiting
    torrent.session.tick = lambda now: None
    seeder = SimpleNamespace(has=Bitfield.full(1), has_all=True)
    torrent.session.trusted_peers = [SimpleNamespace(has=Bitfield(1), has_all=False), seeder]
    torrent._tick()
    stall = Stall(now=clock.seconds())
    torrent.look_for_source(stall)
    torrent.session.trusted_peers.pop()
    clock.advance(ORPHANED_AFTER)
    torrent.look_for_source(stall)
    (sentence,) = given_up(torrent)
    assert "1 of 1 pieces are missing, no connected peer has them" in sentence


def test_a_seeder_that_does_not_show_all_it_has_is_not_taken_for_gone(waiting):
    torrent, clock = waiting
    torrent.session.tick = lambda now: None
    torrent.session.trusted_peers = [SimpleNamespace(has=Bitfield(1), has_all=False)]
    torrent._tick()
    stall = Stall(now=clock.seconds())
    clock.advance(ORPHANED_AFTER)
    torrent.look_for_source(stall)
    assert not torrent.complete.called
