"""What became of each host: which counts, what is said of them, which names are one host."""

from __future__ import annotations

import pytest

from murder_fabric.deploy.failures import HostFailure
from murder_fabric.deploy.outcome import HostState, Outcome, grouped, same_hosts

DOWN = HostFailure("refused", "refused the connection to port 22")
FULL = HostFailure("failed", "no space left for /srv/app")


def of(**states: str) -> Outcome:
    outcome = Outcome(states)
    for host, state in states.items():
        outcome.reached(host, HostState(state))
    return outcome


def test_a_failure_is_counted_once_and_its_first_reason_stays() -> None:
    outcome = Outcome(["web1", "web2", "web3"])
    outcome.failed("web2", DOWN)
    outcome.failed("web2", FULL)
    outcome.failed("web3", FULL)
    outcome.failed("a stranger", FULL)
    assert outcome.lost == ["web2", "web3"]
    assert outcome.going == ["web1"]
    assert outcome["web2"].error == DOWN.reason
    assert outcome.hosts(HostState.UNREACHABLE) == ["web2"]
    assert outcome.hosts(HostState.FAILED) == ["web3"]


def test_hosts_with_one_cause_share_a_line() -> None:
    outcome = Outcome([f"web{number}" for number in range(1, 6)])
    for host in ("web1", "web2", "web4"):
        outcome.failed(host, HostFailure("refused", "refused the connection to port 22"))
    outcome.failed("web3", FULL)
    assert outcome.complaints() == [
        "web[1-2,4]: refused the connection to port 22",
        "web3: no space left for /srv/app",
    ]


def test_second_names_are_out_without_having_failed() -> None:
    outcome = of(web1="ready", other="skipped")
    assert (outcome.going, outcome.lost, outcome.complaints()) == (["web1"], [], [])


@pytest.mark.parametrize(
    ("marks", "expected"),
    [
        ({"a": ["1"], "b": ["2"], "c": ["3"]}, {}),
        ({"a": ["1", "2"], "b": ["1", "2"], "c": ["3"]}, {"b": "a"}),
        ({"a": ["1", "3", "2"], "b": ["2", "1", "3"], "c": ["3", "2", "1"]}, {"b": "a", "c": "a"}),
        ({"a": ["1"], "b": ["2", "3"], "c": ["3", "2"]}, {"c": "b"}),
        ({"a": ["1", "of another run"], "b": ["2"], "c": []}, {}),
    ],
)
def test_names_of_one_host_are_known_by_the_marks_they_see(
    marks: dict[str, list[str]], expected: dict[str, str]
) -> None:
    assert same_hosts(marks, {"a": "1", "b": "2", "c": "3"}) == expected


def test_hosts_that_lack_room_share_a_line_however_full_each_disk_is() -> None:
    full = "no space left for /srv: it needs 1.2 GB, {} are free; nothing was written"
    free = {"web3": "999.0 MB", "web17": "1.1 GB", "web18": "512 B", "web19": "1.1 GB", "web20": "40.5 kB"}
    assert grouped({host: full.format(one) for host, one in free.items()}) == [
        "web[3,17-20]: no space left for /srv: it needs 1.2 GB, 512 B to 1.1 GB are free; nothing was written"
    ]


def test_inodes_that_are_free_may_differ_too() -> None:
    lack = "no inodes left for /srv: it needs 3104, {} are free"
    assert grouped({"web1": lack.format(30), "web2": lack.format(4)}) == [
        "web[1-2]: no inodes left for /srv: it needs 3104, 4 to 30 are free"
    ]


def test_numbers_that_are_no_amounts_make_another_reason() -> None:
    reasons = {
        "web1": "exit code 1",
        "web2": "exit code 2",
        "web3": "port 22 of 10.0.0.1",
        "web4": "exit code 1",
    }
    assert grouped(reasons) == ["web[1,4]: exit code 1", "web2: exit code 2", "web3: port 22 of 10.0.0.1"]
