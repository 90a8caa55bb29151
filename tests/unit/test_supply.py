"""What goes to hosts that lack their agent: the bytes, or where another host has them."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, Optional

import pytest

from murder_fabric.control import Message, PassOn
from murder_fabric.deploy.connecting.asking import Listener
from murder_fabric.deploy.connecting.supply import Supply
from murder_fabric.deploy.failures import HostFailure

BUNDLE = b"zip" * 400_000
HOSTS = [f"web{number}" for number in range(1, 13)]
REQUEST = PassOn("/5f", 8998, 9017, 120.0)
OVER_SSH = (b'{"fetch": null}\n', BUNDLE)
LACKS = Message({"event": "bootstrap", "have": False})


class FakeSender:
    """Writes down what was sent to whom."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, tuple[bytes, ...]]] = []
        self.told: list[tuple[str, Message, Listener]] = []
        #: By host, the IP address that SSH goes to.
        self.at = {f"web{number}": f"192.0.2.{number + 6}" for number in range(1, 13)}

    def send(self, host: str, *parts: bytes) -> None:
        self.sent.append((host, parts))

    def tell(self, host: str, message: Message, listener: Listener) -> None:
        self.told.append((host, message, listener))

    def reached_at(self, host: str) -> str:
        return self.at.get(host, "")


def waiting(pass_on: Optional[PassOn] = REQUEST) -> tuple[Supply, FakeSender]:
    """All lack it; the first of them speaks, and is asked to pass it on."""
    sender = FakeSender()
    supply = Supply(BUNDLE, pass_on, HOSTS, sender)
    for host in HOSTS:
        supply.heard(host, LACKS, now=0.0)
    supply.greeted("web1", now=1.0)
    return supply, sender


def done(**fields: Any) -> Message:
    return Message({"event": "done", **fields})


def test_without_a_request_to_pass_it_on_each_gets_the_bytes_and_nothing_else() -> None:
    supply, sender = waiting(None)
    supply.heard("web2", Message({"event": "unfetched"}), now=1.0)
    supply.heard("web2", Message({"event": "bootstrap", "have": True}), now=1.0)
    supply.lost("web2", now=1.0)
    supply.look(now=100.0)
    assert sender.sent == [(host, (BUNDLE,)) for host in HOSTS]
    assert sender.told == []


def test_the_first_get_the_bytes_and_who_speaks_is_asked_to_pass_them_on() -> None:
    supply, sender = waiting()
    assert sender.sent == [("web1", OVER_SSH), ("web2", OVER_SSH)]
    assert sender.told == [("web1", Message(REQUEST.fields(), BUNDLE), supply)]


def test_the_others_are_told_where_it_is() -> None:
    supply, sender = waiting()
    supply.hear("web1", Message({"event": "working"}))
    del sender.sent[:]
    supply.hear("web1", done(address="192.0.2.7", port=8999))
    assert [host for host, _ in sender.sent] == HOSTS[2:]
    ((line,),) = {parts for _, parts in sender.sent}
    place = json.loads(line)["fetch"]
    assert line.endswith(b"}\n")
    assert place.pop("patience") > 5.0
    assert place == {"address": "192.0.2.7", "port": 8999, "path": "/5f"}
    supply.heard("web5", Message({"event": "unfetched", "reason": "no"}), now=2.0)
    assert sender.sent[-1] == ("web5", (BUNDLE,))


@pytest.mark.parametrize(
    "answer",
    [
        HostFailure("lost", "gone"),
        Message({"event": "failed", "reason": "no port is free"}),
        done(address="192.0.2.7"),
        done(address="192.0.2.7", port=-1),
        done(address="elsewhere.example", port=80),
        done(address=7, port=80),
    ],
)
def test_one_that_does_not_pass_it_on_or_answers_nonsense_leaves_the_bytes_to_us(
    answer: Message | HostFailure,
) -> None:
    supply, sender = waiting()
    supply.hear("web1", answer)
    assert sender.sent == [(host, OVER_SSH) for host in HOSTS]


BY_ANOTHER_NETWORK = dataclasses.replace(REQUEST, interface="eth1")


@pytest.mark.parametrize("said", ["169.254.169.254", "127.0.0.1", "10.0.0.7", "192.0.2.8", "::1"])
def test_one_that_names_another_address_than_its_own_sends_nobody_there(said: str) -> None:
    supply, sender = waiting()
    supply.hear("web1", done(address=said, port=80))
    assert sender.sent == [(host, OVER_SSH) for host in HOSTS]


@pytest.mark.parametrize(
    ("said", "is_taken"),
    [
        ("10.0.0.7", True),
        ("fd00::7", True),
        # Of another host, of whoever goes there, and of the cloud.
        ("192.0.2.8", False),
        ("127.0.0.1", False),
        ("::1", False),
        ("::ffff:127.0.0.1", False),
        ("169.254.169.254", False),
        ("fe80::1", False),
    ],
)
@pytest.mark.parametrize("behind", ["a jump host", "another network"])
def test_where_ssh_does_not_tell_an_address_may_be_any_that_is_no_other_hosts(
    behind: str, said: str, is_taken: bool
) -> None:
    supply, sender = waiting(BY_ANOTHER_NETWORK if behind == "another network" else REQUEST)
    if behind == "a jump host":
        del sender.at["web1"]
    supply.hear("web1", done(address=said, port=8999))
    told = [parts for host, parts in sender.sent if parts != OVER_SSH]
    assert [json.loads(line)["fetch"]["address"] for (line,) in told] == [said] * (10 * is_taken)


def test_an_address_by_which_ssh_reaches_a_host_under_two_names_is_its_own() -> None:
    supply, sender = waiting(BY_ANOTHER_NETWORK)
    sender.at["web2"] = sender.at["web1"] = "127.0.0.1"
    supply.hear("web1", done(address="127.0.0.1", port=8999))
    assert sum(parts != OVER_SSH for _, parts in sender.sent) == 10


def test_who_waited_too_long_gets_the_bytes() -> None:
    supply, sender = waiting()
    supply.look(now=60.0)
    assert sender.sent == [(host, OVER_SSH) for host in HOSTS]


def test_quick_bytes_go_to_all() -> None:
    sender = FakeSender()
    supply = Supply(BUNDLE, REQUEST, HOSTS, sender)
    for host in HOSTS:
        supply.heard(host, LACKS, now=0.0)
    supply.heard("web1", Message({"event": "received"}), now=0.01)
    assert sender.sent == [(host, OVER_SSH) for host in HOSTS]


def test_in_the_end_nobody_passes_it_on() -> None:
    supply, sender = waiting()
    supply.hear("web1", done(address="192.0.2.7", port=8999))
    for host in HOSTS[1:-1]:
        supply.greeted(host, now=3.0)
    supply.lost(HOSTS[-1], now=4.0)
    (_, (host, message, listener)) = sender.told
    listener.hear(host, done())
    assert (host, message) == ("web1", Message({"do": "pass_no_more"}))
