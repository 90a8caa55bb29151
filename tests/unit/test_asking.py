"""What is asked of agents that are broken, or lie: each fails alone, in one sentence."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from murder_fabric import control
from murder_fabric.control import REQUESTS, Message, check_event
from murder_fabric.control.answers import DONE, PROGRESS
from murder_fabric.deploy.connecting import asking
from murder_fabric.deploy.connecting.asking import Ask
from murder_fabric.deploy.failures import HostFailure
from murder_fabric.errors import ControlError

JOINED = {
    **{"event": "done", "time": 1.5, "seconds": 2, "port": 6881, "bytes_downloaded": 7, "bytes_uploaded": 0},
    **{"bytes_of_web_seeds": 0, "web_seed_problems": {}, "tracker_problem": None},
    "senders": [["10.0.0.1", 6881, 7]],
}
PROGRESSED = {
    **{"event": "progress", "pieces": 1, "piece_count": 4, "bytes": 9, "length": 90, "rate": 1.5, "peers": 2},
    **{"upload_rate": 0, "bytes_downloaded": 9, "bytes_gained": 9, "bytes_uploaded": 0},
    **{"disk_seconds": 0.1, "unavailable": 3},
}
LISTED = {
    **{"tag": "v1", "state": "good", "digest": "", "verified": "", "length": 1, "reason": "", "rank": 0},
    "usable": True,
}


class Channels:
    """Writes down of whom nobody waits to hear any more."""

    def __init__(self) -> None:
        self.forgotten: list[str] = []

    def forget(self, host: str, request: int) -> None:
        self.forgotten.append(host)

    def missed(self, host: str, request: int, failure: HostFailure) -> None:
        self.forgotten.append(host)


def test_it_is_known_of_every_request_what_is_answered() -> None:
    assert {kind.name for kind in DONE} == set(REQUESTS)


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        *[("join", JOINED), ("join", PROGRESSED), ("join", {"event": "working"}), ("nothing", JOINED)],
        ("join", {**JOINED, "what": "a later version says besides"}),
        *[("list_releases", {"event": "done", "current": None, "held": None, "releases": [LISTED] * 2})],
        *[("prepare", {"event": "done", "destination": "/srv/app", "current": "v1", "python": "3.9.2"})],
    ],
)
def test_what_agents_say_is_taken_at_its_word(name: str, fields: dict[str, Any]) -> None:
    check_event(name, json.loads(json.dumps(fields)))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("bytes_downloaded", value) for value in ("7", -1, 7.0, True, None, [7], 10**400)],
        *[("seconds", value) for value in ("2", -0.1, float("nan"), float("inf"), 10**400, False)],
        *[("senders", [["10.0.0.1", 6881]]), ("senders", [[1, 6881, 7]]), ("senders", {}), ("senders", None)],
        *[("web_seed_problems", {"http://h/": 5}), ("web_seed_problems", []), ("tracker_problem", 5)],
        *[("time", "now"), ("time", -1), ("time", 1e20), ("port", 0), ("port", 1 << 16)],
    ],
)
def test_a_value_that_cannot_be_meant_is_named(field: str, value: object) -> None:
    with pytest.raises(ControlError, match=f"^join: {field} cannot be "):
        check_event("join", {**JOINED, field: value})


@pytest.mark.parametrize("field", sorted(PROGRESSED.keys() - {"event"}))
def test_progress_that_lacks_something_is_nonsense(field: str) -> None:
    with pytest.raises(ControlError, match=f"^join: {field} is missing$"):
        check_event("join", {name: value for name, value in PROGRESSED.items() if name != field})


@pytest.mark.parametrize("wrong", [{"rank": "1"}, {"tag": None}, {"length": -1}, {"usable": 1}])
def test_an_entry_of_a_list_is_looked_at_too(wrong: dict[str, Any]) -> None:
    said = {"event": "done", "current": None, "held": None, "releases": [LISTED, {**LISTED, **wrong}]}
    with pytest.raises(ControlError, match=r"^list_releases: releases cannot be \[\{"):
        check_event("list_releases", said)


@pytest.mark.parametrize("said", [{**JOINED, "bytes_downloaded": "much"}, {**PROGRESSED, "unavailable": []}])
def test_an_agent_that_says_nonsense_fails_its_host_alone(said: dict[str, Any]) -> None:
    channels, heard = Channels(), []
    ask = Ask(channels, {"web1": 1, "web2": 2}, {"web1": "join", "web2": "join"})
    ask.hear("web1", Message(said))
    ask.hear("web1", Message(JOINED))
    ask.hear("web2", Message(PROGRESSED))
    ask.hear("web2", Message(JOINED))
    answers = ask.wait(5, lambda host, event: heard.append(host))
    failure = answers["web1"]
    assert isinstance(failure, HostFailure)
    assert failure.reason.startswith("its agent said nonsense: join: ")
    assert answers["web2"] == Message(JOINED)
    assert (heard, channels.forgotten) == (["web2"], ["web1"])


#: What hosts say that others are sent, or that is shown as it is: by request and field, lies of one host.
LIES = {
    ("locate", "address"): ["banana", "", "0.0.0.0", "ff02::1", "fe80::1%eth0", "10.0.0.1\x1b[2J", 7],
    ("locate", "operator"): ["banana", "10.0.0.1 10.0.0.2"],
    ("tracker_facts", "address"): ["banana", "tracker.example"],
    ("tracker_facts", "port"): [0, 1 << 16, 10**30, -1, "80"],
    ("tracker_facts", "token"): ["banana", "", None, "ab" * 15, "AB" * 16, "ab" * 17],
    ("recall", "token"): ["banana", None],
    ("stand_by", "port"): [0, 1 << 20],
    ("pass_on", "address"): ["10.0.0.1/x"],
    ("seed", "port"): [70_000],
    ("prepare", "current"): ["../v1", "v1\x1b[2J", "v" * 256, ""],
    ("inspect", "digest"): ["banana", "\x1b[2J", "ab" * 1000],
    ("clean_up", "removed"): [["v1", "\x1b[2J"], ["v" * 101]],
    ("dismiss_all", "agents"): [["seeder-\x1b[2J"], ["Seeder-v1"], ["seeder-"], ["../x"]],
    ("recall_release", "revision"): ["abc\n20260101 forged line", "$(id)", "abc", "a" * 41, "A" * 40],
    ("stage", "bytes_reused"): [{"\x1b[2J": 1}, {"v1": -1}],
}
TRUE = {
    "locate": {"address": "10.0.0.1", "operator": None},
    "tracker_facts": {"address": "10.0.0.1", "port": 8998, "token": "ab" * 16},
    "recall": {"path": "/srv/app", "token": "ab" * 16},
    "stand_by": {"port": 6881},
    "pass_on": {"address": "fd00::1", "port": 8998},
    "seed": {"port": 6881},
    "prepare": {"destination": "/srv/app", "current": "before murder", "python": "3.9.2"},
    "inspect": {
        **{"tag": "v1", "digest": "ab" * 32, "ours": True, "drift": [], "strangers": []},
        **{"drift_count": 0, "damage": [], "damage_count": 0},
    },
    "clean_up": {"removed": ["v1"]},
    "dismiss_all": {"agents": ["seeder-v1", "tracker"]},
    "recall_release": {"digest": "ab" * 32, "revision": "ab" * 20},
    "stage": {"released": False, "removed": 0, "bytes_reused": {"v1": 3}, "files_changed": 0},
}


@pytest.mark.parametrize("name", sorted(TRUE))
def test_what_an_honest_host_says_of_itself_is_taken(name: str) -> None:
    check_event(name, {"event": "done", **TRUE[name]})


@pytest.mark.parametrize(
    ("name", "field", "lie"), [(*at, lie) for at, lies in LIES.items() for lie in lies], ids=repr
)
def test_what_would_hurt_others_or_the_operator_is_not_taken(name: str, field: str, lie: object) -> None:
    with pytest.raises(ControlError, match=f"^{name}: {field} cannot be ") as caught:
        check_event(name, {"event": "done", **TRUE[name], field: lie})
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("change", [{"rate": 1e20}, {"rate": 10**400}, {"tag": "\x1b"}, {"length": None}])
def test_what_is_at_work_is_looked_at_too(change: dict[str, Any]) -> None:
    part = {"tag": "v1", "bytes": 1, "length": 2, "peers": 0, "rate": 0.5, "upload_rate": 0, "port": 6881}
    agent = {"agent": "", "destinations": [], "tracker": None, "torrents": [part], "pid": 7}
    check_event("status", {"event": "done", "agents": [agent]})
    with pytest.raises(ControlError, match=r"^status: agents cannot be "):
        check_event("status", {"event": "done", "agents": [{**agent, "torrents": [{**part, **change}]}]})


@pytest.mark.parametrize("event", ["progresss", "progress", None, ["done"], 7, "hello", "\x1b" * 1000])
def test_an_event_that_no_agent_sends_is_nonsense(event: object) -> None:
    with pytest.raises(ControlError, match=r"^locate: nothing is known of ") as caught:
        check_event("locate", {"event": event, "bytes_gained": "x"})
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "request_",
    [
        control.Track("ab" * 20, ["127.0.0.1", "banana"]),
        control.Admit("v1", "ab" * 32, ["banana"], "http://t:8998/announce"),
        control.Join("v1", "127.0.0.1", 1, 2, "http://t/announce", hosts=["banana"]),
    ],
)
def test_no_host_is_told_of_another_by_what_is_no_address(request_: control.Request) -> None:
    with pytest.raises(ControlError, match=r"hosts cannot be \[.*'banana'\]"):
        control.parse_request(request_.fields())


def test_only_requests_that_move_the_payload_say_how_far_they_are() -> None:
    assert {kind.name for kind in PROGRESS} == {"create", "join"}


def test_of_what_a_host_says_again_and_again_only_the_last_waits_to_be_looked_at() -> None:
    ask, heard = Ask(Channels(), {"web1": 1}, {"web1": "join"}), []
    for number in range(5000):
        ask.hear("web1", Message({**PROGRESSED, "pieces": number}))
        ask.hear("web1", Message({"event": "working"}))
    assert ask._heard.qsize() == 2
    ask.hear("web1", Message(JOINED))
    assert ask.wait(5, lambda host, event: heard.append(event.fields["pieces"])) == {"web1": Message(JOINED)}
    assert heard == [4999]


class TalksOn:
    """A host that says how far it is as soon as anybody has looked at what it said before."""

    def __init__(self, ask: Ask, patience: float = 10.0) -> None:
        self.ask, self.until = ask, time.monotonic() + patience
        self.say()

    def say(self, *looked_at: object) -> None:
        assert time.monotonic() < self.until, "who talks is listened to without end"
        self.ask.hear("web1", Message(PROGRESSED))


def test_a_host_that_talks_on_moves_no_deadline() -> None:
    ask = Ask(Channels(), {"web1": 1, "web2": 2}, {"web1": "join", "web2": "join"})
    answers = ask.wait(0.05, TalksOn(ask).say)
    assert answers == dict.fromkeys(("web1", "web2"), HostFailure("late", "no answer within 0.05 s"))


def test_a_host_that_talks_on_hides_none_that_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "TICK", 0.01)
    ask = Ask(Channels(), {"web1": 1, "web2": 2}, {"web1": "join", "web2": "join"})

    def on_answer(host: str, answer: object) -> None:
        if host == "web2":
            ask.hear("web1", Message(JOINED))

    answers = ask.wait(None, TalksOn(ask).say, silence=0.05, on_answer=on_answer)
    assert answers == {"web1": Message(JOINED), "web2": HostFailure("late", "it said nothing for 0.05 s")}


def test_whoever_counts_answers_is_told_of_those_that_do_not_come() -> None:
    told: dict[str, object] = {}
    ask = Ask(Channels(), {"web1": 1, "web2": 2}, late="it let us in, but its agent did not start")
    ask.hear("web1", Message(JOINED))
    assert ask.wait(0, on_answer=told.__setitem__) == told
    assert told["web2"] == HostFailure("late", "it let us in, but its agent did not start within 0 s")


def test_what_came_in_time_counts_however_late_it_is_looked_at() -> None:
    ask = Ask(Channels(), {"web1": 1, "web2": 2})
    ask.hear("web1", Message(JOINED))
    assert ask.wait(0) == {
        "web1": Message(JOINED),
        "web2": HostFailure("late", "no answer within 0 s"),
    }
