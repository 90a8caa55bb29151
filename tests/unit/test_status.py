"""What runs on the hosts: what agents write down of themselves, and how it is told."""

from __future__ import annotations

import io
import json
import os
import random

import pytest
from fake_channels import FakeChannels
from twisted.internet.task import Clock

from murder_fabric.agent import standing as standing_module
from murder_fabric.agent.host import Host
from murder_fabric.agent.own_tracker import OwnTracker
from murder_fabric.agent.report import INTERVAL
from murder_fabric.agent.standing import Standing, agents_here
from murder_fabric.agent.state import state_directory
from murder_fabric.agent.torrent import Progress
from murder_fabric.deploy.muster import Muster
from murder_fabric.deploy.status import MOST_NAMED, status, status_text
from murder_fabric.deploy.watching.view import View
from murder_fabric.errors import AllHostsFailed
from murder_fabric.tracker.registry import Registry

TOKEN = "ab" * 16


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


class Port:
    """Where a tracker listens."""

    port = 8998

    def getHost(self):
        return self


class Torrent:
    """One that is half way."""

    port = 6881

    def progress(self):
        return Progress(
            pieces=1, piece_count=2, bytes=50, length=100, rate=10.0, upload_rate=2.0, peers=3,
            bytes_downloaded=50, bytes_uploaded=8,
        )  # fmt: skip


def files():
    directory = os.path.join(state_directory(), "standing")
    return os.listdir(directory) if os.path.isdir(directory) else []


def standing(clock):
    """Return a host, and what tells of it."""
    host = Host(clock, "127.0.0.1")
    told = Standing(host, clock, "peer-v1")
    told.start()
    return host, told


def test_an_agent_that_does_nothing_writes_nothing():
    clock = Clock()
    _, told = standing(clock)
    clock.advance(INTERVAL)
    told.stop()
    assert (files(), agents_here()) == ([], [])


def test_what_an_agent_does_is_found_by_another_and_no_secret_is_in_it(home):
    clock = Clock()
    host, told = standing(clock)
    host.tracker = OwnTracker(Registry((), rng=random.Random(1)), None, Port(), "10.0.0.1", TOKEN)
    host.torrents["v1"] = Torrent()
    (home / "app" / ".murder").mkdir(parents=True)
    lock = {"run": "r1", "operator": "ann@desk", "since": "today"}
    (home / "app" / ".murder" / "lock").write_text(json.dumps(lock))
    host.destinations[str(home / "app")] = None
    clock.advance(INTERVAL)
    (one,) = agents_here()
    assert (one["pid"], one["agent"]) == (os.getpid(), "peer-v1")
    assert one["destinations"] == [{"path": str(home / "app"), "operator": "ann@desk", "since": "today"}]
    assert (one["tracker"]["port"], one["tracker"]["complete"]) == (8998, 0)
    assert one["torrents"][0]["bytes"] == 50
    (path,) = files()
    assert TOKEN not in (home / ".murder/state/standing" / path).read_text()
    assert os.stat(home / ".murder/state/standing" / path).st_mode & 0o777 == 0o600
    host.torrents.clear()
    host.tracker = None
    host.destinations.clear()
    clock.advance(INTERVAL)
    told.stop()
    assert files() == []


def test_what_a_killed_agent_left_is_removed_and_another_version_is_passed_over(home):
    os.makedirs(os.path.join(state_directory(), "standing"))
    directory = home / ".murder/state/standing"
    record = {"pid": os.getpid(), "start_time": 1, "format": 1, "destinations": []}
    (directory / "2.json").write_text(json.dumps(record))
    record["start_time"], record["format"] = standing_module.start_time(os.getpid()), 99
    (directory / "3.json").write_text(json.dumps(record))
    (directory / "4.json").write_text("{broken")
    assert agents_here() == []
    assert files() == ["3.json"]


def test_what_is_being_written_is_not_told_twice(home):
    clock = Clock()
    host, told = standing(clock)
    host.torrents["v1"] = Torrent()
    clock.advance(INTERVAL)
    directory = home / ".murder/state/standing"
    (path,) = directory.iterdir()
    (directory / ".murder-x1").write_bytes(path.read_bytes())
    assert len(agents_here()) == 1
    assert len(files()) == 2
    told.stop()


def test_a_disk_that_takes_nothing_does_not_end_the_agent(home, monkeypatch):
    clock = Clock()
    host, told = standing(clock)
    host.torrents["v1"] = Torrent()
    (home / ".murder").write_text("no directory")
    clock.advance(INTERVAL)
    clock.advance(INTERVAL)
    (home / ".murder").unlink()
    clock.advance(INTERVAL)
    assert len(agents_here()) == 1
    told.stop()


def test_a_state_directory_that_is_not_ours_any_more_keeps_no_agent_from_ending():
    clock = Clock()
    host, told = standing(clock)
    host.torrents["v1"] = Torrent()
    clock.advance(INTERVAL)
    os.chmod(state_directory(), 0o755)
    told.stop()


# What is told of it -----------------------------------------------------------------------------------------


def torrent(tag="v1", there=50, rate=10.0):
    return {
        **{"tag": tag, "port": 6881, "bytes": there, "length": 100, "rate": rate},
        **{"upload_rate": 2.0, "peers": 3},
    }


