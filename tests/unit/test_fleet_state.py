"""What every host does now: told by records, some of them nonsense, and looked at with a clock in hand."""

from __future__ import annotations

import math
from typing import Any

import pytest

from murder_fabric.deploy.failures import HostFailure
from murder_fabric.deploy.outcome import HostState, Outcome
from murder_fabric.deploy.watching.fleet_state import Doing, FleetState

LENGTH = 1_000_000


def fleet_of(count: int, state: HostState = HostState.READY) -> FleetState:
    outcome = Outcome(f"web{number}" for number in range(1, count + 1))
    for host in outcome:
        outcome.reached(host, state)
    fleet = FleetState(outcome)
    fleet.begun("swarm", now=0.0)
    fleet.asked(list(fleet.outcome))
    return fleet


def record(**fields: Any) -> dict[str, Any]:
    return {
        "time": 50.0,
        "bytes": 0,
        "length": LENGTH,
        "rate": 0.0,
        "peers": 9,
        "disk_seconds": 0.0,
        **fields,
    }


def said(fleet: FleetState, now: float) -> str:
    return ", ".join(fleet.look(now=now).summary())


def doing(fleet: FleetState) -> Doing:
    return fleet.look(now=1.0).hosts["web1"].doing


def reason(fleet: FleetState, host: str, now: float) -> str:
    return next(slow.reason for slow in fleet.look(now=now).slowest(99) if slow.host == host)


def test_a_host_goes_from_waiting_to_switched():
    fleet = fleet_of(1, HostState.WAITING)
    seen = [doing(fleet)]
    fleet.outcome.reached("web1", HostState.READY)
    seen.append(doing(fleet))
    for there in (0, LENGTH):
        fleet.heard("web1", record(bytes=there), now=1.0)
        seen.append(doing(fleet))
    for state in (HostState.VERIFIED, HostState.SWITCHED):
        fleet.outcome.reached("web1", state)
        seen.append(doing(fleet))
    names = ["waiting", "connected", "fetching", "complete", "verified", "switched"]
    assert [one.value for one in seen] == names


@pytest.mark.parametrize("cause", ["failed", "refused"])
def test_a_host_that_is_out_has_failed_and_is_waited_for_no_more(cause: str):
    fleet = fleet_of(2)
    for host in list(fleet.outcome):
        fleet.heard(host, record(rate=10.0), now=1.0)
    fleet.outcome.failed("web1", HostFailure(cause, "it was unplugged"))
    assert doing(fleet) is Doing.FAILED
    assert [slow.host for slow in fleet.look(now=1.0).slowest(5)] == ["web2"]
    assert fleet.look(now=1.0).rate() == 10.0
    assert fleet.look(now=1.0).counts() == {Doing.FAILED: 1, Doing.FETCHING: 1}


def test_another_name_of_a_host_is_no_failure():
    fleet = fleet_of(1, HostState.SKIPPED)
    assert doing(fleet) is Doing.SKIPPED


