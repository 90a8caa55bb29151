"""Our client asks opentracker, which Murder's successors and large public sites run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from stock_clients import OPENTRACKER_MISSING, start_opentracker

PROGRAM = Path(__file__).with_name("tracker_program.py")
HASH = b"h" * 20

pytestmark = pytest.mark.skipif(bool(OPENTRACKER_MISSING), reason=OPENTRACKER_MISSING or "it is there")


@pytest.fixture
def opentracker(programs, tmp_path):
    """Run opentracker for one info hash; give the announce URL."""
    return start_opentracker(programs, tmp_path / "opentracker", HASH.hex())


def announce(url, info_hash, *announces):
    command = [sys.executable, str(PROGRAM), "announce", url, info_hash.hex(), *map(json.dumps, announces)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_its_answers_are_understood(opentracker):
    *answers, scrape = announce(
        opentracker,
        HASH,
        {"port": 6001, "left": 0, "event": "started"},
        {"port": 6002, "event": "started"},
        {"port": 6002, "left": 0, "event": "completed"},
        {"port": 6001, "left": 0, "event": "stopped"},
    )
    assert answers[0]["complete"] == 1
    assert ["127.0.0.1", 6001] in answers[1]["peers"]
    assert (answers[1]["complete"], answers[1]["incomplete"]) == (1, 1)
    assert (answers[2]["complete"], answers[2]["incomplete"]) == (2, 0)
    assert answers[1]["interval"] == 300.0, "half an hour is clamped"
    assert scrape == [1, 1, 0]


def test_its_refusal_is_understood(opentracker):
    (answer,) = announce(opentracker, b"x" * 20, {})
    assert "/announce: the tracker refused: Requested download is not authorized" in answer["error"]
