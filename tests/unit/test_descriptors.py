"""How many files may be open: hosts go first, what is read from the disk does with the rest."""

from __future__ import annotations

import os
import resource
from types import SimpleNamespace

import fabric
import pytest

from murder_fabric.deploy.connecting import room
from murder_fabric.deploy.connecting.room import AMPLE, CONNECTING, SPARE, make_room
from murder_fabric.errors import BadInput
from murder_fabric.storage import descriptors as of_trees

#: What is open before anybody is connected to.
TAKEN = 5


@pytest.fixture
def limits(monkeypatch):
    """The soft and the hard limit, as a list that may be written to."""
    kept = [1024, 4096]
    monkeypatch.setattr(room, "open_now", lambda: TAKEN)
    monkeypatch.setattr(resource, "getrlimit", lambda _: tuple(kept))
    monkeypatch.setattr(resource, "setrlimit", lambda _, both: kept.__setitem__(slice(None), both))
    return kept


def connections(count, gateway=None):
    return [SimpleNamespace(gateway=gateway) for _ in range(count)]


def test_a_few_hosts_need_no_other_limit(limits):
    assert make_room(connections(100), 32) == 32
    assert limits == [1024, 4096]


def test_the_soft_limit_is_raised_to_what_the_hosts_need(limits):
    assert make_room(connections(2000), 32) == 32
    assert limits == [TAKEN + 2000 + AMPLE, 4096]


def test_many_threads_that_connect_have_room_too(limits):
    assert make_room(connections(2000), 500) == 500
    assert limits == [TAKEN + 2000 + 500 * CONNECTING, 4096]


def test_near_the_hard_limit_fewer_are_connected_to_at_a_time(limits):
    limits[:] = 1024, 1024
    assert make_room(connections(1000), 32) == (1024 - 1000 - TAKEN) // CONNECTING
    assert limits == [1024, 1024]


def test_beyond_it_nobody_is_connected_to(limits):
    limits[:] = 256, 1024
    most = 1024 - TAKEN - SPARE
    assert make_room(connections(most), 32) == SPARE // CONNECTING
    with pytest.raises(
        BadInput, match=rf"^{most + 1} hosts at a time need 1025 open files here, of which 1024"
    ):
        make_room(connections(most + 1), 32)


def test_without_limits_none_is_set(limits):
    limits[:] = resource.RLIM_INFINITY, resource.RLIM_INFINITY
    assert make_room(connections(100_000), 32) == 32
    assert limits == [resource.RLIM_INFINITY] * 2


def test_what_is_behind_a_jump_host_shares_its_connection(limits):
    limits[:] = 1024, 1024
    assert make_room(connections(5000, fabric.Connection("jump")), 32) == 32


def test_a_proxy_command_has_three_pipes(limits):
    limits[:] = 1024, 1024
    assert make_room(connections(300, "nc %h %p"), 32) == 32
    with pytest.raises(BadInput, match="need 1071 open files"):
        make_room(connections(350, "nc %h %p"), 32)


@pytest.mark.parametrize(("taken", "kept"), [(10, 64), (1000, 32), (1100, 7), (1127, 2), (5000, 2)])
def test_files_of_a_tree_stay_open_as_far_as_hosts_leave_room(monkeypatch, taken, kept):
    """With a thousand hosts and what is raised for them, 128 files of the operator's tree were too many."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1128, 4096))
    monkeypatch.setattr(of_trees, "open_now", lambda: taken)
    assert of_trees.kept_open(64) == kept


def test_what_is_open_is_counted():
    before = of_trees.open_now()
    reading, writing = os.pipe()
    assert of_trees.open_now() == before + 2
    os.close(reading)
    os.close(writing)
    assert of_trees.open_now() == before


def test_where_the_kernel_does_not_tell_the_limit_alone_counts(monkeypatch):
    monkeypatch.setattr(os, "listdir", lambda _: (_ for _ in ()).throw(FileNotFoundError))
    monkeypatch.setattr(resource, "getrlimit", lambda _: (64, 64))
    assert of_trees.open_now() == 0
    assert of_trees.kept_open(64) == 4
