"""Rows 2, 13, 33: killed, without power, or a call fails; `current` is whole, the next deploy completes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from extent import so_many

TESTS = Path(__file__).resolve().parents[1]
#: Each of the points that row 2 names, as the calls are spelled.
NAMED = {
    "half a block": "half of a pwrite .murder/staging/v2/big",
    "after a block": "pwrite .murder/staging/v2/deep/small",
    "before a file gets its mode": "fchmod .murder/staging/v2/big",
    "in the middle of the tree": "symlink .murder/staging/v2/latest",
    "after the last piece": "utime .murder/staging/v2/big",
    "before all is on the disk": "syncfs .murder/staging/v2",
    "before the torrent": "replace .murder/torrents/v2",
    "before the receipt is written": "open .murder/receipts/a new file",
    "before the receipt has its name": "replace .murder/receipts/v2",
    "after the receipt, before the release": "rename releases/v2",
    "after the release, before its directory is on the disk": "fsync releases",
    "before the link that takes the place of current": "symlink .current-PID",
    "with that link present": "replace current",
    "after the switch": "fsync .",
    "before the switch is noted": "replace .murder/history",
    "in the middle of a removed release": "unlink .murder/staging/.removed-v0/same",
}


def crashes(what, step, place):
    """Return what became of a deploy that came to such an end at each *step*-th call."""
    program = [sys.executable, str(TESTS / "faults" / "crash_points.py"), what, str(step), str(place)]
    path = f"{TESTS.parent}:{TESTS / 'faults'}"
    done = subprocess.run(program, capture_output=True, text=True, env={"PYTHONPATH": path}, timeout=600)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """What became of a deploy that was killed at each call, or at every ninth."""
    return crashes("each", so_many(9, 1), tmp_path_factory.mktemp("killed"))


@pytest.mark.parametrize("point", NAMED.values(), ids=NAMED)
def test_a_deploy_can_be_killed_at(killed, point):
    assert point in killed["points"]


def test_row_2_killed_anywhere_current_is_whole_and_the_next_deploy_completes(killed):
    assert killed["failures"] == []
    assert len(killed["points"]) > 80


def test_row_13_power_is_lost_anywhere_and_what_was_not_synced_is_not_needed(tmp_path):
    """A deploy that was told of as done stands; before that, `current` is old or new, and whole."""
    cut = crashes("cut", so_many(27, 1), tmp_path)
    assert cut["failures"] == []
    assert cut["points"][-1] == "the end"


def test_row_33_whichever_call_fails_no_deploy_is_told_of_as_done_that_is_not(tmp_path):
    """Each fails once, closing what was written to as well; what is said of it is a sentence."""
    failed = crashes("fail", so_many(9, 1), tmp_path)
    assert failed["failures"] == []
    calls = {point.split()[0] for point in failed["points"]}
    assert {"pwrite", "write", "half", "fsync", "syncfs", "rename", "replace", "open", "close"} <= calls
    # Passed over may be what was there already, what only tidies up, and the record of what was switched.
    unsaid = [point for point in failed["unsaid"] if not re.match(r"mkdir|unlink|rmdir|close", point)]
    assert all(re.search(r" \.murder/(bad|lock|history|a new file)| revisions\.log$", at) for at in unsaid)
