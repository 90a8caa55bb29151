"""Whole swarms in memory: everybody gets everything, whatever one of them does; fault rows 43 to 46."""

from __future__ import annotations

import pytest
from memory_swarm import Host, World, torrent

from murder_fabric.wire.extensions import peer_key

KEY = peer_key(b"t" * 16)


def swarm(world, info, payload, peers=8, seeder=None, **config):
    """Return a seeder and peers that the tracker has told of each other."""
    first = Host(world, "seeder", info, payload, **{**config, **(seeder or {})})
    others = [Host(world, f"peer{number}", info, **config) for number in range(peers)]
    for host in others:
        host.learn(first, *(other for other in others if other is not host))
    return first, others


def assert_all_complete(world, hosts, payload, within):
    assert world.run(within, until=lambda: all(host.completed_at for host in hosts)), [
        (host.name, host.session.have.have) for host in hosts
    ]
    for host in hosts:
        assert bytes(host.disk.data) == payload
        assert sorted(host.verified) == list(range(len(host.session.have)))
        assert host.failures == []


@pytest.mark.parametrize("key", [None, KEY], ids=["open", "token"])
@pytest.mark.parametrize("super_seed", [False, True], ids=["plain", "super-seeding"])
def test_one_seeder_and_eight_peers_complete(key, super_seed):
    world, (info, payload) = World(), torrent(pieces=24)
    seeder, peers = swarm(world, info, payload, seeder={"super_seed": super_seed, "rate": 1 << 20}, key=key)
    assert_all_complete(world, peers, payload, within=20)
    for host in peers:
        assert host.session.bytes_downloaded >= len(payload)
    everybody = [seeder, *peers]
    assert sum(host.session.bytes_uploaded for host in everybody) == sum(
        host.session.bytes_downloaded for host in everybody
    )


def test_each_knows_what_came_from_whom_also_once_they_have_parted():
    world, (info, payload) = World(), torrent(pieces=24)
    seeder, peers = swarm(world, info, payload, peers=3, seeder={"super_seed": True, "rate": 1 << 20})
    assert_all_complete(world, peers, payload, within=20)
    before = [host.session.received_from() for host in peers]
    # A peer that was shown three of the seeder's pieces looks in again now and then.
    assert world.run(20, until=lambda: all(host.open_links == [] for host in peers))
    assert [host.session.received_from() for host in peers] == before
    for host, received in zip(peers, before):
        others = {one.address for one in [seeder, *peers] if one is not host}
        assert received.keys() <= others
        assert len(payload) <= sum(received.values()) <= host.session.bytes_downloaded
    assert seeder.session.received_from() == {}


def test_a_super_seeder_uploads_little_more_than_one_copy():
    world, (info, payload) = World(), torrent(pieces=64)
    seeder, peers = swarm(world, info, payload, seeder={"super_seed": True, "rate": 1 << 17})
    assert_all_complete(world, peers, payload, within=60)
    assert seeder.session.bytes_uploaded < 1.5 * len(payload)


def test_all_links_between_the_complete_are_closed_and_nobody_dials_again():
    world, (info, payload) = World(), torrent()
    seeder, peers = swarm(world, info, payload, peers=4)
    assert_all_complete(world, peers, payload, within=10)
    world.run(10)
    assert [host.open_links for host in [seeder, *peers]] == [[]] * 5
    before = len(world.dialed)
    world.run(30)
    assert len(world.dialed) == before


def test_a_link_between_the_complete_stays_until_both_have_heard_it():
    """Whoever hangs up at once takes its own `HaveAll` along, and the other connects again, for ever."""
    world, (info, payload) = World(), torrent()
    one, other = Host(world, "one", info, payload), Host(world, "other", info, payload)
    one.learn(other)
    world.settle()
    assert [len(host.open_links) for host in (one, other)] == [1, 1]
    world.run(1)
    assert [host.open_links for host in (one, other)] == [[], []]
    for host in (one, other):
        assert [peer.has.complete for peer in (link.peer for link in host.links)] == [True]


def test_who_has_everything_asks_a_super_seeder_ever_more_rarely():
    """It cannot know that the other has everything too."""
    world, (info, payload) = World(), torrent()
    swarm(world, info, payload, peers=1, seeder={"super_seed": True})
    world.run(5)
    before = len(world.dialed)
    world.run(60)
    assert len(world.dialed) - before < 12


def test_late_joiners_get_everything_from_those_who_have_it():
    world, (info, payload) = World(), torrent()
    seeder, peers = swarm(world, info, payload, peers=3)
    assert_all_complete(world, peers, payload, within=10)
    seeder.accepts = False
    late = Host(world, "late", info)
    late.learn(seeder, *peers)
    assert_all_complete(world, [late], payload, within=10)


