"""Amounts as people read them."""

from __future__ import annotations

import pytest

from murder_fabric.units import counted, every, parse_rate, shown_seconds, shown_size


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


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0 s"), (3.6, "4 s"), (59.6, "1 min 0 s"), (125, "2 min 5 s"), (3780, "1 h 3 min")],
)
def test_a_time_is_as_exact_as_whoever_waits_wants_it(seconds: float, text: str) -> None:
    assert shown_seconds(seconds) == text


def test_all_of_one_thing_is_no_plural_either() -> None:
    assert [every(count, "host") for count in (1, 8)] == ["the only host", "all 8 hosts"]


def test_one_thing_is_no_plural() -> None:
    assert [counted(count, "host") for count in (0, 1, 2)] == ["0 hosts", "1 host", "2 hosts"]


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("500000", 500_000),
        ("10MB", 10_000_000),
        ("1.5 MB/s", 1_500_000),
        ("500kB", 500_000),
        ("80Mbit", 10_000_000),
        ("1Gbit/s", 125_000_000),
        ("2GB", 2_000_000_000),
        ("10000 B", 10_000),
    ],
)
def test_a_rate_is_read_in_bytes_or_bits_a_second(text: str, rate: int) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "-1",
        "-1MB",
        "9999",
        "10M",
        "10mb",
        "MB",
        "1e9",
        "nan",
        "1/s",
        "1MB/h",
        "10 MB /s",
        "\u0661MB",
    ],
)
def test_what_is_no_rate_or_starves_everybody_is_said_to_be_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"bytes a second such as 10MB, 500kB or 80Mbit, at least 10\.0 kB"):
        parse_rate(text)
