"""Commands and health checks on a host: in which order, how often, and what ends them."""

from __future__ import annotations

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from murder_fabric import control
from murder_fabric.agent import errands as errands_module
from murder_fabric.agent import threads as threads_module
from murder_fabric.agent.errands import PAUSE
from murder_fabric.agent.host import Host
from murder_fabric.errors import MurderError


class FakeCommand:
    """Stands in for `Command`: writes down what it was told."""

    made = []

    def __init__(self, text, variables, directory):
        self.text, self.variables, self.directory = text, variables, directory
        self.over, self.told, self.ran = Deferred(), [], False
        self.said = [f"{text} says {number}" for number in range(6)]
        FakeCommand.made.append(self)

    def run(self):
        self.ran = True
        return self.over

    def end(self, why):
        self.told.append(why)


class Asked:
    """A host whose threads are ended by the test, asked one thing."""

    def __init__(self):
        self.clock = Clock()
        self.host = Host(self.clock, "127.0.0.1")

    def __call__(self, request):
        said = []
        self.request = Deferred.fromCoroutine(self.host.do(request, b"", lambda event, fields: None))
        self.request.addBoth(said.append)
        return said


@pytest.fixture
def asked(monkeypatch):
    FakeCommand.made = []
    monkeypatch.setattr(threads_module, "deferToThread", lambda act, *arguments: act(*arguments))
    monkeypatch.setattr(errands_module, "Command", FakeCommand)
    return Asked()


def commands(*texts):
    return control.RunCommands("/srv/app", "v2", list(texts), 30.0, "before_switch", "v1")


CHECK = control.CheckHealth("/srv/app", "v2", "check me", 200, 5.0, 10.0)


def test_commands_run_one_after_the_other_with_what_they_are_about(asked):
    said = asked(commands("first", "second"))
    assert [made.text for made in FakeCommand.made] == ["first"]
    FakeCommand.made[0].over.callback(None)
    FakeCommand.made[1].over.callback(None)
    assert [made.text for made in FakeCommand.made] == ["first", "second"]
    assert said[0].fields["said"] == [
        *[f"first says {number}" for number in (2, 3, 4, 5)],
        *[f"second says {number}" for number in range(6)],
    ]
    variables = FakeCommand.made[0].variables
    assert {name: text for name, text in variables.items() if name.startswith("MURDER_")} == {
        "MURDER_DESTINATION": "/srv/app",
        "MURDER_TAG": "v2",
        "MURDER_RELEASE": "/srv/app/releases/v2",
        "MURDER_PREVIOUS": "v1",
        "MURDER_HOOK": "before_switch",
    }


def test_a_command_runs_in_the_destination_once_there_is_one(asked, tmp_path):
    for path, directory in ((tmp_path / "app", "/"), (tmp_path, str(tmp_path))):
        asked(control.RunCommands(str(path), "v2", ["true"], 5.0, "after_connect"))
        assert FakeCommand.made[-1].directory == directory
        FakeCommand.made[-1].over.callback(None)


def test_a_command_that_fails_is_the_last(asked):
    said = asked(commands("first", "second"))
    FakeCommand.made[0].over.errback(MurderError("`first` ended with exit code 1"))
    assert said[0].getErrorMessage() == "`first` ended with exit code 1"
    assert len(FakeCommand.made) == 1


def test_a_command_that_takes_too_long_is_ended(asked):
    asked(commands("sleep 1000"))
    asked.clock.advance(30)
    assert FakeCommand.made[0].told == ["it took longer than 30 s"]


def test_what_is_under_way_ends_with_the_agent(asked):
    said = asked(commands("sleep 1000", "second"))
    finish = Deferred.fromCoroutine(asked.host.stop())
    assert FakeCommand.made[0].told == ["the agent is ending"]
    assert not finish.called
    FakeCommand.made[0].over.errback(MurderError("`sleep 1000` was ended"))
    assert said[0].check(MurderError)
    assert finish.called
    assert len(FakeCommand.made) == 1


def test_what_nobody_waits_for_any_more_is_ended(asked):
    said = asked(commands("sleep 1000"))
    asked.request.cancel()
    assert said[0].check(CancelledError)
    assert FakeCommand.made[0].told == ["nobody waits for it any more"]


def test_a_command_is_not_run_beside_one_that_the_operator_gave_up(asked):
    """As after Ctrl-C, where `after_switch_back` takes back what `after_switch` is about to do."""
    first = asked(commands("restart", "warm up"))
    second = asked(commands("restart the old one"))
    assert FakeCommand.made[0].told == ["the operator went on without it"]
    assert len(FakeCommand.made) == 1
    FakeCommand.made[0].over.callback(None)  # it had come to its end just then
    assert first[0].getErrorMessage() == "the operator went on without it"
    assert [made.text for made in FakeCommand.made if made.ran] == ["restart", "restart the old one"]
    FakeCommand.made[-1].over.callback(None)
    assert second[0].fields["said"][0] == "restart the old one says 0"


def test_a_check_that_the_operator_gave_up_is_not_tried_again(asked):
    first = asked(CHECK)
    asked(commands("restart"))
    FakeCommand.made[0].over.errback(MurderError("`check me` was ended"))
    assert first[0].check(MurderError)
    assert [made.text for made in FakeCommand.made] == ["check me", "restart"]


def test_a_check_is_tried_until_all_is_well(asked):
    said = asked(CHECK)
    FakeCommand.made[0].over.errback(MurderError("connection refused"))
    assert said == []
    asked.clock.advance(PAUSE)
    FakeCommand.made[1].over.callback(None)
    assert said[0].fields == {}
    assert FakeCommand.made[1].variables["MURDER_HOOK"] == "health_check"
    assert asked.clock.getDelayedCalls() == []


def test_a_check_that_never_passes_fails_when_patience_is_over_and_says_what_came_last(asked):
    said = asked(CHECK)
    for number in range(11):
        assert said == []
        FakeCommand.made[number].over.errback(MurderError(f"try {number}"))
        asked.clock.advance(PAUSE)
    assert said[0].getErrorMessage() == "the health check failed 11 times in 10 s: try 10"
    assert len(FakeCommand.made) == 11


def test_without_patience_there_is_one_try(asked):
    said = asked(control.CheckHealth("/srv/app", "v2", "check me", 200, 5.0, 0.0))
    FakeCommand.made[0].over.errback(MurderError("connection refused"))
    assert said[0].getErrorMessage() == "the health check failed: connection refused"


def test_a_check_is_not_tried_again_once_the_agent_ends(asked):
    said = asked(CHECK)
    Deferred.fromCoroutine(asked.host.stop())
    FakeCommand.made[0].over.errback(MurderError("`check me` was ended"))
    assert said[0].check(MurderError)
    asked.clock.advance(100)
    assert len(FakeCommand.made) == 1


def test_without_a_tag_there_is_no_release_to_name(asked):
    asked(control.RunCommands("/srv/app", "", ["true"], 5.0, "before_prepare"))
    assert FakeCommand.made[0].variables["MURDER_RELEASE"] == ""
