"""Hashing on a host: what is said meanwhile, and what is refused."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from murder_fabric import control
from murder_fabric.agent import hashing
from murder_fabric.errors import BadInput


def test_how_far_it_is_is_said_every_second(monkeypatch, tmp_path):
    clock, hashed, said, tell = Clock(), Deferred(), [], []

    def in_a_thread(function, path, announce, *, progress, **options):
        tell.append(progress)
        return hashed

    monkeypatch.setattr(hashing, "in_thread", in_a_thread)
    request = control.Create(str(tmp_path))
    making = Deferred.fromCoroutine(
        hashing.create_torrent(clock, request, request.path, lambda *one: said.append(one))
    )
    clock.advance(1)
    tell[0](1, 10)
    tell[0](4, 10)
    clock.advance(1)
    assert said == [("working", {}), ("progress", {"bytes": 4, "length": 10})]
    hashed.callback("the torrent")
    assert making.result == "the torrent"
    assert clock.getDelayedCalls() == []


@pytest.mark.parametrize(("below", "says"), [("", "is a directory"), ("none", "is not there")])
def test_what_is_said_to_be_a_file_must_be_one(tmp_path, below, says):
    path = str(tmp_path / below)
    making = Deferred.fromCoroutine(
        hashing.create_torrent(Clock(), control.Create(path, path_is_file=True), path, lambda *_: None)
    )
    outcome = []
    making.addErrback(outcome.append)
    assert outcome[0].check(BadInput)
    assert says in str(outcome[0].value)
