"""Whom to serve, whom to wait for, whom to dial, and how fast they are."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from murder_fabric.policy.choker import TERM, Choker
from murder_fabric.policy.crowding import BESIDE_HOSTS
from murder_fabric.policy.peer_pool import BACKOFF, PeerPool
from murder_fabric.policy.rates import MEMORY, RateMeter
from murder_fabric.policy.snubbing import ANSWER, SNUB_AFTER, STALL_AFTER, Patience, Wait

# Choking ----------------------------------------------------------------------------------------------------


@dataclass(eq=False)
class Candidate:
    name: str
    choked_since: float
    am_choking: bool = True
    peer_interested: bool = True

    def __repr__(self):
        return self.name


def served(name, since):
    return Candidate(name, since, am_choking=False)


def waiting(name, since):
    return Candidate(name, since)


def bored(name):
    return Candidate(name, 0.0, peer_interested=False)


#: Slots, four peers, and who gets one at second 100.
FOUR_PEERS = [
    (
        "all, as long as there is room",
        4,
        [waiting("a", 99), waiting("b", 99), served("c", 1), bored("d")],
        "abc",
    ),
    ("who waited longest", 2, [waiting("a", 70), waiting("b", 60), waiting("c", 65), waiting("d", 80)], "bc"),
    (
        "who was served for less than a term",
        2,
        [served("a", 95), waiting("b", 1), waiting("c", 2), bored("d")],
        "ab",
    ),
    (
        "who waits, before who had its term",
        2,
        [served("a", 80), served("b", 85), waiting("c", 99), bored("d")],
        "ca",
    ),
    (
        "who had a term, if nobody else wants",
        2,
        [served("a", 1), served("b", 2), bored("c"), bored("d")],
        "ab",
    ),
    ("no more than there are slots", 1, [served("a", 99), served("b", 98), served("c", 97), bored("d")], "a"),
    ("nobody", 3, [bored("a"), bored("b"), bored("c"), bored("d")], ""),
]


@pytest.mark.parametrize(
    ("slots", "peers", "chosen"), [case[1:] for case in FOUR_PEERS], ids=[case[0] for case in FOUR_PEERS]
)
def test_who_gets_a_slot_of_four_peers(slots, peers, chosen):
    assert "".join(peer.name for peer in Choker(slots).choose(peers, now=100.0)) == chosen


def test_everybody_has_a_turn():
    peers = [Candidate(str(number), 0.0) for number in range(7)]
    choker, had = Choker(2), set()
    for now in range(0, int(TERM * 5), 1):
        chosen = choker.choose(peers, now=float(now))
        for peer in peers:
            if (peer in chosen) == peer.am_choking:
                peer.am_choking, peer.choked_since = not peer.am_choking, float(now)
        assert len(chosen) == 2
        had |= set(chosen)
    assert had == set(peers)


# Snubbing ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("waited", "patience"),
    [
        (0.0, Patience.WAIT),
        (SNUB_AFTER - 0.01, Patience.WAIT),
        (SNUB_AFTER, Patience.SNUB),
        (STALL_AFTER - 0.01, Patience.SNUB),
        (STALL_AFTER, Patience.GIVE_UP),
        (1e6, Patience.GIVE_UP),
    ],
)
def test_how_long_an_answer_is_waited_for(waited, patience):
    assert Wait(now=5.0).patience(now=5.0 + waited) is patience


def test_a_trickle_is_no_answer():
    wait = Wait(now=0.0)
    assert not any(wait.received(1, ended=False, now=float(now)) for now in range(10))
    assert wait.patience(now=10.0) is Patience.GIVE_UP


@pytest.mark.parametrize(("length", "ended"), [(ANSWER, False), (1, True)])
def test_a_packet_or_the_end_of_a_block_is_an_answer(length, ended):
    wait = Wait(now=0.0)
    assert wait.received(length, ended=ended, now=9.0)
    assert wait.patience(now=9.0 + SNUB_AFTER - 0.1) is Patience.WAIT


@pytest.mark.parametrize(
    ("took", "snub", "give_up"), [(0.5, SNUB_AFTER, STALL_AFTER), (4.0, 8.0, 12.0), (60.0, 20.0, 30.0)]
)
def test_who_has_answered_late_before_is_waited_for_longer_and_not_for_ever(took, snub, give_up):
    wait = Wait(now=0.0)
    wait.received(ANSWER, ended=False, now=took)
    wait.received(ANSWER, ended=False, now=took + 0.1)
    asked = took + 0.1
    assert wait.patience(now=asked + snub - 0.01) is Patience.WAIT
    assert wait.patience(now=asked + snub + 0.01) is Patience.SNUB
    assert wait.patience(now=asked + give_up + 0.01) is Patience.GIVE_UP


def test_small_parts_add_up_to_an_answer():
    wait = Wait(now=0.0)
    answers = [wait.received(ANSWER // 4, ended=False, now=float(now)) for now in range(8)]
    assert answers == [False, False, False, True] * 2


def ticked(wait, befores):
    """Look four times a second at how much has left of the block of ours that the question waits behind."""
    for number, before in enumerate(befores, start=1):
        wait.ticked(before, 0.25, now=number / 4)
    return wait.patience(now=len(befores) / 4)


def test_what_waits_behind_a_block_of_ours_is_not_held_against_who_has_not_heard_it():
    wait = Wait(now=0.0)
    wait.asked()
    assert ticked(wait, range(1000, 101_000, 1000)) is Patience.WAIT
    wait.words_left()
    assert wait.patience(now=25.0 + SNUB_AFTER - 0.3) is Patience.WAIT
    for number in range(14):
        wait.ticked(1000 + number, 0.25, now=25.0 + number / 4)
    assert wait.patience(now=25.0 + SNUB_AFTER + 0.3) is Patience.SNUB


@pytest.mark.parametrize("before", [0, 16384])
def test_where_no_block_is_before_it_or_one_that_moves_no_more_there_is_no_excuse(before):
    wait = Wait(now=0.0)
    wait.asked()
    assert ticked(wait, [before] * 60) is Patience.GIVE_UP


def test_what_we_slept_is_not_held_against_anybody():
    wait = Wait(now=0.0)
    wait.excused(60.0)
    assert wait.patience(now=61.0) is Patience.WAIT
    wait.began(now=70.0)
    assert wait.patience(now=70.0 + SNUB_AFTER) is Patience.SNUB


def test_the_shortest_way_is_that_of_what_nothing_was_asked_before():
    wait = Wait(now=0.0)
    assert wait.shortest == 0.0
    for began, came in ((1.0, 1.3), (2.0, 2.1), (3.0, 3.2)):
        wait.began(now=began)
        wait.received(1, ended=False, now=came)
        wait.received(16384, ended=True, now=came + 5.0)
    assert wait.shortest == pytest.approx(0.1)


# The pool ---------------------------------------------------------------------------------------------------

A, B, C = ("10.0.0.1", 6881), ("10.0.0.2", 6881), ("fd00::3", 6881)


def pool(*addresses, seed=1, most=1000, hosts_at=lambda host: 1):
    one = PeerPool(random.Random(seed), hosts_at, most)
    one.learned(addresses)
    return one


def test_what_is_dialed_or_connected_is_not_dialed_again():
    one = pool(A, B)
    one.connected(B)
    assert one.due(5, now=0.0) == [A]
    assert one.due(5, now=100.0) == []
    one.learned([A, B])
    assert one.due(5, now=100.0) == []


@pytest.mark.parametrize("count", [-3, 0, 1, 2, 9])
def test_no_more_are_due_than_asked_for(count):
    assert len(pool(A, B, C).due(count, now=0.0)) == min(max(count, 0), 3)


def test_whom_to_dial_first_is_chance():
    assert {pool(A, B, C, seed=seed).due(1, now=0.0)[0] for seed in range(30)} == {A, B, C}


@pytest.mark.parametrize(("failures", "seconds"), list(enumerate([1.0, 2.0, 4.0, 8.0, 8.0, 8.0])))
def test_who_fails_is_tried_again_after_1_2_4_and_then_every_8_seconds(failures, seconds):
    one = stepped(failures)
    one.failed(A, now=0.0)
    waited = next(tenth / 10 for tenth in range(200) if one.due(1, now=tenth / 10))
    assert 0.75 * seconds <= waited <= 1.25 * seconds + 0.1


def stepped(failures):
    """Return a pool whose one address has failed so often, long ago."""
    one = pool(A, seed=failures)
    for _ in range(failures):
        one.due(1, now=0.0)
        one.failed(A, now=-100.0)
    return one


def test_hosts_that_failed_together_come_back_one_by_one():
    waits = set()
    for seed in range(20):
        one = pool(A, seed=seed)
        one.failed(A, now=0.0)
        waits.add(next(tenth for tenth in range(20) if one.due(1, now=tenth / 10)))
    assert len(waits) >= 3


def test_a_connection_alone_is_no_success_but_one_of_use_is():
    one = stepped(3)
    one.connected(A)
    one.failed(A, now=0.0)
    assert one.due(1, now=5.0) == []
    one = stepped(3)
    one.connected(A)
    one.failed(A, useful=True, now=0.0)
    assert one.due(1, now=1.3) == [A]


def test_who_is_shunned_is_never_met_again():
    one = pool(A, B)
    one.shunned(A)
    one.learned([A])
    one.connected(A)
    one.failed(A, now=0.0)
    assert one.due(9, now=99.0) == [B]
    assert len(one) == 1


def test_a_tracker_cannot_fill_the_memory():
    one = pool(most=3)
    one.learned([("10.0.0.1", port) for port in range(1, 1000)])
    for port in range(1000):
        one.connected(("10.0.0.9", port))
        one.shunned(("10.0.0.8", port))
    assert len(one) == 3


def ports(host, count, first=1):
    return [(host, port) for port in range(first, first + count)]


@pytest.mark.parametrize("hosts", [1, 30])
def test_a_thousand_ports_of_one_host_crowd_out_nobody(hosts):
    """However many a tracker names; several hosts may share one address."""
    one = pool(*ports("10.0.0.66", 1000), A, B, *ports("10.0.0.66", 1000, 5000), hosts_at=lambda host: hosts)
    due = one.due(5000, now=0.0)
    assert {A, B} <= set(due)
    assert len(due) == 2 + hosts + BESIDE_HOSTS


def test_where_a_hosts_share_is_full_of_ports_that_nobody_answers_the_right_one_is_met_in_the_end():
    one = pool(*ports(A[0], 1 + BESIDE_HOSTS))
    for moment in range(len(BACKOFF) + 1):
        one.learned([A])
        dead = one.due(99, now=100.0 * moment)
        assert A not in dead
        for address in dead:
            one.failed(address, now=100.0 * moment)
    one.learned([A])
    assert A in one.due(99, now=1000.0)
    assert len(one) == 1 + BESIDE_HOSTS


def test_where_there_are_more_hosts_than_are_known_those_that_are_dead_make_room():
    one = pool(A, B, most=2)
    for moment in range(len(BACKOFF) + 1):
        one.learned([C])
        assert C not in one.due(99, now=100.0 * moment)
        one.failed(A, now=100.0 * moment)
    one.learned([C, A])
    assert one.due(99, now=1000.0) == [C]


def test_whoever_is_connected_or_has_the_room_is_kept_however_often_it_failed():
    one = pool(A, B)
    one.connected(B)
    for _ in range(100):
        one.failed(A, now=0.0)
    assert len(one) == 2


def test_a_share_is_of_who_is_known_and_not_of_who_was():
    one = pool()
    for address in ports(A[0], 100):
        one.learned([address])
        one.shunned(address)
    one.learned([A])
    assert one.due(9, now=0.0) == [A]


def test_who_was_never_met_can_fail_without_harm():
    one = pool()
    one.failed(A, now=0.0)
    assert len(one) == 0


# Rates ------------------------------------------------------------------------------------------------------


def test_nothing_moved_is_no_rate():
    assert RateMeter().rate(now=5.0) == 0.0


@given(st.floats(1e3, 1e9), st.floats(0.01, 0.25))
def test_a_steady_stream_has_its_rate(rate, interval):
    meter, now = RateMeter(), 0.0
    while now < 10 * MEMORY:
        now += interval
        meter.add(int(rate * interval), now=now)
    assert meter.rate(now=now) == pytest.approx(rate, rel=0.1)


@given(st.floats(1e3, 1e9), st.floats(0.25, 5.0))
def test_a_steady_stream_has_its_rate_however_seldom_it_is_counted(rate, interval):
    meter, now = RateMeter(), 0.0
    while now < 10 * MEMORY:
        now += interval
        meter.add_spread(int(rate * interval), now=now)
    assert meter.rate(now=now) == pytest.approx(rate, rel=0.01)
    total = meter.total
    meter.add_spread(7, now=now)  # twice in one moment
    assert meter.total == total + 7


def test_a_stream_that_ends_is_forgotten():
    meter = RateMeter()
    meter.add(1000, now=0.0)
    assert meter.rate(now=MEMORY) == pytest.approx(meter.rate(now=0.0) / math.e)
    assert meter.rate(now=100 * MEMORY) < 1e-9
    assert meter.total == 1000
