"""What tests share: programs that end with them, hosts with a real sshd, the `fab` that deploys to those."""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from deploying import RECORDS, Fab, agents, wait_until
from hypothesis import settings
from programs import Programs

from demo import tree
from lab import rig

# On a machine that is busy with other tests the time that an example takes says nothing about it.
settings.register_profile("busy", deadline=None)
settings.load_profile("busy")


def pytest_configure() -> None:
    """Let Ctrl-C end what tests start: a shell that runs tests in the background has it ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def records_of_runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Runs of tests leave no records among those of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[Programs]:
    """Starts programs; whatever still runs when the test is over is killed."""
    started = Programs(tmp_path)
    yield started
    started.kill_all()


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[rig.Lab]:
    """Eight unshaped hosts, web1 to web8, for the whole session; a test uses directories of its own there."""
    if why := rig.missing():
        pytest.skip(why)
    with rig.Lab(tmp_path_factory.mktemp("lab") / "run") as standing:
        yield standing


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small tree with odd names, modes, links, empty files and directories."""
    root = tmp_path_factory.mktemp("source") / "tree"
    tree.generate(root, 600_000, 90)
    return root


@pytest.fixture
def fab(lab: rig.Lab, tmp_path: Path) -> Fab:
    return Fab(lab, tmp_path)


@pytest.fixture
def app(lab: rig.Lab, request: pytest.FixtureRequest) -> Iterator[str]:
    """A destination of this test's own; after it nothing of ours may run, or lie where it does not belong."""
    name = re.sub(r"\W+", "-", request.node.name)[:60].strip("-")
    yield f"/srv/{name}"
    wait_until(lambda: not agents(lab), 15, "agents still run")
    for host in lab.names:
        own = lab.host_root(host) / "srv" / name / ".murder"
        if own.is_dir():
            assert set(os.listdir(own)) <= RECORDS
            assert os.listdir(own / "runs") == []
            assert (own / "lock").read_text() == ""
            assert not [entry for entry in os.listdir(own.parent) if entry.startswith(".current")]
        assert list((lab.host_root(host) / "root/.murder/state/seeds").glob("*")) == []
        shutil.rmtree(own.parent, ignore_errors=True)
