"""An agent on the operator's machine, a process of `fab`'s own: how it is spoken to, and how it ends."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from programs import PATIENCE, wait_until

from murder_fabric import control
from murder_fabric.control import Message
from murder_fabric.deploy.connecting.channels import Channels
from murder_fabric.deploy.connecting.local_agent import LocalAgent
from murder_fabric.deploy.failures import HostFailure
from murder_fabric.deploy.roles import HERE


class Rig:
    """Channels to one local agent, which has spoken."""

    def __init__(self) -> None:
        self.agent = LocalAgent()
        self.channels = Channels({HERE: self.agent}, running=(HERE,))
        hello = self.channels.greet(PATIENCE)[HERE]
        assert isinstance(hello, Message)
        self.pid = int(hello.fields["pid"])

    def ask(self, request: control.Request) -> Message | HostFailure:
        return self.channels.ask({HERE: Message(request.fields())}, PATIENCE)[HERE]


@pytest.fixture
def rig() -> Iterator[Rig]:
    standing = Rig()
    yield standing
    standing.channels.close()
    assert not running(standing.pid)


def running(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_it_answers_like_any_agent_and_is_in_a_session_of_its_own(rig: Rig) -> None:
    assert isinstance(rig.ask(control.Heartbeat()), Message)
    refused = rig.ask(control.Stop("v1"))
    assert isinstance(refused, HostFailure)
    assert (refused.reason, refused.exit_code) == ("nothing is running here for the tag v1", 2)
    assert os.getsid(rig.pid) == rig.pid != os.getsid(0)


def test_what_lies_where_fab_is_called_is_no_module_of_the_agent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secrets.py").write_text("raise SystemExit('the project has a module of that name')\n")
    monkeypatch.chdir(tmp_path)
    rig = Rig()
    rig.channels.close()
    assert not running(rig.pid)


def test_one_that_is_killed_fails_with_what_killed_it(rig: Rig) -> None:
    os.kill(rig.pid, signal.SIGKILL)
    wait_until(lambda: bool(rig.channels.failures()), "its end is noticed")
    lost = rig.ask(control.Heartbeat())
    assert isinstance(lost, HostFailure)
    assert lost.reason.startswith("the agent ended with exit code 137")


def test_one_that_is_left_alone_ends_by_itself(rig: Rig) -> None:
    rig.channels.abandon()
    wait_until(lambda: not running(rig.pid), "it has ended")
