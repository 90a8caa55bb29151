"""`murder.doctor` against agents that answer from a table: what is asked, what is found, who is fit."""

from __future__ import annotations

import io
import time
from functools import partial
from typing import Any

import pytest
from fake_channels import FakeChannels

from murder_fabric.deploy.deployment import Deployment
from murder_fabric.deploy.doctor import check_up, report_text
from murder_fabric.deploy.failures import HostFailure
from murder_fabric.deploy.muster import Muster
from murder_fabric.deploy.outcome import HostState
from murder_fabric.deploy.roles import Roles
from murder_fabric.deploy.run import Run
from murder_fabric.deploy.settings import Settings
from murder_fabric.deploy.wanted import Wanted
from murder_fabric.deploy.watching.view import View
from murder_fabric.errors import AllHostsFailed
from murder_fabric.storage.tree import scan

HOSTS = ["web1", "web2", "web3", "web4"]
FIT = {"problems": [], "current": "v1", "free_bytes": 1 << 40, "free_inodes": None}


class Hosts:
    """Four hosts at addresses of their own; those of *closed* hear no call."""

    def __init__(self, closed: str = "", **says: Any) -> None:
        self.closed = closed.split()
        self.doors: dict[tuple[str, int], tuple[str, str]] = {}
        told = {
            "examine": FIT,
            # The channels say that it was asked and heard at 0 of the monotonic clock.
            "heartbeat": lambda host, fields: {"time": time.time() - time.monotonic()},
            "locate": lambda host, fields: {
                "address": "10.0.0.99" if host == "build" else f"10.0.0.{host[3:]}"
            },
            "stand_by": self.stand_by,
            "reach": self.reach,
        }
        self.channels = FakeChannels({**told, **says})
        self.view = io.StringIO()

    def stand_by(self, host: str, fields: dict[str, Any]) -> dict[str, Any]:
        place = fields["address"], fields["first_port"]
        while place in self.doors:
            place = place[0], place[1] + 1
        self.doors[place] = host, fields["mark"]
        return {"port": place[1]}

    def reach(self, host: str, fields: dict[str, Any]) -> dict[str, Any]:
        called, mark = self.doors[fields["address"], fields["port"]]
        if called in self.closed:
            return {"problem": "timed out: a firewall?"}
        return {"problem": "" if mark == fields["mark"] else "something else answers there"}

    def check(self, hosts: list[str] = HOSTS, files: str = "", **given: Any) -> str:
        self.channels.hosts = hosts
        settings = Settings(**given)
        muster = Muster(self.channels, hosts, View(self.view))  # type: ignore[arg-type]
        roles = Roles("web1", ["web1"], [host for host in hosts if host != "build"])
        run = Run(muster, roles, settings, Wanted("", "/srv/app", "", None))
        self.deployment = Deployment(run, partial(check_up, tree=scan(files) if files else None))
        self.outcome = muster.outcome
        return self.deployment.run()


def test_all_well() -> None:
    hosts = Hosts()
    assert hosts.check() == "4 of 4 hosts are fit for a deploy"
    assert hosts.outcome.lost == []
    assert hosts.outcome.report == (
        "web[1-4] (4 hosts): Python unknown, current is v1, 1.1 TB free or more, clock right"
    )
    facts = hosts.outcome["web2"].facts
    assert (facts["agent"], facts["current"], facts["address"]) == ("present", "v1", "10.0.0.2")
    assert (abs(facts["clock_offset"]) < 1, facts["clock_error"]) == (True, 0.0)
    assert hosts.channels.heard("finish") == HOSTS


def test_nothing_is_taken_or_begun_that_a_deploy_would() -> None:
    hosts = Hosts()
    hosts.check()
    asked = {request for _, _, request in hosts.channels.asked}
    assert asked == {"examine", "heartbeat", "locate", "stand_by", "reach", "finish"}


def test_tracker_and_seeder_are_called_at_their_own_ports() -> None:
    hosts = Hosts()
    hosts.check()
    assert sorted(hosts.doors) == [
        ("10.0.0.1", 6881),
        ("10.0.0.1", 8998),
        *((f"10.0.0.{n}", 6881) for n in (2, 3, 4)),
    ]
    assert len(hosts.channels.heard("reach")) == 4 * 3 + 3


@pytest.mark.parametrize(("count", "told"), [(12, "  143 calls from"), (13, "a sample of 84 calls from")])
def test_few_hosts_all_call_at_each_other_and_of_many_it_is_said_that_they_do_not(
    count: int, told: str
) -> None:
    hosts = Hosts()
    hosts.check([f"web{number}" for number in range(1, count + 1)])
    assert f"{told} host to host, 0 in vain" in hosts.view.getvalue()


def test_another_tracker_is_not_looked_for_on_our_hosts() -> None:
    hosts = Hosts()
    hosts.check(tracker_url="http://tracker.example.com/announce")
    assert ("10.0.0.1", 8998) not in hosts.doors


def test_each_host_has_all_its_problems_in_one_line_and_the_others_are_fit() -> None:
    busy = {"problems": ["busy: by ann", "current is a directory"]}
    hosts = Hosts("web4", examine=lambda host, fields: busy if host in ("web2", "web3") else FIT)
    assert hosts.check() == "1 of 4 hosts is fit for a deploy"
    assert hosts.outcome.complaints() == [
        "web[2-3]: busy: by ann; also: current is a directory",
        "web4: web[1-3] cannot reach web4 at 10.0.0.4:6881 (timed out: a firewall?)",
    ]


