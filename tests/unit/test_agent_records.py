"""Records that are torn, or were never ours, say nothing; none of them ends in a traceback."""

from __future__ import annotations

import json

import pytest

from murder_fabric.agent import holding
from murder_fabric.agent.destination import Destination
from murder_fabric.agent.history import History, Switched, parse_order
from murder_fabric.agent.locking import RunLock
from murder_fabric.agent.records import LONGEST_RECORD, parse_record, read_record
from murder_fabric.agent.releases import list_releases, mark_bad
from murder_fabric.errors import MurderError

DAMAGES = [b"", b"{", b"[]", b"7", b"\xff{}", b"[" * 60_000, b"9" * 60_000, b'{"a": ' * 10_000]


@pytest.mark.parametrize("damage", DAMAGES, ids=range(len(DAMAGES)))
def test_what_is_no_record_has_no_fields(tmp_path, damage):
    assert parse_record(damage) == {}
    (tmp_path / "record").write_bytes(damage)
    assert read_record(str(tmp_path / "record")) == {}


def test_a_record_has_its_fields_if_it_is_there_and_not_too_long(tmp_path):
    path = tmp_path / "record"
    assert read_record(str(path)) == {}
    path.write_bytes(b'{"tag": "v1"}')
    assert read_record(str(path)) == {"tag": "v1"}
    path.write_bytes(b'{"tag": "v1"}' + b" " * LONGEST_RECORD)
    assert read_record(str(path)) == {}


@pytest.mark.parametrize(
    "entries",
    [None, 7, ["v1"], [["v1"]], [["v1", "soon"]], [["v1", 10**400]], [["v1", 1, 2]], [[7, 1.5]], {"v1": 1}],
)
def test_what_is_no_history_is_an_empty_one(entries):
    assert parse_order(entries) == []


@pytest.mark.parametrize("at", ["NaN", "1e999", "-Infinity"])
def test_a_time_that_is_no_number_makes_no_history(at):
    """Releases are sorted by it."""
    assert parse_order(json.loads(f'[["v1", 1.5], ["v2", {at}]]')) == []


def test_a_history_is_in_its_order():
    assert parse_order([["v1", 1], ["v2", 2.5]]) == [Switched("v1", 1.0), Switched("v2", 2.5)]


@pytest.mark.parametrize("damage", DAMAGES, ids=range(len(DAMAGES)))
def test_a_destination_with_damaged_records_is_listed_held_and_locked(tmp_path, damage):
    app = Destination(str(tmp_path / "srv" / "app"))
    app.prepare()
    (tmp_path / "srv/app/releases/v1").mkdir()
    mark_bad(app, "v1", "ann@desk", "it leaks")
    own = tmp_path / "srv/app/.murder"
    for record in ("receipts/v1", "bad/v1", "history", "held", "lock"):
        (own / record).write_bytes(damage)
    assert [(one.tag, one.digest, one.bad) for one in list_releases(app)] == [
        ("v1", "", "marked bad (somebody, some time)")
    ]
    assert History(app.own).order() == []
    assert holding.holder(app) == {"operator": "?", "since": "?", "reason": "?", "run": ""}
    taken = RunLock(app.path, str(own / "lock"))
    with_lock = RunLock(app.path, str(own / "lock"))
    assert taken.take("run", "ann@desk")
    (own / "lock").write_bytes(damage)
    with pytest.raises(MurderError, match="busy"):
        with_lock.take("other", "bob@desk")
    taken.give_back()
