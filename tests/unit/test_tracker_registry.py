"""Who is in which swarm, and who is told of whom; fault rows 6, 9, 55 and 56."""

from __future__ import annotations

import contextlib
import random
import tracemalloc
from dataclasses import dataclass

import pytest

from murder_fabric.errors import TrackerError
from murder_fabric.tracker import registry as registry_module
from murder_fabric.tracker.addresses import PeerAddress
from murder_fabric.tracker.announcing import AnnounceRequest, encode_response
from murder_fabric.tracker.handout import Pool, hand_out
from murder_fabric.tracker.registry import BESIDE_HOSTS, MAX_MEMBERS, Registry
from murder_fabric.tracker.scraping import ScrapeEntry

HASH = b"h" * 20


def announce(number=1, *, port=None, left=9, event="", info_hash=HASH, num_want=30, compact=True):
    return AnnounceRequest(
        info_hash, b"%020d" % number, port or 6000 + number, 0, 0, left, event, num_want, compact
    )


def make_registry(allowed=None, **options):
    return Registry(allowed, rng=random.Random(1), **options)


def test_peers_hear_of_each_other_but_not_of_themselves():
    registry = make_registry()
    assert registry.announce(announce(1, left=0), "10.0.0.1", now=0.0).peers == ()
    answer = registry.announce(announce(2), "10.0.0.2", now=0.0)
    assert answer.peers == (PeerAddress("10.0.0.1", 6001),)
    assert (answer.complete, answer.incomplete, answer.interval) == (1, 1, 15.0)


def test_seeders_are_not_told_of_seeders():
    registry = make_registry()
    for number in (1, 2):
        answer = registry.announce(announce(number, left=0), "10.0.0.1", now=0.0)
    assert (answer.peers, answer.complete) == ((), 2)


def test_who_stops_is_gone_and_is_told_nobody():
    registry = make_registry()
    registry.announce(announce(1), "10.0.0.1", now=0.0)
    registry.announce(announce(2), "10.0.0.1", now=0.0)
    assert registry.announce(announce(1, event="stopped"), "10.0.0.1", now=1.0).peers == ()
    assert registry.announce(announce(2), "10.0.0.1", now=2.0).peers == ()


def test_a_late_goodbye_does_not_remove_who_came_to_the_same_port_since():
    registry = make_registry()
    registry.announce(announce(1, port=6881), "10.0.0.1", now=0.0)
    registry.announce(announce(2, port=6881), "10.0.0.1", now=1.0)
    registry.announce(announce(1, port=6881, event="stopped"), "10.0.0.1", now=2.0)
    assert registry.scrape([HASH])[HASH].incomplete == 1


def test_a_peer_that_moved_to_another_port_is_named_there_only():
    registry = make_registry()
    registry.announce(announce(1, port=6881), "10.0.0.1", now=0.0)
    registry.announce(announce(1, port=6882), "10.0.0.1", now=1.0)
    assert registry.announce(announce(2), "10.0.0.2", now=2.0).peers == (PeerAddress("10.0.0.1", 6882),)


def test_a_peer_cannot_push_out_another_hosts_peer_by_its_id():
    registry = make_registry()
    registry.announce(announce(1), "10.0.0.1", now=0.0)
    registry.announce(announce(1), "10.0.0.66", now=1.0)
    registry.announce(announce(1, event="stopped"), "10.0.0.66", now=2.0)
    assert registry.announce(announce(2), "10.0.0.2", now=3.0).peers == (PeerAddress("10.0.0.1", 6001),)


def test_two_minutes_of_silence_end_a_membership():
    registry = make_registry()
    registry.announce(announce(1), "10.0.0.1", now=0.0)
    registry.announce(announce(2), "10.0.0.2", now=100.0)
    registry.expire(now=119.0)
    assert registry.scrape([HASH])[HASH].incomplete == 2
    registry.expire(now=120.0)
    assert registry.scrape([HASH])[HASH].incomplete == 1


def test_a_swarm_of_strangers_ends_with_its_last_peer():
    registry = make_registry()
    registry.announce(announce(1), "10.0.0.1", now=0.0)
    registry.expire(now=500.0)
    assert registry.scrape([HASH]) == {}


