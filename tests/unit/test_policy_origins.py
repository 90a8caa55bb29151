"""What is asked of an origin, and how often it may fail."""

from __future__ import annotations

import random

from murder_fabric.bitfield import Bitfield
from murder_fabric.policy.origins import (
    LITTLE,
    PART,
    RETRY_AFTER,
    STANDSTILL,
    OriginShare,
    OriginTrouble,
    Share,
)
from murder_fabric.policy.picker import PiecePicker

#: Bytes that are not next to nothing, where nobody knows what an origin brings.
ENOUGH = round(LITTLE * STANDSTILL)


def test_an_origin_is_all_there_is_until_peers_send_and_when_they_stop():
    share = OriginShare()
    assert share.of_work(False, now=0.0) is Share.ANYTHING
    share.came(ENOUGH, origin=False, now=10.0)
    assert share.of_work(False, now=10.0 + STANDSTILL - 0.1) is Share.UNSHARED
    assert share.of_work(False, now=10.0 + STANDSTILL) is Share.ANYTHING


def test_while_a_seeder_serves_an_origin_is_asked_for_nothing():
    share = OriginShare()
    assert share.of_work(True, now=5.0) is Share.NOTHING
    share.came(ENOUGH, origin=False, now=6.0)
    assert share.of_work(True, now=6.0 + STANDSTILL - 0.1) is Share.NOTHING
    assert share.of_work(False, now=6.0 + STANDSTILL - 0.1) is Share.UNSHARED


def test_a_seeder_that_sends_nothing_is_no_reason_to_wait_for_long():
    share = OriginShare()
    assert share.of_work(True, now=5.0) is Share.NOTHING
    assert share.of_work(True, now=5.0 + STANDSTILL) is Share.ANYTHING
    assert share.of_work(True, now=6.0 + STANDSTILL) is Share.ANYTHING


def test_a_seeder_that_comes_and_goes_gets_no_time_anew():
    share = OriginShare()
    share.of_work(True, now=5.0)
    share.of_work(False, now=6.0)
    assert share.of_work(True, now=5.0 + STANDSTILL) is Share.ANYTHING


def test_next_to_nothing_is_nothing():
    share = OriginShare()
    share.of_work(True, now=0.0)
    for second in range(1, 10):
        share.came(int(LITTLE) - 1, origin=False, now=float(second))
    assert share.of_work(True, now=9.5) is Share.ANYTHING
    share.came(ENOUGH, origin=False, now=10.0)
    assert share.of_work(True, now=10.5) is Share.NOTHING


def test_what_origins_brought_says_what_is_next_to_nothing():
    share = OriginShare()
    share.of_work(True, now=0.0)
    for tenth in range(200):
        share.came(10 * ENOUGH, origin=True, now=tenth / 10)
    share.came(ENOUGH, origin=False, now=20.0)
    assert share.of_work(True, now=20.0) is Share.ANYTHING
    share.came(round(100 * ENOUGH * PART * STANDSTILL * 1.1), origin=False, now=20.0)
    assert share.of_work(True, now=20.0) is Share.NOTHING


def test_failures_in_a_row_end_it_and_an_answer_forgives_them():
    trouble = OriginTrouble()
    assert [trouble.failed() for _ in range(2)] == list(RETRY_AFTER[:2])
    trouble.answered()
    assert [trouble.failed() for _ in range(4)] == [*RETRY_AFTER, None]


def test_what_somebody_else_has_is_not_unshared():
    picker = PiecePicker(Bitfield(3), random.Random(1))
    picker.appeared([0])
    assert {picker.take_unshared(), picker.take_unshared()} == {1, 2}
    assert picker.take_unshared() is None
    picker.vanished([0])
    assert picker.take_unshared() == 0
