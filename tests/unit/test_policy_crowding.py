"""Whose connections are taken, and how many of one address (fault row 52): pure decisions."""

from __future__ import annotations

import pytest

from murder_fabric.policy.crowding import BESIDE_HOSTS, OF_A_STRANGER, Crowding


def taken(crowding: Crowding, host: str) -> int:
    """Return how many connections of *host* are taken, if none of them ever ends."""
    standing = 0
    while crowding.has_room_for(host, standing) and standing < 1000:
        standing += 1
    return standing


@pytest.mark.parametrize(
    ("hosts", "host", "count"),
    [
        (["10.0.0.1", "10.0.0.2"], "10.0.0.1", 1 + BESIDE_HOSTS),
        (["127.0.0.1"] * 20, "127.0.0.1", 20 + BESIDE_HOSTS),
        (["10.0.0.1"], "10.0.0.3", 0),
        ([], "10.0.0.1", 0),
        (None, "10.0.0.1", OF_A_STRANGER),
    ],
)
def test_an_address_has_as_many_connections_as_hosts_and_a_few_more(hosts, host, count):
    assert taken(Crowding(hosts), host) == count


def test_who_is_admitted_later_may_come_and_nobody_is_counted_twice():
    crowding = Crowding(["10.0.0.1"])
    crowding.admit(["10.0.0.1", "10.0.0.2", "10.0.0.2"])
    crowding.admit(["10.0.0.2"])
    assert taken(crowding, "10.0.0.1") == 1 + BESIDE_HOSTS
    assert taken(crowding, "10.0.0.2") == 2 + BESIDE_HOSTS


def test_an_address_stands_for_as_many_peers_as_were_named_there_and_for_one_at_the_least():
    crowding = Crowding(["10.0.0.1", "10.0.0.2", "10.0.0.2"])
    assert [crowding.hosts_at(f"10.0.0.{last}") for last in (1, 2, 3)] == [1, 2, 1]
    assert Crowding(None).hosts_at("10.0.0.1") == OF_A_STRANGER


def test_nobody_is_called_but_those_of_the_run_where_they_are_known():
    crowding = Crowding(["10.0.0.1"])
    crowding.admit(["10.0.0.2"])
    assert [crowding.takes_part(f"10.0.0.{last}") for last in (1, 2, 3)] == [True, True, False]
    assert not Crowding([]).takes_part("10.0.0.1")


def test_an_open_swarm_stays_open():
    crowding = Crowding(None)
    crowding.admit(["10.0.0.1"])
    assert crowding.takes_part("10.0.0.9")
    assert taken(crowding, "10.0.0.9") == OF_A_STRANGER
