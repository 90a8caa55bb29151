"""When a download is given up."""

from __future__ import annotations

from functools import partial

import pytest

from murder_fabric.policy.stalling import (
    GIVE_UP_AFTER,
    LONGEST_LOOK,
    ORPHANED_AFTER,
    REACH_WITHIN,
    TRICKLE,
    Stall,
    never_began_sentence,
    orphaned_sentence,
    sentence,
)

#: What a slow link brings while `GIVE_UP_AFTER` passes, and more.
ENOUGH = int(TRICKLE * GIVE_UP_AFTER) + 1


def given_up_after(rate, *, longest=3600):
    """Return after how many seconds a download of *rate* bytes a second is given up; None: not so soon."""
    stall = Stall(now=100.0)
    return next((s for s in range(longest) if stall.is_over(int(rate * s), now=100.0 + s)), None)


def last_look(look, first, last):
    """Look once a second, from *first* to *last*; return whether the last look gives up, and no other."""
    looks = [look(now=float(now)) for now in range(int(first), int(last) + 1)]
    assert not any(looks[:-1])
    return looks[-1]


def is_over(stall, byte_count, first, last):
    return last_look(partial(stall.is_over, byte_count), first, last)


def never_began(stall, reached, first, last):
    return last_look(partial(stall.never_began, reached), first, last)


def is_orphaned(stall, byte_count, first, last):
    return last_look(partial(stall.is_orphaned, byte_count, has_source=False), first, last)


def test_bytes_that_come_keep_hope_alive():
    stall = Stall(now=0.0)
    assert not is_over(stall, 0, 1, 59)
    assert not is_over(stall, ENOUGH, 60, 119)
    assert is_over(stall, ENOUGH, 120, 120)
    assert stall.came() == "nothing new came for 60 s"


@pytest.mark.parametrize("asleep", [61, 3600])
def test_who_slept_blames_nobody_for_that(asleep):
    """Fault row 89: the first look comes before anything is read of what arrived meanwhile."""
    stall = Stall(now=0.0)
    assert not is_over(stall, 0, 1, 10)
    assert not is_over(stall, 0, 10 + asleep, 10 + asleep + 44)
    assert is_over(stall, 0, 10 + asleep + 45, 10 + asleep + 45)


@pytest.mark.parametrize("rate", [1, 10, TRICKLE / 2])
def test_a_trickle_puts_the_end_off_and_not_for_ever(rate):
    """Fault row 22: a peer that sends a byte a second is hung up on, and found again, and so on."""
    given_up = given_up_after(rate)
    assert given_up == pytest.approx(GIVE_UP_AFTER / (1 - rate / TRICKLE), abs=1.5)


def test_a_link_that_thirty_share_is_slow_and_no_trickle():
    assert given_up_after(2 * TRICKLE) is None


def test_after_a_long_silence_what_flows_again_is_waited_for():
    stall, came = Stall(now=0.0), 0
    assert not is_over(stall, 0, 1, 59)
    for second in range(240):
        came += 200
        assert not stall.is_over(came, now=59.0 + second)


def test_of_a_trickle_it_is_said_how_little_it_was():
    stall = Stall(now=0.0)
    assert not is_over(stall, 0, 1, 9)
    assert not is_over(stall, 50_000, 10, 10)
    assert not is_over(stall, 50_030, 11, 40)
    assert is_over(stall, 50_040, 41, 71)
    assert stall.came() == "only 40 new bytes came in 61 s"


def test_what_was_wrong_or_is_begun_anew_buys_no_patience_a_second_time():
    stall = Stall(now=0.0)
    assert not stall.is_over(10_000, now=1.0)
    for second in range(2, 61):
        assert not stall.is_over(10_000 * (second % 2), now=float(second))
    assert stall.is_over(0, now=61.0)
    assert stall.came() == "nothing new came for 60 s"


def test_one_wrong_piece_ends_no_download_that_goes_on():
    stall = Stall(now=0.0)
    came = [*range(0, 300_000, 10_000), *range(200_000, 700_000, 10_000)]
    assert not any(stall.is_over(count, now=float(now)) for now, count in enumerate(came))


