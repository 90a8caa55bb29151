"""Which piece to ask for, to show and to ask twice for."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from murder_fabric.bitfield import Bitfield
from murder_fabric.policy.endgame import (
    LEAST_RATE,
    MOST_SOURCES,
    OVERDUE_LATEST,
    OVERDUE_SOONEST,
    OVERDUE_TIMES,
    PATIENCE,
    choose_duplicate,
    overdue_after,
)
from murder_fabric.policy.gathering import GATHERED, MOST_GATHERED, bytes_to_gather
from murder_fabric.policy.picker import PiecePicker
from murder_fabric.policy.pipeline import (
    AHEAD,
    FEWEST_BLOCKS,
    FIRST,
    SHORTEST,
    STOCK_AHEAD,
    block_length,
    bytes_ahead,
)
from murder_fabric.policy.rarity import RarityBuckets
from murder_fabric.policy.superseeding import SHOWN_AHEAD, SuperSeeder
from murder_fabric.wire.connection import BLOCK_LENGTH


def pieces(count, *indices):
    field = Bitfield(count)
    for index in indices:
        field.add(index)
    return field


def picker(count=4, have=(), seed=1):
    return PiecePicker(pieces(count, *have), random.Random(seed))


# Rarest first -----------------------------------------------------------------------------------------------

#: Pieces that four peers have, what we have, what the asked peer has, and what it may be asked for.
FOUR_PEERS = [
    ("the rarest", [{0, 1}, {0, 1}, {0}, {0, 2}], set(), {0, 1, 2}, {2}),
    ("the rarest that it has", [{0, 1}, {0, 1}, {0}, {0, 2}], set(), {0, 1}, {1}),
    ("the rarest that we lack", [{0, 1}, {0, 1}, {0}, {0, 2}], {2}, {0, 1, 2}, {1}),
    ("one of several as rare", [{0, 1}, {0, 2}, {0, 3}, {0}], set(), {0, 1, 2, 3}, {1, 2, 3}),
    ("what only a seeder has", [{0, 1}, {0, 1}, {0, 1}, {2}], set(), None, {3}),
    ("nothing, as we have it", [{0}, {0}, {0}, {0}], {0}, {0}, {None}),
    ("nothing, as it has nothing", [{0}, {0}, {0}, {0}], set(), set(), {None}),
]


@pytest.mark.parametrize(
    ("peers", "have", "has", "choices"),
    [case[1:] for case in FOUR_PEERS],
    ids=[case[0] for case in FOUR_PEERS],
)
def test_what_is_asked_for_among_four_peers(peers, have, has, choices):
    taken = set()
    for seed in range(60):
        one = picker(have=have, seed=seed)
        for peer in peers:
            one.appeared(sorted(peer))
        taken.add(one.take(Bitfield.full(4) if has is None else pieces(4, *has)))
    assert taken == choices


def test_a_piece_is_given_to_one_peer_until_it_is_given_back():
    one = picker(count=2)
    everything = Bitfield.full(2)
    first, second = one.take(everything), one.take(everything)
    assert {first, second} == {0, 1}
    assert one.open_count == 0
    assert one.take(everything) is None
    one.give_back(second)
    assert one.take(everything) == second


def test_who_leaves_takes_its_pieces_out_of_the_count():
    one = picker(count=2)
    for indices in ([0], [0, 1], [0, 1]):
        one.appeared(indices)
    one.vanished([0])
    one.vanished([0])
    assert one.take(Bitfield.full(2)) == 0


def test_who_was_counted_and_completed_makes_no_piece_rarer():
    one = picker(count=3)
    one.appeared([0, 1])
    one.appeared([2])
    one.completed()
    one.appeared([1])
    assert one.take_unshared() in {0, 2}
    assert one.take(pieces(3, 1)) == 1


@given(
    st.integers(1, 30),
    st.lists(st.tuples(st.sampled_from(["add", "discard", "up", "down"]), st.integers(0, 29)), max_size=80),
    st.integers(0, 3),
    st.integers(0, 2**32),
)
def test_buckets_know_the_rarest_whatever_happened(count, changes, least, seed):
    buckets = RarityBuckets(count, [], random.Random(seed))
    members, seen = set(), Counter()
    for change, index in changes:
        index %= count
        if change == "add":
            buckets.add(index)
            members.add(index)
        elif change == "discard":
            buckets.discard(index)
            members.discard(index)
        elif change == "up" or seen[index]:
            step = 1 if change == "up" else -1
            buckets.shift(index, step)
            seen[index] += step
    assert len(buckets) == len(members)
    assert {index for index in range(count) if index in buckets} == members
    eligible = [index for index in members if seen[index] >= least and index % 3]
    rarest = buckets.rarest(lambda index: bool(index % 3), least=least)
    if eligible:
        assert rarest in eligible
        assert seen[rarest] == min(seen[index] for index in eligible)
    else:
        assert rarest is None


# Super-seeding ----------------------------------------------------------------------------------------------


def test_sixteen_peers_are_shown_distinct_pieces_until_each_was_shown_once():
    count, seeder = 100, SuperSeeder(100, random.Random(1))
    has = {peer: Bitfield(count) for peer in range(16)}
    pending = {peer: seeder.joined(peer, has[peer], now=0.0) for peer in has}
    shown = [index for first in pending.values() for index in first]
    assert [len(first) for first in pending.values()] == [SHOWN_AHEAD] * 16
    rng, now = random.Random(2), 0.0
    while len(shown) < count:
        peer, now = rng.randrange(16), now + 1.0
        index = pending[peer].pop(0)
        has[peer].add(index)
        more = seeder.confirmed(peer, index, has[peer], now=now)
        pending[peer] += more
        shown += more
    assert sorted(shown)[:count] == list(range(count))


def test_what_was_not_shown_earns_nothing():
    seeder = SuperSeeder(10, random.Random(1))
    shown = seeder.joined("peer", Bitfield(10), now=0.0)
    other = next(index for index in range(10) if index not in shown)
    assert seeder.confirmed("peer", other, pieces(10, other), now=1.0) == []
    assert seeder.confirmed("stranger", shown[0], pieces(10, shown[0]), now=1.0) == []
    (more,) = seeder.confirmed("peer", shown[0], pieces(10, shown[0]), now=1.0)
    assert more not in shown
    assert seeder.confirmed("peer", shown[0], pieces(10, shown[0]), now=1.0) == []


def test_nobody_is_shown_what_it_has():
    seeder = SuperSeeder(5, random.Random(1))
    assert set(seeder.joined("peer", pieces(5, 0, 1, 2), now=0.0)) == {3, 4}
    assert seeder.confirmed("peer", 3, pieces(5, 0, 1, 2, 3), now=1.0) == []


class Link:
    """A way to a peer that takes so many seconds, and so many pieces a second, one after the other."""

    def __init__(self, seeder: SuperSeeder, way: float, rate: float) -> None:
        self.seeder, self.way, self.rate = seeder, way, rate
        self.has, self.now, self.free_at = Bitfield(1000), 0.0, 0.0
        self.arriving: list[tuple[float, int]] = []
        self._shown(seeder.joined("peer", self.has, now=0.0))

    def take_one(self) -> None:
        """Let the next piece arrive, and the peer say so."""
        self.now, index = self.arriving.pop(0)
        self.has.add(index)
        self._shown(self.seeder.confirmed("peer", index, self.has, now=self.now))

    def _shown(self, indices: list[int]) -> None:
        for index in indices:
            self.free_at = max(self.free_at, self.now + self.way) + 1 / self.rate
            self.arriving.append((self.free_at, index))


@pytest.mark.parametrize(("way", "rate"), [(0.1, 100), (0.2, 50), (0.05, 400)])
def test_a_far_peer_is_shown_as_much_as_its_link_takes(way: float, rate: float):
    link = Link(SuperSeeder(1000, random.Random(1)), way, rate)
    for _ in range(200):
        link.take_one()
    began = link.now
    for _ in range(500):
        link.take_one()
    assert 500 / (link.now - began) > 0.9 * rate
    assert len(link.arriving) < 4 * way * rate


def test_a_peer_whose_link_is_full_is_shown_no_more_than_at_the_start():
    link = Link(SuperSeeder(1000, random.Random(1)), 0.001, 100)
    for _ in range(500):
        link.take_one()
    assert len(link.arriving) == SHOWN_AHEAD


def test_what_was_shown_once_is_not_shown_ahead_to_a_second():
    seeder = SuperSeeder(SHOWN_AHEAD + 1, random.Random(1))
    first = seeder.joined("first", Bitfield(SHOWN_AHEAD + 1), now=0.0)
    second = seeder.joined("second", Bitfield(SHOWN_AHEAD + 1), now=0.0)
    assert len({*first, *second}) == SHOWN_AHEAD + 1
    has = pieces(SHOWN_AHEAD + 1, second[0])
    assert len(seeder.confirmed("second", second[0], has, now=1.0)) == 1
    has.add(second[1])
    assert seeder.confirmed("second", second[1], has, now=1.0) == []


def test_what_was_shown_to_who_left_is_shown_to_the_next():
    seeder = SuperSeeder(6, random.Random(1))
    lost = seeder.joined("gone", Bitfield(6), now=0.0)
    kept = seeder.joined("here", Bitfield(6), now=0.0)
    seeder.left("gone")
    seeder.left("never was here")
    assert not set(lost) & set(kept)
    assert set(seeder.joined("next", Bitfield(6), now=1.0)) == set(lost)


# Endgame ----------------------------------------------------------------------------------------------------


@dataclass
class InFlight:
    asked_at: float
    sources: int = 1


@pytest.mark.parametrize(
    ("in_flight", "chosen"),
    [
        ([], None),
        ([InFlight(9.9), InFlight(9.8)], None),
        ([InFlight(9.0), InFlight(8.0), InFlight(9.9)], 1),
        ([InFlight(9.0), InFlight(8.0, sources=MOST_SOURCES)], 0),
        ([InFlight(9.0, sources=2), InFlight(8.0, sources=2)], None),
        ([InFlight(10.0 - PATIENCE)], 0),
    ],
)
def test_what_is_asked_twice_is_the_piece_waited_for_longest(in_flight, chosen):
    expected = None if chosen is None else in_flight[chosen]
    assert choose_duplicate(in_flight, 60.0, at_end=True, now=10.0) is expected


@pytest.mark.parametrize(
    ("waited", "sources", "at_end", "is_late"),
    [
        (3.9, 1, False, False),
        (4.0, 1, False, True),
        (4.0, 2, False, False),
        (8.0, 2, False, True),
        (8.0, 3, False, False),
        (16.0, 3, False, True),
        (3.9, 2, True, False),
        (4.0, 2, True, True),
        (4.0, 3, True, False),
    ],
)
def test_what_is_overdue_is_asked_of_one_more_and_of_another_when_it_has_waited_twice_as_long(
    waited, sources, at_end, is_late
):
    one = InFlight(100.0 - waited, sources)
    assert choose_duplicate([one], 4.0, at_end=at_end, now=100.0) is (one if is_late else None)


def test_what_is_overdue_is_measured_by_what_is_on_its_way_and_the_best_rate_there_was():
    assert overdue_after(50 << 20, 25 << 20) == OVERDUE_TIMES * 2
    assert overdue_after(1 << 20, 100 << 20) == OVERDUE_SOONEST
    assert overdue_after(LEAST_RATE, 0.0) == OVERDUE_TIMES
    assert overdue_after(1 << 30, 1.0) == OVERDUE_LATEST


# The pipeline -----------------------------------------------------------------------------------------------

MIB = 1 << 20


@pytest.mark.parametrize(
    ("rate", "request_length", "piece_length", "ahead"),
    [
        (0, MIB, MIB, 2 * MIB),
        (0, 4 * MIB, 64 * 1024, 128 * 1024),
        (20e6, 4 * MIB, 64 * 1024, int(20e6 * AHEAD)),
        (1e9, 4 * MIB, 64 * 1024, 4 * MIB),
        (1e9, 4 * MIB, 4 * MIB, 16 * MIB),
        (0, BLOCK_LENGTH, MIB, FEWEST_BLOCKS * BLOCK_LENGTH),
        (1e6, BLOCK_LENGTH, MIB, int(1e6 * STOCK_AHEAD)),
        (1e9, BLOCK_LENGTH, MIB, 4 * MIB),
        (0, BLOCK_LENGTH, BLOCK_LENGTH, 2 * BLOCK_LENGTH),
    ],
)
def test_how_much_is_kept_asked_for(rate, request_length, piece_length, ahead):
    assert bytes_ahead(rate, 0.0, request_length, piece_length) == ahead


# How much to let come ---------------------------------------------------------------------------------------

#: Bytes missing of a block, bytes a second, and how many to wait for.
GATHERINGS = [
    ("between blocks, any", 0, 1e9, 1),
    ("from who has sent nothing yet, any", 1 << 20, 0.0, 1),
    ("from a slow peer, little", 1 << 20, 20_000.0, int(20_000 * GATHERED)),
    ("from a fast one, as much as is good for it", 1 << 20, 1e9, MOST_GATHERED),
    ("at the end of a block, what is missing", 700, 1e9, 700),
]


@pytest.mark.parametrize(
    ("missing", "rate", "count"), [case[1:] for case in GATHERINGS], ids=[case[0] for case in GATHERINGS]
)
def test_what_gathers_before_anybody_looks(missing, rate, count):
    assert bytes_to_gather(missing, rate) == count


@pytest.mark.parametrize(
    ("rate", "piece_length", "length"),
    [
        (0, 4 * MIB, FIRST),
        (0, 16_000, 16_000),
        (10e6, 4 * MIB, 4 * MIB),
        (62_500, 4 * MIB, 7 * SHORTEST),
        (2_000, 4 * MIB, SHORTEST),
        (2_000, 1_000, 1_000),
        (300_000, 256 * 1024, 256 * 1024),
    ],
)
def test_a_block_takes_no_longer_than_two_seconds_where_that_can_be(rate, piece_length, length):
    assert block_length(rate, piece_length) == length
