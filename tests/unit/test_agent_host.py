"""What an agent does when it is asked several things at once."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from murder_fabric import control
from murder_fabric.agent import host as host_module
from murder_fabric.agent.host import Host
from murder_fabric.agent.release_duties import Outcome
from murder_fabric.errors import StorageError


@pytest.fixture
def threads(monkeypatch):
    """What was handed to a thread, in that order: the request's name and the Deferred that ends it."""
    begun = []

    def hand_over(duty, request):
        ended = Deferred()
        begun.append((request.name, ended))
        return ended

    monkeypatch.setattr(host_module, "deferToThread", hand_over)
    return begun


def ask(host, *requests):
    return [Deferred.fromCoroutine(host.do(request, b"", lambda event, fields: None)) for request in requests]


def test_going_back_waits_until_the_switch_is_made(threads):
    """Else a Ctrl-C while the disk is slow would find nothing to take back, and the switch come after it."""
    host = Host(Clock(), "127.0.0.1")
    ask(host, control.Switch("/srv/app", "v2"), control.SwitchBack("/srv/app", "v2", "v1"))
    assert [name for name, _ in threads] == ["switch"]
    threads[0][1].callback(Outcome({}))
    assert [name for name, _ in threads] == ["switch", "switch_back"]


def test_a_request_that_fails_holds_up_none_after_it(threads):
    host = Host(Clock(), "127.0.0.1")
    failed, _ = ask(host, control.Switch("/srv/app", "v2"), control.SwitchBack("/srv/app", "v2", "v1"))
    said = []
    failed.addErrback(said.append)
    threads[0][1].errback(StorageError("no space left"))
    assert said[0].check(StorageError)
    assert [name for name, _ in threads] == ["switch", "switch_back"]