def test_the_last_host_is_there_when_the_slowest_is():
    fleet = fleet_of(3)
    fleet.heard("web1", record(bytes=LENGTH), now=1.0)
    fleet.heard("web2", record(bytes=LENGTH // 2, rate=LENGTH / 10), now=1.0)
    fleet.heard("web3", record(bytes=LENGTH // 2, rate=LENGTH / 40), now=1.0)
    assert fleet.look(now=1.0).seconds_left() == 20.0
    assert fleet.look(now=3.0).seconds_left() == 18.0
    assert [slow.host for slow in fleet.look(now=1.0).slowest(5)] == ["web3", "web2"]


def test_where_nothing_comes_to_anybody_nobody_knows_when_it_ends():
    fleet = fleet_of(2)
    fleet.heard("web1", record(), now=1.0)
    assert fleet.look(now=1.0).seconds_left() is None
    assert fleet.look(now=1.0).slowest(5)[0].seconds_left is None


def test_a_rate_that_nobody_can_have_is_none():
    fleet = fleet_of(1)
    fleet.heard("web1", record(bytes=1, rate=5e-324), now=1.0)
    assert fleet.look(now=1.0).slowest(1)[0].seconds_left is None
    assert said(fleet, 1.0) == "0 of 1 host complete, 0 % of 1.0 MB"


def test_a_host_that_gets_nothing_for_a_moment_counts_at_the_rate_of_the_others():
    fleet = fleet_of(3)
    for host in ("web1", "web2"):
        fleet.heard(host, record(bytes=LENGTH // 2, rate=LENGTH / 10), now=1.0)
    fleet.heard("web3", record(), now=1.0)
    assert fleet.look(now=1.0).seconds_left() == 10.0
    assert fleet.look(now=1.0).slowest(1)[0].host == "web3"


def test_a_host_that_says_nothing_is_slow_by_ssh_as_far_as_we_know():
    fleet = fleet_of(5)
    fleet.heard("web1", record(rate=1.0, peers=0), now=1.0)
    assert reason(fleet, "web1", 6.0) == "SSH lag: no word for 5 s"
    assert fleet.look(now=6.0).rate() == 0.0


def test_records_that_come_later_than_others_of_that_host_are_lag_whatever_its_clock_shows():
    fleet = fleet_of(5)
    fleet.heard("web1", record(time=1000.0, rate=1.0), now=1.0)
    fleet.heard("web1", record(time=1001.0, rate=1.0), now=3.5)
    assert reason(fleet, "web1", 3.5) == "SSH lag: its words come 1.5 s late"


def test_a_host_that_waits_for_its_disk_is_slow_by_that():
    fleet = fleet_of(5)
    fleet.heard("web1", record(time=50.0, rate=1.0, disk_seconds=4.0), now=1.0)
    fleet.heard("web1", record(time=52.0, rate=1.0, disk_seconds=5.2), now=3.0)
    assert reason(fleet, "web1", 3.0) == "slow disk: waits for it 60 % of the time"


@pytest.mark.parametrize(("peers", "why"), [(0, "few peers: none"), (2, "few peers: 2"), (3, "")])
def test_a_host_with_few_peers_is_slow_by_that(peers: int, why: str):
    fleet = fleet_of(9)
    fleet.heard("web1", record(rate=1.0, peers=peers), now=1.0)
    assert reason(fleet, "web1", 1.0) == why


def test_two_hosts_are_not_said_to_have_few_peers():
    fleet = fleet_of(2)
    fleet.heard("web1", record(rate=1.0, peers=1), now=1.0)
    assert reason(fleet, "web1", 1.0) == ""


def test_a_host_that_is_slow_for_no_reason_seen_is_only_slower_than_the_others():
    fleet = fleet_of(4)
    for host in list(fleet.outcome):
        fleet.heard(host, record(rate=10.0 if host == "web4" else 100.0), now=1.0)
    assert reason(fleet, "web4", 1.0) == "slower than the others: its link, perhaps"
    assert reason(fleet, "web1", 1.0) == ""


@pytest.mark.parametrize("nonsense", [None, "fast", math.nan, math.inf, -1, [1]])
def test_what_a_host_says_that_is_no_number_stops_nobody(nonsense: Any):
    fleet = fleet_of(2)
    for field in record():
        fleet.heard("web1", record(**{field: nonsense}), now=1.0)
        fleet.heard("web1", {}, now=2.0)
        assert "of 2 hosts complete" in said(fleet, 2.0)
        fleet.look(now=2.0).slowest(5)


def test_a_seeder_that_is_no_peer_counts_for_none():
    fleet = fleet_of(1)
    fleet.heard("build1", record(rate=5.0), now=1.0)
    assert fleet.look(now=1.0).counts() == {Doing.CONNECTED: 1}
    assert fleet.look(now=1.0).rate() == 0.0


def test_before_anything_moves_hosts_that_answered_are_counted_among_those_asked():
    fleet = fleet_of(3)
    fleet.answered("web2")
    fleet.answered("build1")
    assert said(fleet, 1.0) == "1 of 3 hosts have answered"
    fleet.begun("verify", now=1.0)
    assert said(fleet, 1.0) == ""


def test_the_summary_counts_hosts_that_have_said_nothing_yet_but_none_that_are_out():
    fleet = fleet_of(4)
    fleet.heard("web1", record(bytes=LENGTH), now=1.0)
    assert said(fleet, 1.0) == "1 of 4 hosts complete, 25 % of 4.0 MB"
    fleet.outcome.failed("web4", HostFailure("lost", "its SSH connection was lost"))
    fleet.heard("web2", record(bytes=LENGTH // 2, rate=100_000.0), now=1.0)
    assert said(fleet, 1.0) == ("1 of 3 hosts complete, 50 % of 3.0 MB, 100.0 kB/s, the last in about 5 s")
