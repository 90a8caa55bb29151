"""How much a peer may say beside the payload (fault row 51): pure decisions."""

from __future__ import annotations

import pytest

from murder_fabric.policy.chatter import A_SECOND, AT_ONCE, BYTES_A_WORD, MOST_KEPT, Chatter, Chatters


def said(chatter: Chatter, *, moved: int = 0, now: float = 0.0, most: int = 100_000) -> int:
    """Return how many words are within the budget."""
    count = 0
    while count < most and (chatter.said(1) or chatter.filled(moved, now=now)):
        count += 1
    return count


@pytest.mark.parametrize(
    ("moved", "seconds", "count"),
    [
        (0, 0.0, 100),
        (0, 1.0, 100 + A_SECOND),
        (10 * BYTES_A_WORD, 0.0, 110),
        (10 * BYTES_A_WORD, 1.0, 110 + A_SECOND),
        (0, 3600.0, 201),
        (1 << 30, 0.0, 201),
    ],
)
def test_time_and_payload_fill_a_budget_up_and_never_beyond_its_size(moved, seconds, count):
    assert said(Chatter(100, now=0.0), moved=moved, now=seconds) == count


def test_the_same_payload_counts_once():
    chatter = Chatter(10, now=0.0)
    assert said(chatter, moved=5 * BYTES_A_WORD) == 15
    assert said(chatter, moved=5 * BYTES_A_WORD) == 0
    chatter.filled(11 * BYTES_A_WORD, now=0.0)
    assert chatter.left(now=0.0) > 0


def test_who_hangs_up_and_comes_again_finds_what_it_left():
    chatters = Chatters(100, 3)
    first = chatters.joined("a", now=0.0)
    assert said(first) == AT_ONCE + 2 * 100 + 3
    chatters.left(first, 0, now=0.0)
    again = chatters.joined("a", now=1.0)
    assert said(again, now=1.0) == pytest.approx(A_SECOND, abs=2)


def test_what_moved_over_the_last_connection_is_not_counted_against_the_next():
    chatters = Chatters(100, 3)
    first = chatters.joined("a", now=0.0)
    said(first, moved=1 << 20)
    chatters.left(first, 1 << 20, now=0.0)
    assert said(chatters.joined("a", now=0.0), moved=10 * BYTES_A_WORD) == pytest.approx(10, abs=2)


def test_what_moved_over_a_connection_that_ended_is_to_the_credit_of_the_next():
    chatters = Chatters(100, 3)
    first = chatters.joined("a", now=0.0)
    assert said(first, most=1100) == 1100
    chatters.left(first, 100 * BYTES_A_WORD, now=0.0)
    assert chatters.joined("a", now=0.0).left(now=0.0) == AT_ONCE + 2 * 100 + 3 - 1100 + 100


def test_an_address_has_as_many_budgets_as_connections_and_others_have_their_own():
    chatters = Chatters(100, 3)
    two = [chatters.joined("a", now=0.0) for _ in range(2)]
    assert said(two[0]) == said(two[1]) == said(chatters.joined("b", now=0.0)) > AT_ONCE


def test_the_best_of_those_left_behind_is_taken():
    chatters = Chatters(100, 3)
    two = [chatters.joined("a", now=0.0) for _ in range(2)]
    said(two[0])
    for chatter in two:
        chatters.left(chatter, 0, now=0.0)
    assert chatters.joined("a", now=0.0) is two[1]
    assert chatters.joined("a", now=0.0) is two[0]


def test_a_budget_that_came_from_elsewhere_is_not_kept():
    chatters = Chatters(100, 3)
    strange = Chatter(1e9, now=0.0)
    chatters.left(strange, 0, now=0.0)
    assert chatters.joined("a", now=0.0) is not strange


def test_not_all_addresses_that_ever_were_are_remembered():
    chatters = Chatters(1, 1)
    for host in range(MOST_KEPT + 1):
        said(chatters.joined(f"host {host}", now=0.0), most=10)
    for chatter in [chatters.joined(f"host {host}", now=0.0) for host in range(MOST_KEPT + 1)]:
        chatters.left(chatter, 0, now=0.0)
    assert len(chatters._idle) == MOST_KEPT