def test_completions_are_counted_once_each():
    registry = make_registry([HASH])
    registry.announce(announce(1, left=0, event="started"), "10.0.0.1", now=0.0)  # came as a seeder
    registry.announce(announce(2, event="started"), "10.0.0.2", now=0.0)
    registry.announce(announce(2, left=0, event="completed"), "10.0.0.2", now=1.0)
    registry.announce(announce(2, left=0, event="completed"), "10.0.0.2", now=2.0)
    registry.announce(announce(3, event="started"), "10.0.0.3", now=0.0)
    registry.announce(announce(3, left=0), "10.0.0.3", now=3.0)  # its `completed` was lost
    registry.announce(announce(4, left=0, event="completed"), "10.0.0.4", now=4.0)  # we restarted meanwhile
    registry.announce(announce(5, left=5, event="completed"), "10.0.0.5", now=4.0)  # a liar
    registry.announce(announce(6, event="started"), "10.0.0.6", now=0.0)
    registry.announce(announce(6, left=0, event="stopped"), "10.0.0.6", now=5.0)  # complete, and off
    assert registry.scrape([HASH])[HASH] == ScrapeEntry(complete=4, downloaded=4, incomplete=1)


def test_only_allowed_info_hashes_leave_a_trace():
    registry = make_registry([HASH])
    sent = announce()
    with pytest.raises(TrackerError, match="not tracked here"):
        registry.announce(sent._replace(info_hash=b"2" * 20), "10.0.0.1", now=0.0)
    tracemalloc.start()
    try:
        for number in range(100_000):
            with contextlib.suppress(TrackerError):
                registry.announce(sent._replace(info_hash=b"%020d" % number), "10.0.0.1", now=0.0)
                pytest.fail("an info hash that nobody allowed was taken")
        assert tracemalloc.get_traced_memory()[0] < 1 << 20  # ten bytes each
    finally:
        tracemalloc.stop()
    assert registry.scrape(b"%020d" % number for number in range(100_000)) == {}
    assert registry.scrape([HASH]) == {HASH: ScrapeEntry(0, 0, 0)}


def test_a_torrent_can_be_allowed_later_and_for_some_hosts_only():
    registry = make_registry([])
    registry.allow(HASH, ["10.0.0.1"])
    registry.allow(HASH, ["::ffff:10.0.0.2"])
    registry.announce(announce(1), "10.0.0.1", now=0.0)
    registry.announce(announce(2), "10.0.0.2", now=0.0)
    with pytest.raises(TrackerError, match="not for your address"):
        registry.announce(announce(3), "10.0.0.3", now=0.0)
    registry.allow(HASH)
    assert len(registry.announce(announce(3), "10.0.0.3", now=0.0).peers) == 2


def test_strangers_cannot_fill_an_open_tracker(monkeypatch):
    monkeypatch.setattr(registry_module, "MAX_SWARMS", 2)
    monkeypatch.setattr(registry_module, "MAX_MEMBERS", 2)
    registry = make_registry()
    for info_hash in (HASH, b"2" * 20):
        registry.announce(announce(1, info_hash=info_hash), "10.0.0.1", now=0.0)
    with pytest.raises(TrackerError, match="already has 2 swarms"):
        registry.announce(announce(1, info_hash=b"3" * 20), "10.0.0.1", now=0.0)
    registry.announce(announce(2), "10.0.0.2", now=0.0)
    with pytest.raises(TrackerError, match="already has 2 peers"):
        registry.announce(announce(3), "10.0.0.3", now=0.0)
    assert len(registry.announce(announce(2), "10.0.0.2", now=0.0).peers) == 1


def test_strangers_cannot_fill_an_open_tracker_with_peers_of_many_swarms(monkeypatch):
    monkeypatch.setattr(registry_module, "MAX_STRANGERS", 3)
    registry = make_registry()
    for number in range(3):
        registry.announce(announce(1, info_hash=b"%020d" % number), "10.0.0.1", now=0.0)
    with pytest.raises(TrackerError, match="this tracker already has 3 peers"):
        registry.announce(announce(2, info_hash=b"%020d" % 2), "10.0.0.1", now=0.0)
    registry.announce(announce(1, info_hash=b"%020d" % 2), "10.0.0.1", now=1.0)
    started_again = announce(7, port=6001, info_hash=b"%020d" % 2)
    assert registry.announce(started_again, "10.0.0.1", now=1.0).incomplete == 1
    registry.allow(HASH)
    for number in range(5):
        registry.announce(announce(number), "10.0.0.1", now=1.0)
    assert [registry.standing(2, now=1.0)[0].info_hash, registry.swarm_count] == [HASH, 4]


