"""How many connections an agent has where the kernel lets it have few descriptors."""

from __future__ import annotations

import resource

import pytest

from murder_fabric.agent.limits import connections_allowed


@pytest.mark.parametrize(
    ("descriptors", "connections"),
    [(resource.RLIM_INFINITY, 200), (8192, 200), (256, 128), (64, 32), (40, 20), (32, 12), (24, 4), (16, 2)],
)
def test_connections_leave_what_else_must_be_open_its_room(monkeypatch, descriptors, connections):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (descriptors, descriptors))
    assert connections_allowed(200) == connections
