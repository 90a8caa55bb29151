"""Row 12, on one agent whose disk is slow: what was told to go back goes back, whoever has hung up."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest
from host_life import V1, V2, HostLife, write_tree
from programs import AGENT, REPOSITORY

from murder_fabric import control
from murder_fabric.control import encode_message

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not here")

#: The disk takes so long before it points `current` elsewhere, or after that.
SLOW = {"before": "/^rename:delay_enter=400000", "after": "fsync:delay_exit=150000"}


@pytest.mark.parametrize("when", SLOW)
def test_row_12_a_host_that_was_told_to_go_back_does_so_though_the_operator_hangs_up(tmp_path, when):
    """All comes at once, the end of the input too: the switch is under way then."""
    trees = {tag: write_tree(tmp_path / tag, files) for tag, files in (("v1", V1), ("v2", V2))}
    life = HostLife(tmp_path / "app", trees)
    for tag in ("v2", "v1"):
        life.deploy(tag)
    app = str(life.app)
    orders = [control.Switch(app, "v2", "op"), control.SwitchBack(app, "v2", "v1", "op"), control.Finish()]
    fault = SLOW[when]
    strace = ["strace", "-f", "-qq", "-o", os.devnull, "-e", f"trace={fault.partition(':')[0]}", "-e"]
    agent = subprocess.Popen(
        [*strace, f"inject={fault}", *AGENT, "control"],
        cwd=REPOSITORY,
        env={**os.environ, "HOME": str(tmp_path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert agent.stdout is not None
    assert b'"hello"' in agent.stdout.readline()
    agent.communicate(b"".join(encode_message({**one.fields(), "id": 1}) for one in orders), timeout=60)
    assert life.current() == "v1"
    assert "op rolled back to release v1" in (life.app / "revisions.log").read_text().splitlines()[-1]
