"""What an agent goes on with once its operator has hung up, and what it does not begin any more."""

from __future__ import annotations

import contextlib
import json

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from murder_fabric import control
from murder_fabric.agent import threads as threads_module
from murder_fabric.agent.answer import Answer
from murder_fabric.agent.control_loop import ControlProtocol
from murder_fabric.agent.host import PATIENCE, Host
from murder_fabric.errors import MurderError, NoRoomError, StorageError

APP = "/srv/app"
SWITCH, BACK = control.Switch(APP, "v2", "op"), control.SwitchBack(APP, "v2", "v1", "op")


class Agent:
    """An agent whose disk does what the test says, and when; its operator speaks from one connection."""

    def __init__(self):
        self.clock, self.wire = Clock(), StringTransport()
        self.clock.advance(100)
        self.host = Host(self.clock, "127.0.0.1")
        self.protocol = ControlProtocol(self.host, self.clock, forward=False)
        self.protocol.makeConnection(self.wire)
        self.wire.clear()
        #: What was begun at the disk, and the Deferreds that end it.
        self.begun, self._threads, self._count = [], [], 0

    def at_the_disk(self, duty, request, *more):
        self.begun.append(request.name)
        self._threads.append(Deferred())
        return self._threads[-1]

    def is_asked(self, *requests):
        """Ask it, all in one packet."""
        sent = b""
        for request in requests:
            self._count += 1
            sent += control.encode_message({**request.fields(), "id": self._count})
        self.protocol.dataReceived(sent)

    def hangs_up(self):
        """End the input, as an operator does who leaves; return what the process waits for before it ends."""
        self.protocol.connectionLost()
        return Deferred.fromCoroutine(self._ends())

    async def _ends(self):
        with contextlib.suppress(MurderError):
            await self.host.stop()
        await self.protocol.all_undone()

    def fails_at_the_disk(self, error):
        self._threads[0].errback(error)

    def ends_at_the_disk(self, number=0):
        self._threads[number].callback(Answer({}))


@pytest.fixture
def agent(monkeypatch):
    found = Agent()
    monkeypatch.setattr(threads_module, "deferToThread", found.at_the_disk)
    return found


@pytest.mark.parametrize("last", [[], [control.Finish()]])
def test_who_hangs_up_after_going_back_has_it_done_when_the_switch_is_made(agent, last):
    agent.is_asked(SWITCH, BACK, *last)
    ended = agent.hangs_up()
    assert (agent.begun, ended.called) == (["switch"], False)
    agent.ends_at_the_disk(0)
    assert (agent.begun, ended.called) == (["switch", "switch_back"], False)
    agent.ends_at_the_disk(1)
    assert ended.called
    assert agent.wire.value() == b""  # nobody is there to be told


def test_however_slow_the_disk_is_the_agent_stays_to_go_back(agent):
    agent.is_asked(SWITCH, BACK)
    ended = agent.hangs_up()
    agent.clock.advance(PATIENCE)
    agent.clock.advance(PATIENCE)
    assert (agent.begun, ended.called) == (["switch"], False)
    agent.ends_at_the_disk(0)
    agent.ends_at_the_disk(1)
    assert (agent.begun, ended.called) == (["switch", "switch_back"], True)


def test_a_switch_of_nobody_who_wants_it_undone_is_not_waited_for_without_end(agent):
    agent.is_asked(SWITCH)
    ended = agent.hangs_up()
    agent.clock.advance(PATIENCE)
    assert (agent.begun, ended.called) == (["switch"], True)


def test_a_switch_that_waits_for_its_turn_is_not_begun_once_nobody_is_there(agent):
    agent.is_asked(control.ListReleases(APP), SWITCH)
    ended = agent.hangs_up()
    agent.ends_at_the_disk(0)
    assert (agent.begun, ended.called) == (["list_releases"], True)


@pytest.mark.parametrize(
    ("then", "begun"),
    [
        (BACK, ["switch_back"]),
        (control.Finish(), []),
        (control.SwitchBack("/srv/other", "v2", "v1"), ["switch", "switch_back"]),
    ],
)
def test_a_switch_that_waits_for_its_turn_is_called_off_by_what_undoes_it_or_ends_the_run(agent, then, begun):
    agent.is_asked(control.ListReleases(APP), SWITCH, then)
    agent.ends_at_the_disk(0)
    for number, _ in enumerate(begun, 1):
        agent.ends_at_the_disk(number)
    assert agent.begun == ["list_releases", *begun]
    assert (b"called off before its turn, and was not made" in agent.wire.value()) == ("switch" not in begun)


def test_what_came_back_may_be_switched_to_again(agent):
    for number, request in enumerate((SWITCH, BACK, SWITCH)):
        agent.is_asked(request)
        agent.ends_at_the_disk(number)
    assert agent.begun == ["switch", "switch_back", "switch"]


def test_the_next_request_has_its_turn_only_when_the_thread_of_one_that_was_given_up_ends(agent):
    asked = Deferred.fromCoroutine(agent.host.do(SWITCH, b"", lambda event, fields: None))
    asked.addErrback(lambda _: None)
    asked.cancel()
    agent.is_asked(BACK)
    assert agent.begun == ["switch"]
    agent.ends_at_the_disk(0)
    assert agent.begun == ["switch", "switch_back"]


@pytest.mark.parametrize("kind", [NoRoomError, StorageError])
def test_that_a_disk_is_full_is_said_with_what_was_not_changed_and_what_to_do(agent, kind):
    agent.is_asked(SWITCH)
    agent.fails_at_the_disk(kind("No space left on device: /srv/app/x"))
    said = json.loads(agent.wire.value().splitlines()[-1])
    advice = "; nothing was switched there, and what has come stays: make room, then the same command goes on"
    assert said["reason"] == "No space left on device: /srv/app/x" + advice * (kind is NoRoomError)
