"""Which hosts call at which, and whose fault it is when they call in vain: pure decisions."""

from __future__ import annotations

from collections import Counter

import pytest

from murder_fabric.deploy.calls import MOST_CALLS, MOST_HOSTS, Call, Door, faults, rounds

HOSTS = [f"web{number}" for number in range(1, 9)]


def door(host: str, port: int = 6881) -> Door:
    return Door(host, f"10.0.0.{host[3:]}", port, "mark of " + host)


def doors(count: int) -> list[Door]:
    return [door(f"web{number}") for number in range(1, count + 1)]


def pairs(found: list[dict[str, Door]]) -> list[tuple[str, str, int]]:
    return [(caller, called.host, called.port) for calls in found for caller, called in calls.items()]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 8, MOST_HOSTS])
def test_few_hosts_call_at_all_others(count: int) -> None:
    made = pairs(rounds(doors(count)))
    assert len(made) == len(set(made)) == count * (count - 1)


@pytest.mark.parametrize("count", [MOST_HOSTS + 1, 60, 500])
def test_many_hosts_make_few_calls_each_and_are_called_as_often(count: int) -> None:
    made = pairs(rounds(doors(count)))
    assert len(made) <= MOST_CALLS * count
    assert set(Counter(caller for caller, _, _ in made).values()) <= {4, 5}
    assert set(Counter(called for _, called, _ in made).values()) <= {4, 5}
    assert all(caller != called for caller, called, _ in made)


def test_near_and_far_hosts_are_called() -> None:
    first = [called for caller, called, _ in pairs(rounds(doors(500))) if caller == "web1"]
    assert first == ["web2", "web6", "web23", "web107", "web500"]


def test_everybody_calls_at_tracker_and_seeder_and_nobody_twice() -> None:
    for_all = [door("web1"), door("web1", 8998), door("web99")]
    made = pairs(rounds(doors(60), for_all))
    for called in for_all:
        callers = [caller for caller, host, port in made if (host, port) == (called.host, called.port)]
        assert sorted(callers) == sorted(one.host for one in doors(60) if one.host != called.host)


def calls(in_vain: dict[tuple[str, str], str], count: int = 8) -> list[Call]:
    return [
        Call(caller, called, in_vain.get((caller, called.host), ""))
        for made in rounds(doors(count))
        for caller, called in made.items()
    ]


def test_all_well_is_no_fault() -> None:
    assert faults(calls({}), HOSTS) == {}


def test_a_host_that_few_reach_is_the_one_at_fault() -> None:
    told = calls({(host, "web1"): "timed out" for host in HOSTS})
    assert faults(told, HOSTS) == {"web1": ["web[2-8] cannot reach web1 at 10.0.0.1:6881 (timed out)"]}


def test_a_host_that_reaches_few_is_the_one_at_fault() -> None:
    told = calls({("web3", host): "refused" for host in HOSTS}, 4)
    assert faults(told, HOSTS) == {"web3": ["web3 cannot reach web[1-2,4] at port 6881 (refused)"]}


def test_of_two_hosts_the_one_that_is_not_reached_is_at_fault() -> None:
    told = calls({("web2", "web1"): "timed out"}, 2)
    assert faults(told, HOSTS) == {"web1": ["web2 cannot reach web1 at 10.0.0.1:6881 (timed out)"]}


def test_two_reasons_are_two_sentences_and_an_ipv6_address_has_brackets() -> None:
    called = Door("web1", "fd00::1", 6881, "")
    told = [Call("web2", called, "timed out"), Call("web3", called, "refused")]
    assert faults(told, HOSTS) == {
        "web1": [
            "web2 cannot reach web1 at [fd00::1]:6881 (timed out)",
            "web3 cannot reach web1 at [fd00::1]:6881 (refused)",
        ]
    }
