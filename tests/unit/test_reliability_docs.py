"""The table of docs/reliability.md: every row is there, and every test and fault that it names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from murder_fabric.simulation.faults import FAULTS

TESTS = Path(__file__).parent.parent
PAGE = (TESTS.parent / "docs" / "reliability.md").read_text()
ROWS = [line.split("|")[1:-1] for line in PAGE.splitlines() if re.match(r"\| \d+ \|", line)]
CITED = sorted(set(re.findall(r"`(\w+/\w+\.py)(?:::(\w+))?`", PAGE)))


def test_all_92_rows_are_there_once_and_in_order():
    assert [int(row[0]) for row in ROWS] == list(range(1, 93))


def test_each_row_says_how_it_stands():
    for number, *_, shown_by, state in ROWS:
        assert re.match(r" (holds|part|not)\b", state), number
        assert bool(shown_by.strip()) is not state.startswith(" not"), number
        assert ":" in state or state.strip() in ("holds", "not"), number


@pytest.mark.parametrize(("file", "name"), CITED, ids=lambda part: part.replace("/", "."))
def test_each_test_that_is_named_is_there(file, name):
    assert re.search(rf"^ *(async )?def {name}\(", (TESTS / file).read_text(), re.MULTILINE) or not name


def test_each_kind_of_fault_is_in_the_table_and_no_other():
    assert set(re.findall(r"`sim:([a-z-]+)`", PAGE)) == set(FAULTS)
