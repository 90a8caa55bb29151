"""What clients of another kind are given so that they do not fall behind ours."""

from __future__ import annotations

import random

from murder_fabric.bitfield import Bitfield
from murder_fabric.policy.pipeline import bytes_ahead
from murder_fabric.policy.superseeding import SHOWN_AHEAD, SuperSeeder

BLOCK, PIECE = 16 * 1024, 64 * 1024


def test_what_a_client_that_confirms_once_a_second_sees_ahead_doubles():
    seeder, has = SuperSeeder(100, random.Random(1)), Bitfield(100)
    ahead, seen, now = seeder.joined("transmission", has, now=0.0), [], 0.0
    while ahead:
        seen.append(len(ahead))
        now += 1.0
        for index in ahead:
            has.add(index)
        said = [seeder.confirmed("transmission", index, has, is_our_kind=False, now=now) for index in ahead]
        ahead = [index for shown in said for index in shown]
    assert seen[:4] == [SHOWN_AHEAD, 2 * SHOWN_AHEAD, 4 * SHOWN_AHEAD, 8 * SHOWN_AHEAD]
    assert has.complete


def test_a_second_of_a_stock_clients_rate_stays_asked_for_up_to_a_limit():
    assert bytes_ahead(0.0, 0.0, BLOCK, PIECE) == 16 * BLOCK
    assert bytes_ahead(1_000_000.0, 0.0, BLOCK, PIECE) == 1_000_000
    assert bytes_ahead(1e9, 0.0, BLOCK, PIECE) == 4 << 20


def test_ours_are_asked_for_a_tenth_of_a_second():
    assert bytes_ahead(10_000_000.0, 0.0, 4 << 20, PIECE) == 1_000_000


def test_as_much_more_is_asked_for_as_comes_while_a_question_is_on_its_way_and_once_more():
    assert bytes_ahead(10_000_000.0, 0.1, 4 << 20, PIECE) == 3_000_000
    assert bytes_ahead(1_000_000.0, 60.0, 4 << 20, PIECE) == 2_100_000
