"""Row 91: clones draw the same random numbers, and are different peers all the same."""

from __future__ import annotations

import os
import socket

import pytest

from murder_fabric.agent.identity import new_peer_id, own_chance


@pytest.fixture
def cloned(monkeypatch):
    """What a copy of a machine's memory has in common with the original: all of it, in the beginning."""
    monkeypatch.setattr(os, "urandom", bytes)
    monkeypatch.setattr(os, "getpid", lambda: 1234)
    monkeypatch.setattr(socket, "gethostname", lambda: "web")
    return monkeypatch


def test_clones_at_two_addresses_have_two_peer_ids(cloned):
    assert new_peer_id(own_chance("192.0.2.1")) != new_peer_id(own_chance("192.0.2.2"))


@pytest.mark.parametrize(("what", "other"), [("os.getpid", 1235), ("socket.gethostname", "web2")])
def test_clones_that_listen_anywhere_are_told_apart_by_name_or_process(cloned, what, other):
    one = new_peer_id(own_chance("0.0.0.0"))
    assert new_peer_id(own_chance("0.0.0.0")) == one
    cloned.setattr(what, lambda: other)
    assert new_peer_id(own_chance("0.0.0.0")) != one


def test_one_host_has_another_peer_id_each_time():
    drawn = {new_peer_id(own_chance("192.0.2.1")) for _ in range(100)}
    assert len(drawn) == 100
    assert {len(one) for one in drawn} == {20}
    assert all(one.startswith(b"-MF") for one in drawn)
