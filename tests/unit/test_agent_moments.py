"""Switches that wait for a moment: when they are made, and what keeps them from being made."""

from __future__ import annotations

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from murder_fabric import control
from murder_fabric.agent import threads as threads_module
from murder_fabric.agent.answer import Answer
from murder_fabric.agent.host import Host
from murder_fabric.errors import ControlError, MurderError


class Waiting:
    """A host at second 100 of its clock, and the requests that got as far as the disk."""

    def __init__(self, monkeypatch):
        self.clock = Clock()
        self.clock.advance(100)
        self.host = Host(self.clock, "127.0.0.1")
        self.done = []

        def at_once(duty, request):
            self.done.append(request.name)
            answer = Deferred()
            answer.callback(Answer({}))
            return answer

        monkeypatch.setattr(threads_module, "deferToThread", at_once)

    def ask(self, request):
        """Return what came of it so far: an answer, an error, or None."""
        said = []
        asked = Deferred.fromCoroutine(self.host.do(request, b"", lambda event, fields: None))
        asked.addBoth(said.append)
        return asked, said

    def switch(self, at):
        return self.ask(control.Switch("/srv/app", "v2", at=at))


@pytest.fixture
def waiting(monkeypatch):
    return Waiting(monkeypatch)


def test_the_clock_that_is_read_is_the_one_that_moments_are_told_of(waiting):
    _, said = waiting.ask(control.ReadClock())
    assert said[0].fields == {"clock": 100}


def test_a_switch_is_made_at_its_moment_and_not_before(waiting):
    _, said = waiting.switch(102.5)
    waiting.clock.advance(2.4)
    assert (waiting.done, said) == ([], [])
    waiting.clock.advance(0.1)
    assert waiting.done == ["switch"]
    assert isinstance(said[0], Answer)


def test_a_switch_without_a_moment_is_made_at_once(waiting):
    waiting.switch(None)
    assert waiting.done == ["switch"]


def test_who_is_told_too_late_does_not_switch(waiting):
    _, said = waiting.switch(98.75)
    assert said[0].check(MurderError)
    assert "told 1.2 s after the moment" in said[0].getErrorMessage()
    assert waiting.done == []


def test_a_moment_further_off_than_a_lease_is_no_moment_of_this_clock(waiting):
    _, said = waiting.switch(100 + control.LEASE + 1)
    assert said[0].check(ControlError)
    waiting.clock.advance(10_000)
    assert waiting.done == []


@pytest.mark.parametrize(
    "request_of",
    [lambda: control.SwitchBack("/srv/app/", "v2", "v1"), control.Finish],
    ids=["back", "finish"],
)
def test_going_back_and_finishing_call_off_what_waits(waiting, request_of):
    _, said = waiting.switch(102)
    waiting.ask(request_of())
    assert said[0].check(MurderError)
    assert "called off before its moment" in said[0].getErrorMessage()
    waiting.clock.advance(10)
    assert "switch" not in waiting.done


def test_going_back_elsewhere_calls_nothing_off(waiting):
    waiting.switch(102)
    waiting.ask(control.SwitchBack("/srv/other", "v2", "v1"))
    waiting.clock.advance(2)
    assert waiting.done == ["switch_back", "switch"]


def test_an_operator_that_has_gone_takes_the_moment_along(waiting):
    switch, said = waiting.switch(102)
    switch.cancel()
    assert said[0].check(CancelledError)
    waiting.clock.advance(10)
    assert waiting.done == []
    assert waiting.clock.getDelayedCalls() == []
