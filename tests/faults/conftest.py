"""How much of the faults is run: a sample beside the other tests, and all of them for `./dev faults`."""

from __future__ import annotations

import pytest
from extent import ALL


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what takes long; this is told of every test there is, so only ours carry the mark."""
    left_out = [] if ALL else [item for item in items if item.get_closest_marker("long")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]
