"""What tests with real processes share: programs that end with their test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from programs import Programs


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[Programs]:
    """Starts programs; whatever still runs when the test is over is killed."""
    started = Programs(tmp_path)
    yield started
    started.kill_all()