def crowd(registry, host, ports, *, now):
    """Announce a peer at each of *ports* of *host*, each with an id of its own."""
    for port in ports:
        registry.announce(announce(port, port=port, left=port % 2, event="started"), host, now=now)


def ports_of(registry, host):
    (swarm,) = registry.standing(1, now=0.0)
    return sorted(one.address.port for one in swarm.members if one.address.host == host)


@pytest.mark.parametrize("beside", [0, 49])
def test_an_address_has_as_many_peers_as_hosts_and_a_few_more_and_pushes_out_its_own_alone(beside):
    """One host of the run announces itself at thousands of ports; several hosts may have one address."""
    registry = make_registry([])
    registry.allow(HASH, ["10.0.0.1", "10.0.0.2", *["10.0.0.66"] * (1 + beside)])
    registry.announce(announce(1, left=0), "10.0.0.1", now=0.0)
    crowd(registry, "10.0.0.66", range(10_000, 10_000 + MAX_MEMBERS), now=1.0)

    answer = registry.announce(announce(2), "10.0.0.2", now=2.0)

    share = 1 + beside + BESIDE_HOSTS
    assert answer.complete + answer.incomplete == 2 + share
    assert ports_of(registry, "10.0.0.66") == [*range(10_000 + MAX_MEMBERS - share, 10_000 + MAX_MEMBERS)]
    if not beside:
        assert PeerAddress("10.0.0.1", 6001) in answer.peers


def test_of_too_many_peers_of_an_address_the_one_that_has_been_silent_longest_goes():
    registry = make_registry([])
    registry.allow(HASH, ["10.0.0.1"])
    there = range(7000, 7001 + BESIDE_HOSTS)
    crowd(registry, "10.0.0.1", there, now=0.0)
    crowd(registry, "10.0.0.1", [port for port in there if port != 7003], now=5.0)
    crowd(registry, "10.0.0.1", [8000], now=6.0)
    assert ports_of(registry, "10.0.0.1") == sorted({*there, 8000} - {7003})


def test_peers_that_move_or_come_back_at_their_port_push_out_nobody():
    registry = make_registry([])
    registry.allow(HASH, ["10.0.0.1"])
    there = range(7000, 7001 + BESIDE_HOSTS)
    crowd(registry, "10.0.0.1", there, now=0.0)
    for life in range(20):
        registry.announce(announce(7001, port=8000 + life), "10.0.0.1", now=1.0 + life)
        registry.announce(announce(9000 + life, port=7002), "10.0.0.1", now=1.0 + life)
    assert ports_of(registry, "10.0.0.1") == sorted({*there, 8019} - {7001})


def test_the_share_of_an_address_is_that_of_the_most_hosts_that_were_named_there_at_once():
    registry = make_registry([])
    for count in (3, 5, 2):
        registry.allow(HASH, ["127.0.0.1"] * count)
    crowd(registry, "127.0.0.1", range(7000, 7100), now=0.0)
    assert len(ports_of(registry, "127.0.0.1")) == 5 + BESIDE_HOSTS


def test_where_nobody_said_who_takes_part_no_address_fills_a_swarm(monkeypatch):
    assert 10 * registry_module.OF_A_STRANGER <= MAX_MEMBERS
    monkeypatch.setattr(registry_module, "OF_A_STRANGER", 20)
    registry = make_registry()
    registry.announce(announce(1, left=0), "10.0.0.1", now=0.0)
    crowd(registry, "10.0.0.66", range(7000, 7100), now=1.0)
    assert ports_of(registry, "10.0.0.66") == [*range(7080, 7100)]
    assert ports_of(registry, "10.0.0.1") == [6001]


