"""When a download is given up."""

from __future__ import annotations

import pytest

from murder_fabric.policy.stalling import (
    GIVE_UP_AFTER,
    ORPHANED_AFTER,
    REACH_WITHIN,
    Stall,
    never_began_sentence,
    orphaned_sentence,
    sentence,
)


def test_bytes_that_come_keep_hope_alive():
    stall = Stall(now=100.0)
    assert not stall.is_over(1, now=100.0 + GIVE_UP_AFTER)
    assert not stall.is_over(1, now=100.0 + 2 * GIVE_UP_AFTER - 1)
    assert stall.is_over(1, now=100.0 + 2 * GIVE_UP_AFTER)


@pytest.mark.parametrize(("reached", "given_up"), [(False, True), (True, False)])
def test_who_has_reached_nobody_gives_up_earlier(reached, given_up):
    stall = Stall(now=5.0)
    assert not stall.never_began(False, now=5.0 + REACH_WITHIN - 0.1)
    assert stall.never_began(reached, now=5.0 + REACH_WITHIN) is given_up


def test_a_tracker_that_answered_once_and_died_is_no_reason_to_give_up_early():
    stall = Stall(now=0.0)
    stall.never_began(True, now=1.0)
    assert not stall.never_began(False, now=REACH_WITHIN + 1)


def test_a_download_whose_source_has_left_waits_for_it_and_not_for_long():
    """Fault row 4."""
    stall = Stall(now=0.0)
    assert not stall.is_orphaned(5, has_source=True, now=1.0)
    assert not stall.is_orphaned(5, has_source=False, now=ORPHANED_AFTER)
    assert stall.is_orphaned(5, has_source=False, now=1.0 + ORPHANED_AFTER)
    assert ORPHANED_AFTER < 30


@pytest.mark.parametrize(("byte_count", "has_source"), [(6, False), (5, True)])
def test_a_source_that_comes_back_in_time_is_enough(byte_count, has_source):
    stall = Stall(now=0.0)
    assert not stall.is_orphaned(5, has_source=True, now=1.0)
    assert not stall.is_orphaned(byte_count, has_source=has_source, now=ORPHANED_AFTER)
    assert not stall.is_orphaned(byte_count, has_source=False, now=2 * ORPHANED_AFTER - 1)


def test_the_sentences_say_what_is_missing_and_what_to_start():
    assert "3 of 9 pieces" in sentence(3, 9, 0, None)
    assert "Start the seeder" in sentence(3, 9, 1, None)
    assert "3 of 9 pieces are missing, no connected peer has them" in orphaned_sentence(3, 9, 1)
    assert "none of the 2 connected peers has them all" in orphaned_sentence(3, 9, 2)
    assert "refused" in never_began_sentence("http://t/announce: refused")
    assert "it did not answer" in never_began_sentence(None)
