"""Rows 85 to 90: an agent that has little of something, as a real process with the kernel's limits."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest


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