@pytest.mark.parametrize(("reached", "given_up"), [(False, True), (True, False)])
def test_who_has_reached_nobody_gives_up_earlier(reached, given_up):
    stall = Stall(now=5.0)
    assert not never_began(stall, False, 5, 5 + REACH_WITHIN - 1)
    assert never_began(stall, reached, 5 + REACH_WITHIN, 5 + REACH_WITHIN) is given_up


def test_a_tracker_that_answered_once_and_died_is_no_reason_to_give_up_early():
    stall = Stall(now=0.0)
    stall.never_began(True, now=1.0)
    assert not never_began(stall, False, 2, REACH_WITHIN + 1)


@pytest.mark.parametrize("asleep", [31, 3600])
def test_who_slept_before_anybody_was_reached_has_the_rest_of_the_time(asleep):
    """Fault row 89: a laptop that was shut in the first seconds of a download."""
    stall = Stall(now=0.0)
    assert not never_began(stall, False, 1, 10)
    assert not never_began(stall, False, 10 + asleep, asleep + REACH_WITHIN - LONGEST_LOOK - 1)
    assert never_began(stall, False, *[asleep + REACH_WITHIN - LONGEST_LOOK] * 2)


def test_a_download_whose_source_has_left_waits_for_it_and_not_for_long():
    """Fault row 4."""
    stall = Stall(now=0.0)
    assert not stall.is_over(5, now=0.0)
    assert not stall.is_orphaned(5, has_source=True, now=1.0)
    assert not is_orphaned(stall, 5, 2, ORPHANED_AFTER)
    assert is_orphaned(stall, 5, *[1 + ORPHANED_AFTER] * 2)
    assert ORPHANED_AFTER < 30


def test_who_slept_after_the_source_had_left_waits_for_it_as_long():
    stall = Stall(now=0.0)
    assert not is_orphaned(stall, 0, 1, 10)
    assert not is_orphaned(stall, 0, 3600, 3600 + ORPHANED_AFTER - 10 - LONGEST_LOOK - 1)
    assert is_orphaned(stall, 0, *[3600 + ORPHANED_AFTER - 10 - LONGEST_LOOK] * 2)


@pytest.mark.parametrize(("byte_count", "has_source"), [(6, False), (5, True)])
def test_a_source_that_comes_back_in_time_is_enough(byte_count, has_source):
    stall = Stall(now=0.0)
    assert not stall.is_orphaned(5, has_source=True, now=1.0)
    assert not is_orphaned(stall, 5, 2, ORPHANED_AFTER - 1)
    assert not stall.is_orphaned(byte_count, has_source=has_source, now=ORPHANED_AFTER)
    assert not is_orphaned(stall, byte_count, ORPHANED_AFTER + 1, 2 * ORPHANED_AFTER - 1)


def test_the_sentences_say_what_is_missing_and_what_to_start():
    came = Stall(now=0.0).came()
    alone = sentence(3, 9, came, [], None)
    assert "3 of 9 pieces are missing and nothing new came for 60 s as no peer is connected;" in alone
    assert "Start the seeder" in sentence(3, 9, came, ["192.0.2.1"], None)
    assert "nothing new came for 60 s: refused;" in sentence(3, 9, came, ["192.0.2.1"], "refused")
    assert "3 of 9 pieces are missing, no connected peer has them" in orphaned_sentence(3, 9, 1)
    assert "none of the 2 connected peers has them all" in orphaned_sentence(3, 9, 2)
    assert "refused" in never_began_sentence("http://t/announce: refused")
    assert "it did not answer" in never_began_sentence(None)


@pytest.mark.parametrize(
    ("count", "named"),
    [
        (1, "from 1 connected peer (192.0.2.1);"),
        (3, "from 3 connected peers (192.0.2.1, 192.0.2.2, 192.0.2.3);"),
        (5, "from 5 connected peers (192.0.2.1, 192.0.2.2, 192.0.2.3 and 2 more);"),
    ],
)
def test_who_was_waited_for_in_vain_is_named(count, named):
    peers = [f"192.0.2.{number}" for number in range(1, count + 1)]
    assert named in sentence(3, 9, Stall(now=0.0).came(), peers, None)
