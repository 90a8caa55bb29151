"""Which hosts get their agent over SSH, which from another host, and for how long they wait for that."""

from __future__ import annotations

import pytest

from murder_fabric.deploy.connecting.passing_on import FEW_LEFT, FIRST, MODEST_RATE, STEP, Do, PassingOn, Step

MEGABYTE = 1_000_000
HOSTS = [f"web{number}" for number in range(1, 13)]


def steps(do: Do, *hosts: str) -> list[Step]:
    return [Step(do, host) for host in hosts]


def lacking(hosts: list[str] = HOSTS, length: int = MEGABYTE) -> PassingOn:
    """All *hosts* say at 0 s that they lack it."""
    passing = PassingOn(hosts, length)
    assert [step for host in hosts for step in passing.lacks(host, now=0.0)] == steps(Do.SEND, *hosts[:FIRST])
    return passing


def serving() -> PassingOn:
    """The first has it since 2 s, and passes it on."""
    passing = lacking()
    assert passing.received("web1", now=2.0) == []
    assert passing.greeted("web1", now=3.0) == steps(Do.ASK, "web1")
    return passing


def test_the_first_get_it_at_once_and_the_first_that_speaks_passes_it_on() -> None:
    assert serving().serves("web1", now=4.0) == steps(Do.POINT, *HOSTS[FIRST:])


def test_a_host_that_had_it_already_passes_it_on() -> None:
    passing = PassingOn(HOSTS, MEGABYTE)
    assert passing.greeted("web5", now=0.0) == []
    said = [step for host in HOSTS[:4] for step in passing.lacks(host, now=20.0)]
    assert said == [*steps(Do.SEND, "web1", "web2"), *steps(Do.ASK, "web5")]
    assert passing.serves("web5", now=20.5) == steps(Do.POINT, "web3", "web4")
    assert passing.lacks("web6", now=21.0) == steps(Do.POINT, "web6")


def test_where_sending_it_to_all_is_quick_nobody_waits() -> None:
    assert lacking().received("web2", now=0.1) == steps(Do.SEND, *HOSTS[FIRST:])


def test_where_it_is_slow_they_wait_for_who_passes_it_on() -> None:
    assert lacking().received("web2", now=1.0) == []


def test_a_few_are_not_worth_a_host_that_passes_it_on() -> None:
    few = HOSTS[: FIRST + FEW_LEFT]
    passing = PassingOn(few, MEGABYTE)
    said = [step for host in few for step in passing.lacks(host, now=0.0)]
    assert sorted(said[FIRST:], key=str) == sorted(steps(Do.SEND, *few[FIRST:]), key=str)


def test_hosts_that_turn_out_to_have_it_leave_few() -> None:
    passing = PassingOn(HOSTS, MEGABYTE)
    for host in HOSTS[:4]:
        passing.lacks(host, now=0.0)
    said = [step for host in HOSTS[4:] for step in passing.greeted(host, now=0.1)]
    assert said == [*steps(Do.ASK, "web5"), *steps(Do.SEND, "web3", "web4")]


@pytest.mark.parametrize("length", [MEGABYTE, 4 * MEGABYTE])
def test_nobody_waits_longer_than_sending_it_to_all_might_take(length: int) -> None:
    passing, left = lacking(length=length), HOSTS[FIRST:]
    patience = min(STEP, len(left) * length / MODEST_RATE)
    assert passing.look(now=patience - 0.01) == []
    assert passing.look(now=patience) == steps(Do.SEND, *left)


def test_each_step_forward_is_waited_for_anew() -> None:
    passing = lacking(length=4 * MEGABYTE)
    assert passing.received("web2", now=9.0) == []
    assert passing.greeted("web2", now=18.0) == steps(Do.ASK, "web2")
    assert passing.look(now=27.0) == []
    assert passing.look(now=28.0) == steps(Do.SEND, *HOSTS[FIRST:])


def test_one_that_was_slow_to_serve_still_does_for_who_comes_later() -> None:
    passing = PassingOn([*HOSTS, "late"], MEGABYTE)
    for host in HOSTS:
        passing.lacks(host, now=0.0)
    passing.greeted("web1", now=1.0)
    passing.look(now=60.0)
    assert passing.serves("web1", now=61.0) == []
    assert passing.lacks("late", now=62.0) == steps(Do.POINT, "late")


def test_where_nobody_passes_it_on_all_get_it_over_ssh() -> None:
    assert serving().refused("web1", now=4.0) == steps(Do.SEND, *HOSTS[FIRST:])
    assert serving().lost("web1", now=4.0) == steps(Do.SEND, *HOSTS[FIRST:])
    assert serving().lost("web2", now=4.0) == steps(Do.SEND, "web3")


def test_who_could_not_fetch_it_is_sent_it_once() -> None:
    passing = serving()
    passing.serves("web1", now=4.0)
    assert passing.unfetched("web7", now=5.0) == steps(Do.SEND_AFTER_ALL, "web7")
    assert passing.unfetched("web7", now=5.0) == []
    assert passing.unfetched("web1", now=5.0) == []


def test_a_host_says_once_that_it_lacks_it() -> None:
    passing = lacking()
    assert passing.lacks("web1", now=1.0) == passing.lacks("elsewhere", now=1.0) == []


def test_an_agent_that_needed_no_start_as_on_the_operators_machine_passes_nothing_on() -> None:
    assert lacking().greeted("elsewhere", now=1.0) == []


def test_another_takes_the_place_of_a_first_one_that_is_lost() -> None:
    assert lacking().lost("web1", now=0.5) == steps(Do.SEND, "web3")


def test_nobody_passes_it_on_once_all_speak_or_are_lost() -> None:
    passing = serving()
    passing.serves("web1", now=4.0)
    for host in HOSTS[1:-1]:
        assert passing.greeted(host, now=5.0) == []
    assert passing.lost(HOSTS[-1], now=6.0) == steps(Do.DISMISS, "web1")
    assert passing.look(now=7.0) == passing.lost("web2", now=7.0) == []


def test_the_more_hosts_fetch_it_the_longer_each_tries() -> None:
    many = [f"web{number}" for number in range(500)]
    assert PassingOn(HOSTS, MEGABYTE).patience < PassingOn(many, MEGABYTE).patience <= 30.0
