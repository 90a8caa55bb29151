"""What clients of another kind are given so that they do not fall behind ours."""

from __future__ import annotations

import random

from murder_fabric.bitfield import Bitfield
from murder_fabric.policy.pipeline import bytes_ahead
from murder_fabric.policy.superseeding import SHOWN_AHEAD, SuperSeeder

BLOCK, PIECE = 16 * 1024, 64 * 1024


def test_what_a_client_that_confirms_once_a_second_sees_ahead_doubles():
    seeder, has = SuperSeeder(100, random.Random(1)), Bitfield(100)
    ahead, seen = seeder.joined("transmission", has), []
    while ahead:
        seen.append(len(ahead))
        for index in ahead:
            has.add(index)
        shown = [seeder.confirmed("transmission", index, has) for index in ahead]
        shown += [seeder.another("transmission", has) for _ in ahead]
        ahead = [index for index in shown if index is not None]
    assert seen[:4] == [SHOWN_AHEAD, 2 * SHOWN_AHEAD, 4 * SHOWN_AHEAD, 8 * SHOWN_AHEAD]
    assert has.complete


def test_a_second_of_a_stock_clients_rate_stays_asked_for_up_to_a_limit():
    assert bytes_ahead(0.0, BLOCK, PIECE) == 16 * BLOCK
    assert bytes_ahead(1_000_000.0, BLOCK, PIECE) == 1_000_000
    assert bytes_ahead(1e9, BLOCK, PIECE) == 4 << 20


def test_ours_are_asked_for_a_tenth_of_a_second():
    assert bytes_ahead(10_000_000.0, 4 << 20, PIECE) == 1_000_000
