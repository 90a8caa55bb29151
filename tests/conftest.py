"""What tests share: programs that end with their test, and properties that may take their time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from programs import Programs

# On a machine that is busy with other tests the time that an example takes says nothing about it.
settings.register_profile("busy", deadline=None)
settings.load_profile("busy")


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[Programs]:
    """Starts programs; whatever still runs when the test is over is killed."""
    started = Programs(tmp_path)
    yield started
    started.kill_all()
