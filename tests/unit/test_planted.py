"""The bugs of tests/planted: that each can still be planted, and names tests that are there."""

from __future__ import annotations

import shutil

import pytest
from planted.run import REPOSITORY, bugs, plant

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git, which applies patches, is not here")


@pytest.mark.parametrize("bug", bugs(), ids=lambda bug: bug.patch.stem)
def test_a_bug_can_be_planted_and_taken_out_again(tmp_path, bug):
    (changed,) = [line[6:] for line in bug.patch.read_text().splitlines() if line.startswith("+++ b/")]
    (tmp_path / changed).parent.mkdir(parents=True)
    shutil.copy(REPOSITORY / changed, tmp_path / changed)
    plant(bug, tmp_path)
    planted = (tmp_path / changed).read_text()
    assert planted != (REPOSITORY / changed).read_text()
    compile(planted, changed, "exec")
    plant(bug, tmp_path, back=True)
    assert (tmp_path / changed).read_text() == (REPOSITORY / changed).read_text()
    assert all((REPOSITORY / test).is_file() for test in bug.tests)


def test_there_are_twenty():
    assert len(bugs()) == 20
