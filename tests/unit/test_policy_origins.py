"""What is asked of an origin, and how often it may fail."""

from __future__ import annotations

import random

from murder_fabric.bitfield import Bitfield
from murder_fabric.policy.origins import RETRY_AFTER, STANDSTILL, OriginShare, OriginTrouble
from murder_fabric.policy.picker import PiecePicker


def test_an_origin_is_all_there_is_until_peers_send_and_when_they_stop():
    share = OriginShare()
    assert share.is_all_there_is(now=0.0)
    share.peers_sent(now=10.0)
    assert not share.is_all_there_is(now=10.0 + STANDSTILL - 0.1)
    assert share.is_all_there_is(now=10.0 + STANDSTILL)


def test_failures_in_a_row_end_it_and_an_answer_forgives_them():
    trouble = OriginTrouble()
    assert [trouble.failed() for _ in range(2)] == list(RETRY_AFTER[:2])
    trouble.answered()
    assert [trouble.failed() for _ in range(4)] == [*RETRY_AFTER, None]


def test_what_somebody_else_has_is_not_unshared():
    picker = PiecePicker(Bitfield(3), random.Random(1))
    picker.appeared(0)
    assert {picker.take_unshared(), picker.take_unshared()} == {1, 2}
    assert picker.take_unshared() is None
    picker.vanished(0)
    assert picker.take_unshared() == 0