def test_room_is_looked_for_where_it_is_known_what_comes(tmp_path: Any) -> None:
    (tmp_path / "file").write_bytes(b"x" * 1000)
    full = {**FIT, "free_bytes": 10_000}
    hosts = Hosts(examine=lambda host, fields: full if host == "web2" else FIT)
    hosts.check(files=str(tmp_path))
    assert hosts.outcome.lost == ["web2"]
    assert "no space left for /srv/app: it needs 16.8 MB, 10.0 kB are free" in hosts.outcome["web2"].error
    assert "10.0 kB free or more (16.8 MB needed)" in hosts.outcome.report


@pytest.mark.parametrize(
    ("length", "said"),
    [
        (None, "current is v1, 30.0 MB free, clock"),
        (10_000_000, "30.0 MB free (26.8 MB needed, 20.0 MB left then), clock"),
        (20_000_000, "30.0 MB free (36.8 MB needed), clock"),
    ],
)
def test_free_bytes_are_told_before_and_after_what_is_to_come(length: int | None, said: str) -> None:
    facts = {"current": "v1", "free_bytes": 30_000_000}
    assert said in report_text({"web1": facts}, length)


def test_a_host_that_fails_at_one_thing_is_asked_the_others() -> None:
    nowhere = HostFailure("failed", "nothing says by which address this host is reached")
    hosts = Hosts(
        locate=lambda host, fields: nowhere if host == "web2" else {"address": f"10.0.0.{host[3:]}"}
    )
    hosts.check()
    assert hosts.outcome["web2"].error == nowhere.reason
    assert hosts.outcome["web2"].facts["current"] == "v1"
    assert "web2" not in hosts.channels.heard("reach")


def test_two_names_of_one_host_are_no_problem() -> None:
    hosts = Hosts(
        locate=lambda host, fields: {"address": "10.0.0.2" if host == "web4" else f"10.0.0.{host[3:]}"}
    )
    assert hosts.check() == "3 of 3 hosts are fit for a deploy"
    assert hosts.outcome.hosts(HostState.SKIPPED) == ["web4"]
    assert hosts.outcome.lost == []
    assert "web4 is another name of web2: it is deployed to once" in hosts.view.getvalue()


@pytest.mark.parametrize("liar", ["web1", "web4"])
def test_no_host_makes_another_one_a_second_name_of_itself(liar: str) -> None:
    """One that was taken over says that it is where web2 is, and that it hears whomever it calls there."""
    hosts = Hosts(
        locate=lambda host, fields: {"address": f"10.0.0.{2 if host == liar else host[3:]}"},
        reach=lambda host, fields: {"problem": ""} if host == liar else hosts.reach(host, fields),
    )
    hosts.channels.at = {host: f"10.0.0.{host[3:]}" for host in HOSTS}
    # Nobody else listens there: what others hear at that address is web2.
    hosts.channels.says = {
        **hosts.channels.says,
        "stand_by": lambda host, fields: {"port": 6881} if host == liar else hosts.stand_by(host, fields),
    }
    hosts.check()
    assert hosts.outcome["web2"].state is not HostState.SKIPPED
    assert "web2 is another name" not in hosts.view.getvalue()


def test_of_hosts_at_one_address_the_one_that_ssh_reaches_there_is_well() -> None:
    hosts = Hosts(
        locate=lambda host, fields: {"address": f"10.0.0.{2 if host == 'web1' else host[3:]}"},
        reach=lambda host, fields: {"problem": "nobody" if host == "web1" else ""},
    )
    hosts.channels.at = {host: f"10.0.0.{host[3:]}" for host in HOSTS}
    assert hosts.check() == "3 of 4 hosts are fit for a deploy"
    assert hosts.outcome.lost == ["web1"]
    said = "web[1-2] all say that their address is 10.0.0.2, and SSH reaches web2 there; name the interface"
    assert said in hosts.outcome["web1"].error


def test_hosts_that_are_each_their_own_at_one_address_are_told_which_setting_helps() -> None:
    """As VirtualBox has it: each guest finds itself there."""
    hosts = Hosts(
        locate={"address": "10.0.2.15"},
        reach=lambda host, fields: {"problem": "something else answers there"},
    )
    hosts.check(["web1", "web2"])
    assert hosts.outcome.lost == ["web1", "web2"]
    assert (
        "web[1-2] all say that their address is 10.0.2.15; name the interface" in hosts.outcome["web1"].error
    )


def test_a_tracker_beside_the_peers_needs_no_destination() -> None:
    hosts = Hosts()
    hosts.check([*HOSTS, "build"])
    assert hosts.channels.heard("examine") == HOSTS
    assert hosts.channels.heard("heartbeat") == [*HOSTS, "build"]


def test_where_nobody_answers_there_is_nothing_to_find_out() -> None:
    hosts = Hosts()
    hosts.channels.silent = dict.fromkeys(HOSTS, HostFailure("refused", "refused the connection"))
    with pytest.raises(AllHostsFailed):
        hosts.check()


@pytest.mark.parametrize(
    ("offset", "said"),
    [
        (0.5, "clock right"),
        (-2.0, "clock 2 s behind"),
        (3600.0, "clock 3600 s ahead"),
        (None, "clock unknown"),
    ],
)
def test_a_clock_that_is_off_is_said(offset: float | None, said: str) -> None:
    facts = {"python": "3.11.2", "clock_offset": offset, "clock_error": 0.01}
    assert report_text({"web1": facts}) == f"web1 (1 host): Python 3.11.2, {said}"