@pytest.mark.parametrize("compact", [True, False])
@pytest.mark.parametrize("host", ["255.255.255.{}", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ff{:02x}"])
def test_an_answer_stays_below_a_kibibyte(compact, host):
    registry = make_registry()
    for number in range(200):
        registry.announce(announce(number, port=65000), host.format(number), now=0.0)
    answer = registry.announce(announce(999, num_want=10_000, compact=compact), host.format(250), now=0.0)
    assert 15 <= len(answer.peers) <= 50
    assert len(encode_response(answer, compact)) <= 1024


@dataclass(frozen=True, eq=False)
class Peer:
    number: int
    complete: bool = False


def named_to(asker, others, count, rng):
    """Return whom of *others*, in the order they joined, and the asker itself among them, is named."""
    seeders, leechers = Pool(), Pool()
    for peer in [*others, asker]:
        (seeders if peer.complete else leechers).add(peer)
    return hand_out(asker, seeders, leechers, count, rng)


def test_a_few_are_all_named_in_any_order():
    others = [Peer(n) for n in range(30)]
    named = named_to(Peer(99), others, 30, random.Random(1))
    assert named != others
    assert sorted(named, key=lambda p: p.number) == others


def test_of_many_a_seeder_and_the_latest_are_always_named():
    others = [Peer(0, complete=True), *(Peer(n) for n in range(1, 500))]
    for seed in range(20):
        named = {peer.number for peer in named_to(Peer(999), others, 30, random.Random(seed))}
        assert len(named) == 30
        assert {0, 494, 495, 496, 497, 498, 499} <= named


def test_who_asks_for_one_gets_a_seeder_and_who_asks_for_none_nobody():
    others = [Peer(0, complete=True), *(Peer(n) for n in range(1, 500))]
    assert named_to(Peer(999), others, 1, random.Random(1)) == [others[0]]
    assert named_to(Peer(999), others, 0, random.Random(1)) == []


def test_the_latest_are_not_named_twice_for_being_complete():
    others = [Peer(n, complete=n >= 97) for n in range(100)]
    named = named_to(Peer(999), others, 20, random.Random(1))
    assert len(set(named)) == len(named) == 20


def test_whom_chance_names_is_spread_evenly():
    """Nobody is named to all, else its connections run out."""
    others = [Peer(n) for n in range(500)]
    times = [0] * 500
    rng = random.Random(1)
    for _ in range(500):
        for peer in named_to(Peer(999), others, 30, rng):
            times[peer.number] += 1
    assert max(times[:-6]) < 60
    assert min(times) > 5


def test_whoever_is_named_may_stand_anywhere():
    """Clients dial from the front: who is always named must not always stand there."""
    seeders, leechers = Pool(), Pool()
    seeders.add(Peer(0, complete=True))
    for number in range(1, 100):
        leechers.add(Peer(number))
    rng = random.Random(1)
    places = {number: [0] * 10 for number in (0, 98, 99)}
    for _ in range(3000):
        named = [peer.number for peer in hand_out(Peer(999), seeders, leechers, 10, rng)]
        for number, times in places.items():
            times[named.index(number)] += 1
    for times in places.values():
        assert 200 < min(times) <= max(times) < 400


def test_the_complete_are_told_of_the_incomplete_alone():
    others = [Peer(n, complete=n % 2 == 0) for n in range(200)]
    for count in (30, 100):
        named = named_to(Peer(999, complete=True), others, count, random.Random(1))
        assert len({peer.number for peer in named}) == count
        assert not any(peer.complete for peer in named)


def test_a_pool_forgets_who_is_dropped_and_nobody_else():
    pool, peers = Pool(), [Peer(n) for n in range(5)]
    for peer in peers:
        pool.add(peer)
    for gone in (0, 4, 2):
        pool.drop(peers[gone])
    assert {peer.number for peer in pool.members} == {1, 3}
    assert [pool.members[place].number for place in pool.latest()] == [3, 1]
    assert [pool.place(peers[n]) for n in (0, 2, 4)] == [None] * 3


def test_five_hundred_that_join_at_once_know_each_other_through_each_other():
    """However they were told: from the seeder, everybody is reached over who was named to whom."""
    registry = make_registry()
    known = {}
    for number in range(500):
        answer = registry.announce(announce(number, left=number), "10.0.0.1", now=0.0)
        known[number] = {peer.port - 6000 for peer in answer.peers}
    links = {number: set(named) for number, named in known.items()}
    for number, named in known.items():
        for other in named:
            links[other].add(number)
    reached, edge = {0}, {0}
    while edge:
        edge = set().union(*(links[number] for number in edge)) - reached
        reached |= edge
    assert len(reached) == 500
