"""How much of the faults is run: a sample beside the other tests, and all of them for `./dev faults`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from deploying import slow_down
from extent import ALL
from programs import Programs
from swarm import PEERS, SEEDER, Firewall, Swarm

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


@pytest.fixture
def calm(lab: rig.Lab, programs: Programs, tmp_path: Path) -> Iterator[Swarm]:
    """A swarm of which nothing runs yet."""
    made = Swarm(lab, programs, tmp_path)
    yield made
    slow_down(lab, SEEDER, None)
    for host in lab.names:
        Firewall(lab, host).open()


@pytest.fixture
def swarm(calm: Swarm) -> Swarm:
    """A swarm with three peers, under way: each has something."""
    calm.start_tracker()
    calm.start_seeder()
    for host in PEERS:
        calm.start_peer(host)
    for host in PEERS:
        calm.wait_for_bytes(host, 100_000)
    return calm


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport() -> Iterator[None]:
    """Where all are asked for, one that this machine lacks something for has failed: green is all of them."""
    outcome: Any = yield
    report = outcome.get_result()
    if ALL and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"it was not run: {report.longrepr[-1]}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what takes long; this is told of every test there is, so only ours carry the mark."""
    left_out = [] if ALL else [item for item in items if item.get_closest_marker("long")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]
