"""Amounts as people read them."""

from __future__ import annotations

import pytest

from murder_fabric.units import counted, shown_size


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (40_500, "40.5 kB"),
        (999_999, "1.0 MB"),
        (64_000_000, "64.0 MB"),
        (2.5e9, "2.5 GB"),
        (3e12, "3.0 TB"),
    ],
)
def test_a_size_has_the_unit_that_fits(count: float, text: str) -> None:
    assert shown_size(count) == text


def test_one_thing_is_no_plural() -> None:
    assert [counted(count, "host") for count in (0, 1, 2)] == ["0 hosts", "1 host", "2 hosts"]
