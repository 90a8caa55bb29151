"""A lease that counts the seconds in which we were awake."""

from __future__ import annotations

from murder_fabric.policy.lease import LOOK_EVERY, Lease


def looks(lease: Lease, begin: float, count: int) -> list[bool]:
    """Look so often, from *begin* on, as a process does that runs."""
    return [lease.is_over(now=begin + (number + 1) * LOOK_EVERY) for number in range(count)]


def test_it_is_over_a_minute_after_the_last_word_and_no_sooner() -> None:
    lease = Lease(60.0, now=100.0)
    assert looks(lease, 100.0, 8) == [False] * 8
    lease.heard(now=141.0)
    assert looks(lease, 141.0, 13) == [False] * 12 + [True]


def test_who_was_stopped_itself_does_not_hold_that_against_anybody() -> None:
    lease = Lease(60.0, now=100.0)
    assert looks(lease, 100.0, 1) == [False]
    assert not lease.is_over(now=5000.0)  # it wakes, and looks before it reads what has come
    lease.heard(now=5000.1)
    assert looks(lease, 5000.1, 13) == [False] * 12 + [True]


def test_who_is_gone_is_so_too_for_one_that_was_stopped() -> None:
    lease = Lease(60.0, now=100.0)
    assert not lease.is_over(now=5000.0)
    assert looks(lease, 5000.0, 11) == [False] * 10 + [True]
