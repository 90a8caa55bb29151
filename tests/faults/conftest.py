"""How much of the faults is run: a sample beside the other tests, and all of them for `./dev faults`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from deploying import slow_down
from extent import ALL

from demo import tree
from lab import rig


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree of which a slow seeder has some seconds' work."""
    root = tmp_path_factory.mktemp("large") / "tree"
    tree.generate(root, 4_000_000, 60)
    return root


@pytest.fixture
def slow_seeder(lab: rig.Lab) -> Iterator[None]:
    """The seeder needs some seconds for a copy, so that things can happen meanwhile."""
    slow_down(lab, "web1", "8mbit")
    yield
    slow_down(lab, "web1", None)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what takes long; this is told of every test there is, so only ours carry the mark."""
    left_out = [] if ALL else [item for item in items if item.get_closest_marker("long")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]
