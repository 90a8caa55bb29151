"""What is asked of agents that are broken, or lie: each fails alone, in one sentence."""

from __future__ import annotations

import json
from typing import Any

import pytest

from murder_fabric.control import REQUESTS, Message, check_event
from murder_fabric.control.answers import DONE, PROGRESS
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
    **{"upload_rate": 0, "bytes_downloaded": 9, "bytes_uploaded": 0, "disk_seconds": 0.1, "unavailable": 3},
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
        *[("time", "now"), ("time", -1)],
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


def test_only_requests_that_move_the_payload_say_how_far_they_are() -> None:
    assert {kind.name for kind in PROGRESS} == {"create", "join"}
