"""Who answers, who is out and why; the channels answer from a table."""

from __future__ import annotations

import io

import pytest
from fake_channels import FakeChannels

from murder_fabric import control
from murder_fabric.control import Message
from murder_fabric.deploy.failures import HostFailure
from murder_fabric.deploy.muster import Muster, shared_addresses
from murder_fabric.deploy.outcome import HostState, Outcome
from murder_fabric.deploy.watching.view import View
from murder_fabric.errors import AllHostsFailed, BadInput

DOWN = HostFailure("refused", "refused the connection to port 22")


def muster_of(channels, *hosts):
    channels.hosts = list(hosts)
    return Muster(channels, hosts, View(io.StringIO()))


def test_greeting_tells_apart_who_took_the_agent_in_who_had_it_and_who_is_silent():
    muster = muster_of(FakeChannels(silent={"web2": DOWN}, old="web3"), "web1", "web2", "web3")
    muster.greet()
    assert muster.greeted == ["web1", "web3"]
    assert muster.supplied == {"web3"}
    assert muster.silent == {"web2": DOWN}
    assert muster.outcome["web2"].state is HostState.UNREACHABLE


def test_greeting_says_who_could_not_have_its_agent_from_another_host():
    class Channels(FakeChannels):
        def greet(self, timeout, on_event=None, on_answer=None):
            said = super().greet(timeout, on_event, on_answer)
            for host in ("web2", "web3"):
                on_event(host, Message({"event": "unfetched", "reason": f"192.0.2.7 port 8998: \x1b{host}"}))
            return said

    stream, channels = io.StringIO(), Channels(old="web2 web3")
    channels.hosts = ["web1", "web2", "web3"]
    muster = Muster(channels, channels.hosts, View(stream))
    muster.greet()
    assert muster.supplied == {"web2", "web3"}
    assert "web[2-3] took the agent over SSH (192.0.2.7 port 8998: \\x1bweb2)" in stream.getvalue()


def test_while_agents_start_it_is_said_how_many_answer():
    channels, view, shown = FakeChannels(silent={"web2": DOWN}), View(io.StringIO()), []
    channels.hosts = ["web1", "web2", "web3"]
    view.answered = shown.append  # type: ignore[method-assign]
    Muster(channels, channels.hosts, view).greet()
    assert shown == ["web1", "web3"]


def test_hosts_that_are_silent_are_named_at_once_and_on_one_line():
    stream, channels = io.StringIO(), FakeChannels(silent={"web2": DOWN, "web3": DOWN})
    channels.hosts = ["web1", "web2", "web3"]
    Muster(channels, ["web1", "web2"], View(stream)).greet()
    assert stream.getvalue().splitlines()[1:] == ["  web[2-3]: refused the connection to port 22"]


def test_who_fails_is_out_and_the_others_words_come_back():
    no_space = HostFailure("failed", "no space left")
    channels = FakeChannels({"stop": lambda host, _: no_space if host == "web1" else {"bytes_uploaded": 7}})
    muster = muster_of(channels, "web1", "web2")
    done = muster.ask(["web1", "web2"], lambda _: control.Stop("v1"))
    assert {host: message.fields["bytes_uploaded"] for host, message in done.items()} == {"web2": 7}
    assert muster.outcome.going == ["web2"]


def test_a_request_for_an_agent_that_stays_says_which():
    channels = FakeChannels()
    muster_of(channels, "web1").ask(["web1"], lambda _: control.Heartbeat(), to="tracker")
    assert channels.asked == [("web1", "tracker", "heartbeat")]


@pytest.mark.parametrize(
    ("failure", "error", "text"),
    [
        (HostFailure("failed", "not running here", 2), BadInput, "web1: not running here"),
        (HostFailure("failed", "disk full"), AllHostsFailed, "nothing can be done without web1: disk full"),
    ],
)
def test_one_host_that_all_depends_on_ends_the_run(failure, error, text):
    with pytest.raises(error) as raised:
        muster_of(FakeChannels({"locate": failure}), "web1").ask_one("web1", control.Locate())
    assert str(raised.value) == text
    assert type(raised.value) is error


def test_what_was_complained_of_at_the_greeting_is_not_said_again():
    muster = muster_of(FakeChannels(silent={"web2": DOWN}), "web2")
    muster.greet()
    with pytest.raises(AllHostsFailed) as raised:
        muster.ask_one("web2", control.Locate())
    assert str(raised.value) == "nothing can be done without web2"


def test_hosts_with_one_address_cannot_reach_each_other():
    assert shared_addresses({"a": "127.0.0.1", "b": "127.0.0.1", "c": "::1", "d": "::1"}) == {}
    assert shared_addresses({"a": "10.0.0.1", "b": "10.0.0.2"}) == {}
    muster = located({"web1": "10.0.2.15", "web2": "10.0.2.15"})
    with pytest.raises(BadInput, match=r"web\[1-2\] all say that their address is 10\.0\.2\.15.*interface"):
        muster.locate("")
    assert muster.outcome.going == ["web1", "web2"]


