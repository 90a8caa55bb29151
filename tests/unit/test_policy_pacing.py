"""A limit: what may move at once, what comes in with time, and how many can be fed by it."""

from __future__ import annotations

import random

import pytest

from murder_fabric.errors import BadInput
from murder_fabric.net.peer_protocol import USER_TIMEOUT
from murder_fabric.policy.pacing import (
    BURST,
    FED,
    LEAST_SHARE,
    Limits,
    TokenBucket,
    connections_read,
    slots_fed,
)

RATE = 1_000_000


def test_a_tenth_of_a_second_may_move_at_once_and_no_more_is_saved_up():
    bucket = TokenBucket(RATE, now=0.0)
    assert bucket.left(now=0.0) == bucket.left(now=3600.0) == RATE * BURST


def test_more_may_be_saved_up_where_somebody_says_so():
    bucket = TokenBucket(RATE, 30.0, now=0.0)
    assert bucket.left(now=0.0) == bucket.left(now=3600.0) == 30 * RATE


def test_what_moved_too_early_is_made_up_for():
    bucket = TokenBucket(RATE, now=0.0)
    bucket.moved(RATE // 2, now=0.0)
    assert bucket.left(now=0.0) == pytest.approx(-0.4 * RATE)
    assert bucket.wait(1, now=0.0) == pytest.approx(0.4, abs=0.001)
    assert bucket.left(now=0.3) < 0 < bucket.left(now=0.41)


def test_for_more_than_ever_may_move_nobody_waits_longer_than_for_all_of_it():
    bucket = TokenBucket(RATE, now=0.0)
    bucket.moved(RATE // 10, now=0.0)
    assert bucket.wait(100 * RATE, now=0.0) == pytest.approx(BURST)
    assert bucket.wait(1, now=10.0) == 0.0


@pytest.mark.parametrize("seed", range(5))
def test_over_any_tenth_of_a_second_two_tenths_and_one_turn_are_the_most(seed):
    """Whoever moves a share as soon as anything is left, at moments of chance, stays smooth."""
    rng, now, moved = random.Random(seed), 0.0, []
    bucket = TokenBucket(RATE, now=now)
    while now < 5.0:
        if bucket.left(now=now) > 0:
            length = rng.randint(1, bucket.share(8))
            bucket.moved(length, now=now)
            moved.append((now, length))
        now += rng.uniform(0, 0.002)
    for start, _ in moved:
        window = sum(length for at, length in moved if start <= at < start + BURST)
        assert window <= 2 * BURST * RATE + bucket.share(8)
    assert sum(length for _, length in moved) <= 5.0 * RATE + BURST * RATE + bucket.share(8)
    assert sum(length for _, length in moved) > 4.5 * RATE


@pytest.mark.parametrize(
    ("waiting", "share"), [(0, 100_000), (1, 100_000), (10, 10_000), (1000, LEAST_SHARE)]
)
def test_who_waits_shares_what_may_move(waiting, share):
    assert TokenBucket(RATE, now=0.0).share(waiting) == share


@pytest.mark.parametrize(("upload", "slots"), [(None, 60), (10 * RATE, 60), (5 * FED, 5), (FED - 1, 1)])
def test_no_more_peers_are_served_than_can_be_fed(upload, slots):
    assert slots_fed(upload, 60) == slots


@pytest.mark.parametrize("download", [10_000, 30_000, 49_000, 50_000, RATE])
def test_no_connection_waits_for_its_turn_until_the_other_end_takes_us_for_dead(download):
    connections = connections_read(download, 60)
    share = TokenBucket(download, now=0.0).share(connections)
    assert connections * share / download < USER_TIMEOUT / 1000 / 1.5
    assert connections >= 12


def test_without_a_limit_there_are_as_many_connections_as_there_may_be():
    assert (connections_read(None, 60), connections_read(RATE, 60), connections_read(1, 60)) == (60, 60, 2)


@pytest.mark.parametrize("wrong", [{"upload": 0}, {"download": -1}, {"dscp": 64}, {"dscp": -1}])
def test_limits_that_cannot_be_meant_are_refused(wrong):
    with pytest.raises(BadInput, match="cannot be meant"):
        Limits(**wrong)