def agent(*torrents, name="", tracker=None, destinations=()):
    return {
        "pid": 7,
        "agent": name,
        "torrents": list(torrents),
        "tracker": tracker,
        "destinations": destinations,
    }


DEPLOYING = [{"path": "/srv/app", "operator": "ann@desk", "since": "today"}]
TRACKER = {
    **{"address": "10.0.0.1", "port": 8998, "complete": 1, "incomplete": 2},
    **{"stats": "http://10.0.0.1:8998/k/stats", "metrics": "http://10.0.0.1:8998/k/metrics"},
}


def test_a_run_is_told_as_a_whole_and_host_by_host_the_slowest_first():
    found = {
        "web1": [agent(torrent(there=100), tracker=TRACKER, destinations=DEPLOYING)],
        "web2": [agent(torrent(rate=25.0), destinations=DEPLOYING)],
        "web3": [agent(torrent(rate=0.0), destinations=DEPLOYING)],
        "web4": [],
    }
    assert status_text(found).splitlines() == [
        "tracker on web1, address 10.0.0.1, port 8998: 1 complete, 2 not yet",
        "  http://10.0.0.1:8998/k/stats",
        "  http://10.0.0.1:8998/k/metrics",
        "v1 on 3 hosts: 1 complete, 66 % of all bytes there, 35 B/s",
        "  ann@desk deploys to /srv/app since today",
        "  web3  50 %, nothing comes, down 0 B/s, up 2 B/s, 3 peers",
        "  web2  50 %, 2 s left, down 25 B/s, up 2 B/s, 3 peers",
        "  web1  complete, up 2 B/s, 3 peers",
        "nothing runs on web4 (1 host)",
    ]


def test_a_host_with_two_agents_in_a_swarm_is_counted_once():
    seeding, fetching = agent(torrent(there=100), name="seeder-v1"), agent(torrent(there=50))
    text = status_text({"web1": [seeding, fetching], "web2": [fetching]})
    assert text.startswith("v1 on 2 hosts: 1 complete, 75 % of all bytes there,")


@pytest.mark.parametrize("rate", [float("inf"), float("nan"), "much"])
def test_a_host_that_tells_what_cannot_be_shown_is_the_only_one_that_fails(rate):
    told = {"web1": [agent(torrent(rate=1.0))], "web2": [agent(torrent(rate=rate))]}
    muster = mustered({"status": lambda host, fields: {"agents": told[host]}}, ["web1", "web2"])
    status(muster)
    assert "cannot be read" in muster.outcome["web2"].error
    assert "web1" in muster.outcome.report


def test_of_many_hosts_only_those_are_named_that_need_longest():
    found = {f"web{number}": [agent(torrent(rate=number + 1.0))] for number in range(50)}
    lines = status_text(found).splitlines()
    assert len(lines) == MOST_NAMED + 2
    assert lines[1].split()[0] == "web0"
    assert lines[-1] == f"  and {50 - MOST_NAMED} more, nearer to the end"


def test_a_run_that_took_its_hosts_one_after_the_other_is_told_once_and_so_is_who_has_the_tracker():
    found = {
        "web1": [agent(tracker=TRACKER, destinations=[{**DEPLOYING[0], "since": "10:02:45"}])],
        "web2": [agent(destinations=[{**DEPLOYING[0], "since": "10:02:44"}])],
    }
    text = status_text(found)
    assert text.count("deploys to") == 1
    holder = "  ann@desk deploys to /srv/app since 10:02:44"
    assert f"web[1-2] (2 hosts): at work, in no swarm just now\n{holder}" in text


def test_who_holds_a_destination_and_moves_nothing_is_told_and_agents_that_stay_are_named():
    found = {
        "web1": [agent(destinations=DEPLOYING)],
        "web2": [agent(torrent(there=100), name="seeder-v1")],
        "web3": [agent(destinations=DEPLOYING)],
    }
    text = status_text(found)
    holder = "  ann@desk deploys to /srv/app since today"
    assert f"web[1,3] (2 hosts): at work, in no swarm just now\n{holder}" in text
    assert "web2  complete, up 2 B/s, 3 peers, seeder-v1" in text


def mustered(says, hosts):
    channels = FakeChannels(says)
    channels.hosts = hosts
    muster = Muster(channels, hosts, View(io.StringIO()))
    muster.greet()
    return muster


def test_every_host_is_asked_and_one_that_answers_nonsense_is_out():
    answers = {
        "web1": {"agents": [agent(torrent())]},
        "web2": {"agents": [{"pid": 7}]},
        "web3": {"agents": []},
    }
    muster = mustered({"status": lambda host, _: answers[host]}, list(answers))
    assert status(muster) == "agents at work on 1 host of 2"
    assert muster.outcome.lost == ["web2"]
    assert muster.outcome["web1"].facts["agents"][0]["torrents"][0]["tag"] == "v1"
    assert muster.outcome.report.startswith("v1 on 1 host")


def test_where_no_host_answers_that_is_an_error():
    with pytest.raises(AllHostsFailed):
        status(mustered({"status": {"agents": 3}}, ["web1"]))


def test_what_hosts_say_cannot_steer_the_terminal():
    destinations = [{"path": "/srv/\x1b[2J", "operator": "ann\r", "since": ""}]
    text = status_text({"web1": [agent(torrent("v\x1b[1m"), destinations=destinations)]})
    assert all(one.isprintable() for one in text.replace("\n", ""))
