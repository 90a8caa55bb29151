"""Which release is the way back, and which may go: tables of releases, nothing on disk."""

from __future__ import annotations

from dataclasses import replace

import pytest

from murder_fabric.agent.keeping import Release, surplus, ways_back


def releases(text: str) -> list[Release]:
    """
    Make releases, oldest first: `v1` was current before, `v2!` too and is bad, `v3?` was never, `v4*` is.

    What has no receipt is in brackets: `(20260101000000)`.
    """
    made = []
    for place, word in enumerate(text.split()):
        tag = word.strip("()!?*")
        made.append(
            Release(
                tag,
                digest="" if "(" in word else "d",
                current="*" in word,
                place=None if "?" in word or "(" in word else place,
                bad="it failed" if "!" in word else "",
                at=float(place),
            )
        )
    return made


@pytest.mark.parametrize(
    ("there", "back"),
    [
        ("v1 v2 v3*", ["v2", "v1"]),
        ("v1 v2! v3*", ["v1"]),
        ("v1 v2? v3*", ["v1"]),
        ("v1! v2*", []),
        ("v1*", []),
        ("(20260101000000) v1*", []),
        ("v2* v3", ["v3"]),
    ],
)
def test_the_way_back_is_what_was_current_and_is_not_bad(there: str, back: list[str]) -> None:
    assert ways_back(releases(there)) == back


def test_a_clock_that_was_put_back_changes_nothing_of_what_is_kept() -> None:
    there = [replace(one, at=at) for one, at in zip(releases("v1 v2 v3 v4 v5 v6*"), [100, 101, 102, 3, 4, 5])]
    fetched = Release("v7", digest="d", at=6.0)
    assert sorted(surplus([*there, fetched], 3)) == ["v1", "v2", "v3"]
    assert sorted(surplus([*there, fetched], 4)) == ["v1", "v2"]


@pytest.mark.parametrize(
    ("there", "keep", "gone"),
    [
        ("v1 v2 v3 v4*", 2, ["v1", "v2"]),
        ("v1 v2 v3 v4*", 9, []),
        # Failed and prestaged releases do not push good ones out (capistrano#1907).
        ("v1 v2* v3! v4! v5!", 2, ["v3"]),
        ("v1 v2! v3! v4! v5*", 1, ["v2", "v3", "v4"]),
        ("v1 v2* v3?", 1, []),
        ("v1? v2 v3*", 2, ["v1"]),
        # The current one stays however old it is, and so does the way back.
        ("v1* v2! v3! v4!", 1, ["v2", "v3"]),
        ("v1 v2! v3*", 1, ["v2"]),
        ("v1* v2 v3", 1, ["v2"]),
        # Capistrano's count as others; what has no name as Capistrano's is nobody's business.
        ("(20260101000000) (20260102000000) (before-murder) v1 v2*", 2, ["20260101000000", "20260102000000"]),
        ("(20260101000000) (20260102000000) v1*", 2, []),
    ],
)
def test_what_may_go(there: str, keep: int, gone: list[str]) -> None:
    assert surplus(releases(there), keep) == gone


def test_states_have_one_word_each() -> None:
    assert [release.state for release in releases("v1 v2! v3? (20260101000000) v4*")] == [
        *("good", "bad", "fetched", "unknown", "good")
    ]
