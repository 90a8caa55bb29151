"""A download that waits: when it is given up, and with which sentence."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from twisted.internet.task import Clock

from murder_fabric.agent.addresses import Listen
from murder_fabric.agent.torrent import Torrent, TorrentConfig
from murder_fabric.bitfield import Bitfield
from murder_fabric.errors import SwarmError
from murder_fabric.policy.stalling import GIVE_UP_AFTER, ORPHANED_AFTER, REACH_WITHIN, Stall
from murder_fabric.storage.creation import create_metainfo
from murder_fabric.tracker.addresses import PeerAddress

REFUSED = "http://192.0.2.1:6969/announce: the tracker refused: Requested download is not authorized"


@pytest.fixture
def waiting(tmp_path):
    """A torrent of one piece that is missing, and the clock it lives by."""
    return waits(tmp_path)


def waits(tmp_path, hosts=None):
    (tmp_path / "file").write_bytes(b"x")
    clock, info = Clock(), create_metainfo(str(tmp_path / "file"), None).info
    config = TorrentConfig(Listen("192.0.2.2", 0, 0), (), hosts=hosts)
    torrent = Torrent(clock, info, None, Bitfield(1), config)
    torrent.session = SimpleNamespace(bytes_downloaded=0, bytes_gained=0, bytes_uploaded=0, trusted_peers=[])
    return torrent, clock


def look_on(look, clock, seconds, stall=None):
    """Look once a second, as long as *seconds*."""
    stall = stall or Stall(now=clock.seconds())
    for _ in range(int(seconds)):
        clock.advance(1)
        look(stall)


def given_up(torrent):
    said = []
    torrent.complete.addErrback(lambda failure: said.append((failure.check(SwarmError), str(failure.value))))
    return [sentence for kind, sentence in said if kind]


def test_a_tracker_that_refuses_the_torrent_is_not_waited_for(waiting):
    torrent, clock = waiting
    torrent.tracker_problem = REFUSED
    look_on(torrent.look_for_hope, clock, REACH_WITHIN)
    (sentence,) = given_up(torrent)
    assert REFUSED in sentence


def test_once_a_tracker_has_answered_peers_have_longer(waiting):
    torrent, clock = waiting
    torrent.tracker_answered = True
    stall = Stall(now=clock.seconds())
    look_on(torrent.look_for_hope, clock, GIVE_UP_AFTER - 1, stall)
    assert not torrent.complete.called
    look_on(torrent.look_for_hope, clock, 1, stall)
    (sentence,) = given_up(torrent)
    assert "as no peer is connected" in sentence


def test_a_tracker_that_has_not_answered_yet_is_named_by_those_who_fetched_something(waiting):
    torrent, _ = waiting
    torrent.trackers = (("http://192.0.2.1:8998/announce",),)
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
    look_on(torrent.look_for_hope, clock, GIVE_UP_AFTER)
    assert not torrent.complete.called


def test_who_is_complete_has_no_rate_any_more(waiting):
    torrent, clock = waiting
    torrent.progress()
    clock.advance(1)
    torrent.session.bytes_downloaded = 1
    assert torrent.progress().rate > 0
    torrent._bytes = 1
    assert torrent.progress().rate == 0


@pytest.mark.parametrize(
    ("hosts", "called"),
    [
        (["192.0.2.2", "192.0.2.3"], ["192.0.2.3", "192.0.2.4"]),
        (None, ["192.0.2.3", "192.0.2.4", "192.0.2.66"]),
    ],
)
def test_of_those_that_a_tracker_names_only_the_runs_own_hosts_are_called(tmp_path, hosts, called):
    torrent, _ = waits(tmp_path, hosts)
    torrent.admit(["192.0.2.4"])
    learned = []
    torrent.session.addresses_learned = lambda addresses, *, now: learned.extend(addresses)
    torrent._peers_learned([PeerAddress(f"192.0.2.{last}", 6881) for last in (3, 4, 66)])
    assert learned == [(host, 6881) for host in called]
    assert torrent.tracker_answered


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
    look_on(torrent.look_for_source, clock, ORPHANED_AFTER, stall)
    (sentence,) = given_up(torrent)
    assert "1 of 1 pieces are missing, no connected peer has them" in sentence


def test_a_seeder_that_does_not_show_all_it_has_is_not_taken_for_gone(waiting):
    torrent, clock = waiting
    torrent.session.tick = lambda now: None
    torrent.session.trusted_peers = [SimpleNamespace(has=Bitfield(1), has_all=False)]
    torrent._tick()
    look_on(torrent.look_for_source, clock, ORPHANED_AFTER)
    assert not torrent.complete.called
