"""A swarm that has lost its seeders: when it is given up, and with which sentence."""

from __future__ import annotations

import pytest

from murder_fabric.deploy.hope import PATIENCE, Hope
from murder_fabric.deploy.standstill import STANDSTILL

LATE = PATIENCE + 0.1


def told(hope: Hope, host: str, now: float, unavailable: int = 0, gained: int = 5) -> None:
    progress = {"bytes_gained": gained, "unavailable": unavailable, "piece_count": 92}
    hope.heard(host, progress, now=now)


@pytest.mark.parametrize(
    ("complete", "gone", "over"),
    [
        ([], ["web4"], True),
        ([], [], False),
        (["web1"], ["web4"], False),
        (["web1"], ["web4", "web1"], True),
    ],
)
def test_while_somebody_has_everything_it_goes_on(complete: list[str], gone: list[str], over: bool) -> None:
    hope = Hope(["web4"], now=0.0)
    told(hope, "web2", 0.0, unavailable=3)
    assert hope.is_over(complete, ["web2"], gone, now=LATE) is over


def test_while_bytes_move_it_goes_on() -> None:
    hope = Hope(["web4"], now=0.0)
    told(hope, "web2", 0.0, unavailable=3)
    told(hope, "web2", 10.0, unavailable=3, gained=6)
    told(hope, "web2", 12.0, unavailable=3, gained=6)
    assert not hope.is_over([], ["web2"], ["web4"], now=10.0 + PATIENCE)
    assert hope.is_over([], ["web2"], ["web4"], now=10.0 + LATE)


def test_a_payload_that_is_all_there_among_hosts_that_lack_some_of_it_is_not_lost() -> None:
    hope = Hope(["web4"], now=0.0)
    told(hope, "web1", 0.0, unavailable=0)
    told(hope, "web2", 0.0, unavailable=7)
    assert not hope.is_over([], ["web1", "web2"], ["web4"], now=LATE)
    assert hope.is_over([], ["web2"], ["web4", "web1"], now=LATE)


def test_where_no_piece_is_lost_but_nothing_moves_for_minutes_it_is_over() -> None:
    hope = Hope(["web4"], now=0.0)
    told(hope, "web1", 0.0, unavailable=0)
    told(hope, "web2", 100.0, unavailable=7, gained=6)
    told(hope, "web1", 100.0 + STANDSTILL, unavailable=0)
    assert not hope.is_over([], ["web1", "web2"], ["web4"], now=100.0 + STANDSTILL)
    assert hope.is_over([], ["web1", "web2"], ["web4"], now=100.1 + STANDSTILL)
    assert not hope.is_over([], ["web1", "web2"], [], now=100.1 + STANDSTILL)
    assert hope.sentence(["web1", "web2"]) == (
        "the seeder web4 failed; no piece is lost, but nothing has moved for 180 s."
        " Run the same command again: it goes on with what is here"
    )


def test_hosts_that_never_said_how_far_they_are_keep_nothing_alive() -> None:
    assert Hope(["web4"], now=0.0).is_over([], ["web1"], ["web4"], now=LATE)


def test_the_sentence_says_what_went_with_the_seeders() -> None:
    hope = Hope(["web4"], now=0.0)
    assert hope.sentence(["web1"]).startswith("the seeder web4 failed before all pieces had left; what is")
    told(hope, "web1", 0.0, unavailable=3)
    assert hope.sentence(["web1"]) == (
        "the seeder web4 failed, and 3 of 92 pieces with it; what is here is kept. Run the same command again"
    )
    both = Hope(["web4", "web5"], now=0.0)
    told(both, "web1", 0.0, unavailable=1)
    assert "the seeders web[4-5] failed, and 1 of 92 pieces with them" in both.sentence(["web1"])
