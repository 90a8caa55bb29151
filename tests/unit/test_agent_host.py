"""What an agent does when it is asked several things at once."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from murder_fabric import control
from murder_fabric.agent import threads as threads_module
from murder_fabric.agent.answer import Answer
from murder_fabric.agent.host import PATIENCE, Host
from murder_fabric.agent.working import BEAT
from murder_fabric.errors import BadInput, MurderError, StorageError, SwarmError


@pytest.fixture
def threads(monkeypatch):
    """What was handed to a thread, in that order: the request's name and the Deferred that ends it."""
    begun = []

    def hand_over(duty, request, *more):
        ended = Deferred()
        begun.append((request.name, ended))
        return ended

    monkeypatch.setattr(threads_module, "deferToThread", hand_over)
    return begun


def ask(host, *requests):
    return [Deferred.fromCoroutine(host.do(request, b"", lambda event, fields: None)) for request in requests]


def test_going_back_waits_until_the_switch_is_made(threads):
    """Else a Ctrl-C while the disk is slow would find nothing to take back, and the switch come after it."""
    host = Host(Clock(), "127.0.0.1")
    ask(host, control.Switch("/srv/app", "v2"), control.SwitchBack("/srv/app", "v2", "v1"))
    assert [name for name, _ in threads] == ["switch"]
    threads[0][1].callback(Answer({}))
    assert [name for name, _ in threads] == ["switch", "switch_back"]


def test_a_request_that_fails_holds_up_none_after_it(threads):
    host = Host(Clock(), "127.0.0.1")
    failed, _ = ask(host, control.Switch("/srv/app", "v2"), control.SwitchBack("/srv/app", "v2", "v1"))
    said = []
    failed.addErrback(said.append)
    threads[0][1].errback(StorageError("no space left"))
    assert said[0].check(StorageError)
    assert [name for name, _ in threads] == ["switch", "switch_back"]


class Destination:
    """Writes down that its lock was given back."""

    def __init__(self):
        self.told = []

    def clear_marks(self, run):
        self.told.append(f"marks of {run}")

    def unlock(self):
        self.told.append("unlocked")


def locked(clock):
    """Return a host that has a destination's lock, and that destination."""
    host, destination = Host(clock, "127.0.0.1"), Destination()
    host.destinations["/srv/app"], host._runs["/srv/app"] = destination, "r1"
    return host, destination


def test_the_lock_is_given_back_only_when_nothing_writes_any_more(threads):
    host, destination = locked(Clock())
    switch, back, finish = ask(
        host, control.Switch("/srv/app", "v2"), control.SwitchBack("/srv/app", "v2", "v1"), control.Finish()
    )
    threads[0][1].callback(Answer({}))
    assert (switch.called, destination.told) == (True, [])
    threads[1][1].callback(Answer({}))
    assert (back.called, destination.told) == (True, ["marks of r1", "unlocked"])
    assert finish.result.fields == {"bytes_uploaded": 0, "problems": []}


def test_a_thread_whose_operator_has_gone_holds_the_lock_until_it_ends(threads):
    host, destination = locked(Clock())
    (verifying,) = ask(host, control.Switch("/srv/app", "v2"))
    verifying.addErrback(lambda _: None)
    verifying.cancel()
    stopped = Deferred.fromCoroutine(host.stop())
    assert destination.told == []
    threads[0][1].callback(Answer({}))
    assert (stopped.result, destination.told) == (0, ["marks of r1", "unlocked"])


def test_a_disk_that_hangs_does_not_hold_up_the_end_and_the_lock_stays(threads):
    clock = Clock()
    host, destination = locked(clock)
    _, finish = ask(host, control.Switch("/srv/app", "v2"), control.Finish())
    said = []
    finish.addErrback(said.append)
    clock.advance(PATIENCE)
    assert said[0].check(MurderError)
    assert "the lock stays" in said[0].getErrorMessage()
    assert destination.told == []


def test_once_it_ends_a_host_begins_nothing_new(threads):
    host, _ = locked(Clock())
    finish, late, beat = ask(host, control.Finish(), control.Switch("/srv/app", "v2"), control.Heartbeat())
    said = []
    late.addErrback(said.append)
    assert (finish.called, beat.called, threads) == (True, True, [])
    assert "begins nothing new" in said[0].getErrorMessage()


def test_what_is_long_at_the_disk_says_that_it_is_alive(threads):
    clock, events = Clock(), []
    host = Host(clock, "127.0.0.1")
    switch = Deferred.fromCoroutine(
        host.do(control.Switch("/srv/app", "v2"), b"", lambda event, fields: events.append(event))
    )
    clock.pump([BEAT, BEAT])
    threads[0][1].callback(Answer({}))
    clock.pump([BEAT, BEAT])
    assert (switch.called, events) == (True, [control.WORKING] * 2)


class Swarming:
    """A torrent that is not complete until it is stopped."""

    def __init__(self):
        self.session = type("Session", (), {"bytes_uploaded": 5})
        self.complete = Deferred()
        self.stopped = 0

    def stop(self):
        self.stopped += 1
        self.complete.errback(SwarmError("it was stopped"))
        return succeed(None)


def test_finish_ends_a_join_that_waits_and_each_torrent_once(monkeypatch):
    host, torrent = Host(Clock(), "127.0.0.1"), Swarming()

    def run(request, metainfo, payload, holdings):
        host.torrents[request.tag] = torrent
        return torrent

    staged = type("Staged", (), {"metainfo": None, "payload": None, "holdings": None})
    monkeypatch.setattr(host, "_staged_as", lambda tag: staged)
    monkeypatch.setattr(host, "_run_torrent", run)
    joined, finish = ask(
        host, control.Join("v1", "127.0.0.1", 0, 0, "http://127.0.0.1:1/announce"), control.Finish()
    )
    said = []
    joined.addErrback(said.append)
    assert said[0].getErrorMessage() == "it was stopped"
    assert finish.result.fields["bytes_uploaded"] == 5
    assert torrent.stopped == 1


def test_an_address_that_nobody_knows_is_asked_for_by_the_setting_that_gives_it():
    (located,) = ask(Host(Clock(), None), control.Locate())
    said = []
    located.addErrback(said.append)
    assert said[0].check(BadInput)
    assert "murder.interface" in said[0].getErrorMessage()
    (named,) = ask(Host(Clock(), None, "192.0.2.1"), control.Locate("lo"))
    assert named.result.fields == {"address": "127.0.0.1", "operator": "192.0.2.1"}


def test_what_broke_after_it_was_complete_is_told_at_the_end(capsys):
    host = Host(Clock(), "127.0.0.1")
    host._broken("v1", "big is shorter than it was")
    (finish,) = ask(host, control.Finish())
    sentence = "v1 is not served there any more: big is shorter than it was"
    assert finish.result.fields["problems"] == [sentence]
    assert capsys.readouterr().err == sentence + "\n"