def test_who_resumes_is_sent_only_what_it_lacks():
    world, (info, payload) = World(), torrent(pieces=16)
    seeder = Host(world, "seeder", info, payload, super_seed=True)
    resumed = Host(world, "resumed", info, payload, pieces=range(12))
    resumed.disk.data[12 * info.piece_length :] = bytes(len(payload) - 12 * info.piece_length)
    fresh = Host(world, "fresh", info)
    resumed.learn(seeder, fresh)
    fresh.learn(seeder)
    assert world.run(20, until=lambda: resumed.completed_at and fresh.completed_at)
    assert sorted(resumed.verified) == [12, 13, 14, 15]
    assert bytes(resumed.disk.data) == bytes(fresh.disk.data) == payload
    assert resumed.session.bytes_downloaded < 5 * info.piece_length


def test_a_liar_is_banned_after_two_strikes_and_nobody_else_is():
    """Row 43."""
    world, (info, payload) = World(), torrent(pieces=24)
    _, peers = swarm(world, info, payload, peers=6, seeder={"rate": 1 << 17})
    liar = Host(world, "liar", info, payload)
    liar.disk.lie = True
    for host in peers:
        host.learn(liar)
    assert_all_complete(world, peers, payload, within=60)
    for host in peers:
        struck = {link.other.host.name: link.peer.strikes for link in host.links if link.peer.strikes}
        assert struck in ({}, {"liar": 1}, {"liar": 2})
        assert banned_by(host) == (["liar"] if struck == {"liar": 2} else [])
    assert any(banned_by(host) for host in peers)


def test_a_piece_that_rotted_is_one_strike_and_no_ban_and_comes_from_another():
    """Row 34: it was right when its host looked."""
    world, (info, payload) = World(), torrent(pieces=24)
    rotten, host = Host(world, "rotten", info, payload), Host(world, "fresh", info)
    rotten.disk.data[5 * info.piece_length + 7] ^= 1
    host.learn(rotten)
    assert world.run(10, until=lambda: host.links and host.links[0].peer.strikes)
    assert world.run(20, until=lambda: host.session.have.have == 23)  # all others come from it
    assert [(link.peer.strikes, link.closed) for link in host.links] == [(1, None)]
    host.learn(Host(world, "seeder", info, payload))
    assert_all_complete(world, [host], payload, within=60)


@pytest.mark.parametrize("rate", [1 << 15, 1 << 17, 1 << 20])
def test_one_that_rotted_bans_nobody_beside_a_seeder_however_slow_that_is(rate):
    for seed in range(8):
        world, (info, payload) = World(), torrent(pieces=24, seed=seed)
        rotten = Host(world, f"rotten{seed}", info, payload)
        rotten.disk.data[(seed * 3) * info.piece_length + 7] ^= 1
        peers = [Host(world, f"web{number}", info) for number in range(3)]
        for host in peers:
            host.learn(rotten, Host(world, "seeder", info, payload, rate=rate), *peers)
        assert_all_complete(world, peers, payload, within=120)
        assert {link.peer.strikes for host in peers for link in host.links if link.peer} <= {0, 1}
        assert [banned_by(host) for host in peers] == [[], [], []]


def banned_by(host):
    """Return the names of those *host* has banned."""
    reason = "banned: 2 of its pieces did not match their hashes"
    return [link.other.host.name for link in host.links if link.closed == reason]


def test_the_banned_one_is_not_dialed_and_not_let_in_again():
    world, (info, payload) = World(), torrent(pieces=8)
    liar = Host(world, "liar", info, payload)
    liar.disk.lie = True
    victim = Host(world, "victim", info)
    victim.learn(liar)
    assert world.run(5, until=lambda: banned_by(victim) == ["liar"])
    dials = len(victim.links)
    victim.learn(liar)
    world.run(20)
    assert len([dial for dial in world.dialed if dial[1] == "victim"]) == dials
    liar.learn(victim)
    world.run(5)
    assert "banned: it sent wrong pieces, or too many messages, before" in {
        link.closed for link in victim.links
    }
    assert victim.session.have.have == 0


@pytest.mark.parametrize("seed", range(20))
def test_no_honest_peer_is_ever_banned(seed):
    """Row 44: one liar among slow honest peers, so that pieces change hands."""
    world, (info, payload) = World(), torrent(pieces=12, seed=seed)
    _, peers = swarm(world, info, payload, peers=4, seeder={"rate": 20_000}, rate=50_000)
    liar = Host(world, f"liar{seed}", info, payload, rate=30_000)
    liar.disk.lie = True
    for host in peers:
        host.learn(liar)
    assert_all_complete(world, peers, payload, within=120)
    assert {name for host in peers for name in banned_by(host)} <= {liar.name}