def located(addresses, at=None):
    channels = FakeChannels({"locate": lambda host, fields: {"address": addresses[host]}})
    channels.at = at or {}
    muster = muster_of(channels, *addresses)
    muster.greet()
    return muster


def test_an_address_that_several_claim_is_that_of_the_host_which_ssh_reaches_there():
    claims = {"web1": "10.0.0.1", "web2": "10.0.0.2", "web3": "10.0.0.1", "web4": "10.0.0.1"}
    muster = located(claims, {"web1": "10.0.0.1", "web2": "10.0.0.2", "web3": "10.0.0.3"})
    assert muster.locate("") == {"web1": "10.0.0.1", "web2": "10.0.0.2"}
    assert muster.outcome.going == ["web1", "web2"]
    said = "web[1,3-4] all say that their address is 10.0.0.1, and SSH reaches web1 there; name the interface"
    assert muster.outcome["web3"].error.startswith(said)
    assert muster.outcome["web3"].error == muster.outcome["web4"].error


@pytest.mark.parametrize("at", [{}, {"web1": "10.9.9.9"}, {"web1": "10.0.0.1", "web2": "10.0.0.1"}])
def test_where_nobody_can_tell_whose_an_address_is_all_who_claim_it_are_out_and_nobody_else(at):
    muster = located({"web1": "10.0.0.1", "web2": "10.0.0.1", "web3": "10.0.0.3"}, at)
    assert muster.locate("") == {"web3": "10.0.0.3"}
    assert muster.outcome.going == ["web3"]
    assert muster.outcome["web2"].error.startswith(
        "web[1-2] all say that their address is 10.0.0.1; name the"
    )


def test_an_address_is_the_same_however_it_is_written():
    muster = located({"web1": "fd00::1", "web2": "FD00:0::1", "web3": "::ffff:10.0.0.3"}, {"web1": "fd00::1"})
    assert muster.locate("") == {"web1": "fd00::1", "web3": "10.0.0.3"}


def test_a_host_cannot_have_more_than_there_is():
    muster, heard = muster_of(FakeChannels(), "web1"), []
    muster.view.heard = lambda host, fields: heard.append(fields)
    muster.progress("web1", Message({"bytes": 1 << 60, "length": 1 << 62, "rate": 1}), 90)
    assert heard == [{"bytes": 90, "length": 90, "rate": 1}]


def test_hosts_are_noted_as_they_answer_and_not_when_the_last_one_has():
    outcome, seen = Outcome(["web1", "web2"]), []
    channels = FakeChannels({"verify": lambda host, _: DOWN if host == "web1" else {}})
    view = View(None)
    view.answered = lambda host: seen.append((host, outcome.lost, outcome[host].state))  # type: ignore[method-assign]
    Muster(channels, outcome, view).ask(outcome, lambda _: control.Verify("v1"), reaching=HostState.VERIFIED)
    assert seen == [("web2", ["web1"], HostState.VERIFIED)]


def test_hashing_on_a_host_is_shown_as_it_goes():
    stream = io.StringIO()
    muster = Muster(FakeChannels(), ["a"], View(stream))
    with muster.view.stage("create"):
        muster.view._shown_at = -1e9
        muster.hashing()("a", Message({"event": "progress", "bytes": 3_000_000, "length": 12_000_000}))
    assert "3.0 MB of 12.0 MB hashed on a" in stream.getvalue()


def test_web_seeds_are_told_by_what_they_gave_and_why_they_were_given_up():
    muster = muster_of(FakeChannels(), "web1", "web2")
    bad = {"http://o/": "it answers HTTP status 404"}
    done = {
        "web1": Message({"bytes_of_web_seeds": 1_000_000, "web_seed_problems": bad}),
        "web2": Message({"bytes_of_web_seeds": 2_000_000, "web_seed_problems": bad}),
    }
    assert muster.told_of_sources(done) == [
        "3.0 MB of it from web seeds",
        "web[1-2] gave up http://o/: it answers HTTP status 404",
    ]
    assert muster.told_of_sources({"web1": Message({})}) == []


def test_a_tracker_that_did_not_answer_is_told_once_with_all_who_asked():
    muster = muster_of(FakeChannels(), "web1", "web2", "web3")
    dead = {"tracker_problem": "http://t/announce: no answer within 10 s"}
    done = {"web1": Message(dead), "web2": Message({"tracker_problem": None}), "web3": Message(dead)}
    assert muster.told_of_sources(done) == [
        "the tracker never answered web[1,3]: http://t/announce: no answer within 10 s"
    ]
