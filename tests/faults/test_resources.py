"""Rows 85 to 90: an agent that has little of something, as a real process with the kernel's limits."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from programs import REPOSITORY


def test_a_thousand_peers_may_come_to_the_tracker_at_once(programs):
    """Twisted lets 50 wait by default; of a thousand that came at once half went away."""
    port = programs.tracker().rpartition(":")[2].partition("/")[0]
    most = int(Path("/proc/sys/net/core/somaxconn").read_text())
    try:
        said = subprocess.run(
            ["ss", "-Hltn", f"sport = :{port}"], capture_output=True, text=True, timeout=30, check=True
        ).stdout
    except FileNotFoundError:
        pytest.skip("ss (Debian: iproute2) is not here")
    assert int(said.split()[2]) == min(4096, most)


def test_where_all_faults_are_asked_for_one_that_cannot_be_had_has_failed():
    """A run of them that is green though nothing ran would show nothing."""
    nobody = "import os, sys, pytest; os.geteuid = lambda: 65534; sys.exit(pytest.main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", nobody, "-q", "-p", "no:cacheprovider", "tests/faults/test_strangers.py"],
        cwd=REPOSITORY,
        env={**os.environ, "MURDER_FAULTS": "all"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1, done.stdout
    assert "it was not run: Skipped: only root can be somebody else" in done.stdout