def test_whoever_claims_all_and_serves_nothing_delays_nobody_for_long():
    """Row 46."""
    world, (info, payload) = World(), torrent(pieces=16)
    _, peers = swarm(world, info, payload, peers=3, seeder={"rate": 1 << 18})
    mute = Host(world, "mute", info, payload, rate=0)
    for host in peers:
        host.learn(mute)
    assert_all_complete(world, peers, payload, within=12)


@pytest.mark.parametrize(("first", "second"), [("a", "b"), ("b", "a")])
@pytest.mark.parametrize("key", [None, KEY], ids=["open", "token"])
def test_two_who_dial_each_other_keep_one_connection(first, second, key):
    world, (info, payload) = World(), torrent()
    one = Host(world, first, info, payload, pieces=[0, 1], key=key)
    two = Host(world, second, info, payload, pieces=[2, 3], key=key)
    one.learn(two)
    two.learn(one)
    world.run(2)
    assert len(one.open_links) == len(two.open_links) == 1
    assert one.open_links[0].other is two.open_links[0]
    assert one.session.have.have == two.session.have.have == 4
    dialer = one.open_links[0] if one.open_links[0].peer.dialed else two.open_links[0]
    assert dialer.host.name == "a"  # the lower id's connection stays
    world.run(20)
    assert len(world.dialed) == 2


@pytest.mark.parametrize("key", [None, KEY], ids=["open", "token"])
def test_whoever_connects_again_has_lost_the_first_connection(key):
    world, (info, payload) = World(), torrent()
    one = Host(world, "a", info, payload, pieces=[0], key=key)
    two = Host(world, "b", info, payload, pieces=[1], key=key)
    for host, other in ((one, two), (two, one)):
        world.dials.append((host, other.address))
        world.run(1)
        first = host.open_links[0]
        world.dials.append((host, other.address))
        world.run(1)
        assert first.closed
        assert len(one.open_links) == len(two.open_links) == 1
        one.open_links[0].close("end of round")
        world.settle()


def test_its_own_address_is_dialed_once_and_never_again():
    """opentracker hands everybody its own address."""
    world, (info, payload) = World(), torrent()
    host = Host(world, "a", info, payload, pieces=[0])
    for _ in range(5):
        host.learn(host)
        world.run(15)
    assert len(world.dialed) == 1
    assert {link.closed.split(": ")[-1] for link in host.links} == {"connected to ourselves"}
    assert not host.session.peers


def test_an_address_where_nobody_answers_is_tried_more_and_more_rarely():
    world, (info, _) = World(), torrent()
    host = Host(world, "a", info)
    host.session.addresses_learned([("nobody", 1)], now=world.now)
    world.run(60)
    times = [time for time, *_ in world.dialed]
    gaps = [later - earlier for earlier, later in zip(times, times[1:])]
    assert 6 <= len(times) <= 12
    assert gaps[0] < 2 < gaps[2] < max(gaps) <= 10.5


def test_connections_being_made_count_as_connections():
    world, (info, _) = World(), torrent()
    host = Host(world, "a", info, dial_below=5)
    dialed = []
    host.dial = dialed.append
    host.session.addresses_learned([("10.0.0.1", port) for port in range(1, 100)], now=world.now)
    for _ in range(20):
        world.now += 0.25
        host.tick()
    assert len(dialed) == 5


def test_there_is_no_room_beyond_the_most_connections():
    world, (info, payload) = World(), torrent()
    seeder = Host(world, "seeder", info, payload, max_connections=2)
    peers = [Host(world, f"peer{number}", info) for number in range(4)]
    for host in peers:
        host.learn(seeder)
    world.settle()
    assert len(seeder.open_links) == 2
    assert_all_complete(world, peers, payload, within=30)


def test_pieces_verified_between_handshake_and_proof_are_heard_of():
    """What we have is said when the other side is trusted, not before: nothing can come in between."""
    world, (info, payload) = World(), torrent()
    one, two = Host(world, "a", info, key=KEY), Host(world, "b", info, key=KEY)
    two.learn(one)
    link = None
    while link is None or not link.peer.their_nonce:  # as far as the nonces, byte by byte
        dials, world.dials = world.dials, []
        for host, address in dials:
            world._connect(host, address)
        for one_link in world.links:
            if one_link.inbox:
                one_link.deliver()
        link = one.links[0] if one.links else None
    one.session.have.add(3)
    one.disk.data[:] = payload
    one.session._verified(3, now=world.now)
    assert world.run(2, until=lambda: two.verified == [3])
