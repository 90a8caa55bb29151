"""Hosts that talk on and get nothing: who waits for a download ends all the same (invariant I4)."""

from __future__ import annotations

import pytest

from murder_fabric.control import WORKING, Message
from murder_fabric.deploy.connecting import asking
from murder_fabric.deploy.connecting.asking import Ask
from murder_fabric.deploy.failures import HostFailure
from murder_fabric.deploy.standstill import STANDSTILL, Standstill
from murder_fabric.policy.stalling import GIVE_UP_AFTER, TRICKLE

LENGTH = 1_000_000


class Waited:
    """Hosts that have not answered, and why each was given up."""

    def __init__(self, *hosts: str) -> None:
        self.hosts = list(hosts)
        self.why: dict[str, HostFailure] = {}

    def waiting(self) -> list[str]:
        return list(self.hosts)

    def give_up(self, host: str, why: HostFailure) -> None:
        self.hosts.remove(host)
        self.why[host] = why


class Clock:
    """`time.monotonic` as the test moves it."""

    now = 50.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    monkeypatch.setattr("time.monotonic", lambda: Clock.now)
    monkeypatch.setattr(Clock, "now", 50.0)
    return Clock()


def look_on(clock: Clock, standstill: Standstill, seconds: float, gained: dict[str, list[int]]) -> None:
    """Look once a second for so long, each host telling what it *gained*, the last of it again and again."""
    for _ in range(int(seconds)):
        for host, counts in gained.items():
            standstill.heard(host, {"bytes_gained": counts.pop(0) if len(counts) > 1 else counts[0]})
        standstill.look()
        Clock.now += 1.0


def test_who_gets_nothing_and_says_so_is_out_after_minutes_and_nobody_else_is(clock: Clock) -> None:
    waited = Waited("web1", "web2")
    rate = int(2 * TRICKLE)
    slowly = [*range(0, 2000 * rate, rate)]
    standstill = Standstill(waited, 10**9)
    look_on(clock, standstill, STANDSTILL, {"web1": slowly, "web2": [7]})
    assert waited.hosts == ["web1", "web2"]
    look_on(clock, standstill, 2, {"web1": slowly, "web2": [7]})
    assert waited.why == {
        "web2": HostFailure(
            "late",
            "nothing new came for 180 s, and its agent goes on: it hangs, or lies."
            " Look at that host, then run the same command again",
        )
    }
    look_on(clock, standstill, 1000, {"web1": slowly})
    assert waited.hosts == ["web1"]


def test_who_never_says_how_far_it_is_is_out_too(clock: Clock) -> None:
    waited = Waited("web1")
    look_on(clock, Standstill(waited, LENGTH), STANDSTILL + 2, {})
    assert list(waited.why) == ["web1"]


@pytest.mark.parametrize("said", [[*range(LENGTH, 10**9, LENGTH)], [5, 3] * 500])
def test_nobody_gets_more_than_there_is_or_the_same_again(clock: Clock, said: list[int]) -> None:
    waited = Waited("web1")
    look_on(clock, Standstill(waited, LENGTH), STANDSTILL + 4, {"web1": said})
    assert list(waited.why) == ["web1"]


def test_who_is_late_is_out_however_much_comes(clock: Clock) -> None:
    waited = Waited("web1", "web2")
    standstill = Standstill(waited, 10**9, most=300)
    gained = {"web1": [*range(10**6, 10**9, 10**6)], "web2": [*range(10**5, 10**8, 10**5)]}
    look_on(clock, standstill, 300, gained)
    assert waited.hosts == ["web1", "web2"]
    standstill.look()
    assert waited.why["web1"] == HostFailure(
        "late",
        "30 % had come after 300 s, which is what murder.swarm_timeout allows; what is there is kept."
        " Look at the link of that host, or allow more, then run the same command again",
    )
    assert waited.hosts == []


def test_an_agent_of_ours_has_given_up_long_before() -> None:
    assert STANDSTILL > 2 * GIVE_UP_AFTER


def test_of_who_waits_everybody_is_looked_at_though_nothing_but_signs_of_life_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(asking, "TICK", 0.01)
    forgotten: list[str] = []

    class Asked:
        def forget(self, host: str, request: int) -> None:
            forgotten.append(host)

        def missed(self, host: str, request: int, failure: HostFailure) -> None:
            forgotten.append(host)

    ask = Ask(Asked(), {"web1": 1, "web2": 2})
    ask.hear("web1", Message({"event": "done"}))
    looks: list[list[str]] = []

    def look() -> None:
        looks.append(ask.waiting())
        if len(looks) < 3:
            ask.hear("web2", Message({"event": WORKING}))
        elif len(looks) == 3:
            ask.give_up("web2", HostFailure("late", "it stands still"))

    answers = ask.wait(None, lambda host, event: None, silence=60.0, on_look=look)
    assert answers["web2"] == HostFailure("late", "it stands still")
    assert set(map(tuple, looks)) <= {("web1", "web2"), ("web2",)}
    assert forgotten == ["web2"]
