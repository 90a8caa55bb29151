"""Who gives what to whom when hosts catch up, and what becomes of the others where that fails."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from fake_channels import FakeChannels

from murder_fabric.control import Message
from murder_fabric.deploy.catching_up import catch_up
from murder_fabric.deploy.deployment import Deployment
from murder_fabric.deploy.failures import HostFailure
from murder_fabric.deploy.muster import Muster
from murder_fabric.deploy.outcome import HostState
from murder_fabric.deploy.roles import Roles
from murder_fabric.deploy.run import Run
from murder_fabric.deploy.settings import Settings
from murder_fabric.deploy.wanted import Wanted
from murder_fabric.deploy.watching.view import View
from murder_fabric.errors import AllHostsFailed, HostsFailed
from murder_fabric.metainfo.holdings import Holdings
from murder_fabric.metainfo.parsing import parse_metainfo
from murder_fabric.metainfo.values import Metainfo
from murder_fabric.storage.creation import create_metainfo

HOSTS = ["web1", "web2", "web3"]
LOST = HostFailure("lost", "the agent is gone")
COMMIT, OTHER_COMMIT = "f00ba4" + "0" * 34, "bad" + "0" * 37


@pytest.fixture
def metainfo(tmp_path: Path) -> Metainfo:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/file").write_bytes(b"x" * 40_000)
    return create_metainfo(str(tmp_path / "tree"), None)


class Fleet:
    """Three hosts; *has* says which tags each has, the first one current; all of v2 is the same release."""

    def __init__(self, metainfo: Metainfo, has: Mapping[str, str], damaged: Mapping[str, int] = {}) -> None:
        self.has = has
        self.metainfo = metainfo
        self.damaged = damaged
        #: By host, what lies in its release besides.
        self.strangers: dict[str, list[str]] = {}
        #: Hosts whose v2 is another release than that of the others.
        self.other: list[str] = []
        self.staged: dict[str, dict[str, Any]] = {}
        #: By host, what it says of the release beside what the digest covers, if that is another thing.
        self.lies: dict[str, tuple[dict[str, Any], str]] = {}
        self.verified: dict[str, dict[str, Any]] = {}
        self.channels = FakeChannels(
            {
                "prepare": {"free_bytes": 1 << 40, "free_inodes": None, "current": "v1"},
                "nonces": {"nonces": []},
                "locate": lambda host, fields: {"address": f"10.0.0.{host[-1]}", "operator": None},
                "list_releases": lambda host, fields: self.listing(host),
                "inspect": lambda host, fields: self.inspect(host),
                "recall_release": lambda host, fields: self.recall(host),
                "start_tracker": {"port": 8998},
                "track": {},
                "stage": self.stage,
                "join": {"bytes_downloaded": 10},
                "verify": self.verify,
                "switch": {"previous": None, "warning": "", "clock": 0.0},
            }
        )
        self.channels.hosts = self.hosts = list(has)

    def listing(self, host: str) -> dict[str, Any]:
        known = {"state": "good", "verified": "", "length": 1, "reason": "", "usable": True, "rank": 0}
        tags = self.has[host].split()
        digest = "other" if host in self.other else self.metainfo.info.digest.hex()
        releases = [{"tag": tag, "digest": digest if tag == "v2" else tag, **known} for tag in tags]
        return {"current": tags[0] if tags else None, "held": None, "releases": releases}

    def recall(self, host: str) -> Message:
        beside, revision = self.lies.get(host, ({}, COMMIT))
        torrent = self.metainfo._replace(**beside)
        return Message({"event": "done", "revision": revision}, torrent.encode())

    def brought(self) -> Metainfo:
        """Return the torrent that hosts were given which lack the release."""
        asked = zip(self.channels.asked, self.channels.attached)
        (torrent,) = {raw for (_, _, request), raw in asked if request == "stage"}
        return parse_metainfo(torrent)

    def inspect(self, host: str) -> dict[str, Any]:
        damage_count, strangers = self.damaged.get(host, 0), self.strangers.get(host, [])
        count = damage_count + len(strangers)
        damage = ["file is missing"] * damage_count
        return {"damage": damage, "damage_count": damage_count, "drift_count": count, "strangers": strangers}

    def stage(self, host: str, fields: dict[str, Any]) -> Message:
        self.staged[host] = fields
        whole = host not in [*self.damaged, *self.other] and "v2" in self.has[host]
        holdings = (Holdings.all if whole else Holdings.none)(self.metainfo.info)
        return Message({"event": "done", "bytes_reused": {}, "files_changed": 0}, holdings.to_bytes())

    def verify(self, host: str, fields: dict[str, Any]) -> dict[str, Any]:
        self.verified[host] = fields
        return {"seconds": 0.1}

    def go(self, tag: str | None = None, **options: Any) -> str:
        self.view = io.StringIO()
        muster = Muster(self.channels, self.hosts, View(self.view))  # type: ignore[arg-type]
        muster.outcome.run_id = "20261122-063500-3f2a91c07be4"
        # What is named for deploys is not meant where hosts give each other what they have.
        settings = Settings(roles={"tracker": "web3", "seeder": "web3"})
        run = Run(muster, Roles("web3", ["web3"], self.hosts), settings, Wanted("", "/srv/app", "", None))
        self.deployment = Deployment(run, partial(catch_up, tag=tag, **options))
        return self.deployment.run()

    def fails(self, request: str, *hosts: str, failure: HostFailure | Message = LOST) -> None:
        """Let *hosts* answer *request* so."""
        before = self.channels.says[request]

        def said(host: str, fields: dict[str, Any]) -> Any:
            if host in hosts:
                return failure
            return before(host, fields) if callable(before) else before

        self.channels.says = {**self.channels.says, request: said}

    def error(self, host: str) -> str:
        return self.deployment.outcome[host].error

    def states(self) -> list[str]:
        return [self.deployment.outcome[host].state.value for host in HOSTS]


FleetOf = Callable[..., Fleet]


@pytest.fixture
def fleet(metainfo: Metainfo) -> FleetOf:
    return partial(Fleet, metainfo)


def test_those_that_have_it_give_it_and_only_who_lacked_it_reads_it_again(fleet: FleetOf) -> None:
    them = fleet({"web1": "v2", "web2": "v2", "web3": "v1"})
    assert them.go() == "web3 (1 host) caught up with v2"
    assert them.channels.heard("inspect") == []
    assert list(them.verified) == ["web3"]
    # As on the others, REVISION included.
    assert them.verified["web3"]["revision"] == COMMIT
    assert them.channels.heard("switch") == ["web3"]
    assert {host: fields["mend"] for host, fields in them.staged.items()} == dict.fromkeys(HOSTS, False)


def test_a_host_where_files_were_changed_gets_them_from_those_where_they_are_right(fleet: FleetOf) -> None:
    them = fleet(dict.fromkeys(HOSTS, "v2"), {"web2": 3})
    assert them.go(mend=True) == "web2 (1 host) caught up with v2"
    assert {host: fields["mend"] for host, fields in them.staged.items()} == {
        "web1": False,
        "web2": True,
        "web3": False,
    }
    # Hooks and the health check are for what has other files now.
    assert them.channels.heard("switch") == ["web2"]
    assert "2 hosts with v2 as it was verified; 3 paths changed on web2" in them.view.getvalue()


def test_what_does_not_belong_there_is_named_and_left_alone(fleet: FleetOf) -> None:
    them = fleet(dict.fromkeys(HOSTS, "v2"), {"web2": 3})
    them.strangers = {"web2": ["new"], "web3": [f"cache/{number}\x1b" for number in range(12)]}
    said = "web2 (1 host) caught up with v2; what does not belong there was left alone on web[2-3]"
    assert them.go(mend=True) == said
    lines = them.view.getvalue()
    assert "; 3 paths changed on web2; more than belongs to it on web[2-3]" in lines
    assert "web2: left alone, as not of v2: new; remove there by hand what is not needed" in lines
    assert "cache/9\\x1b and 2 more; remove there" in lines
    assert them.deployment.outcome["web2"].facts["left_alone"] == ["new"]
    assert them.channels.heard("switch") == ["web2"]


def test_where_nothing_was_changed_what_lies_there_besides_is_named_too(fleet: FleetOf) -> None:
    them = fleet(dict.fromkeys(HOSTS, "v2"))
    them.strangers = {"web1": ["new"]}
    said = "web[1-3] (3 hosts) had v2 already; what does not belong there was left alone on web1"
    assert them.go(mend=True) == said
    assert them.channels.heard("stage") == []


def test_where_every_release_was_changed_nobody_can_give_it(fleet: FleetOf) -> None:
    them = fleet(dict.fromkeys(HOSTS, "v2"), dict.fromkeys(HOSTS, 1))
    with pytest.raises(AllHostsFailed, match=r"no host has v2 as it was verified.*under another --tag"):
        them.go(mend=True)
    assert them.error("web1") == "1 path of its v2 changed since it was verified"
    assert them.channels.heard("stage") == []


def test_what_is_right_stays_so_though_hosts_that_have_it_are_lost_while_they_read_it(fleet: FleetOf) -> None:
    them = fleet(dict.fromkeys(HOSTS, "v2"))
    them.other = ["web3"]
    them.fails("inspect", "web1")
    # One host for each of two releases called v2: now nobody could say any more which is right.
    assert them.go(mend=True) == "web3 (1 host) caught up with v2"
    assert them.states() == ["failed", "switched", "switched"]
    assert list(them.verified) == ["web3"]


@pytest.mark.parametrize(
    ("lost", "error"), [(["web1", "web2"], HostsFailed), (HOSTS, AllHostsFailed)], ids=["some", "all"]
)
def test_where_all_that_have_it_are_lost_while_they_read_it_nothing_is_changed(
    fleet: FleetOf, lost: list[str], error: type[HostsFailed]
) -> None:
    them = fleet({"web1": "v2", "web2": "v2", "web3": "v2" if "web3" in lost else "v1"})
    them.fails("inspect", *lost)
    with pytest.raises(HostsFailed, match=r"failed before that was known.*run the same") as caught:
        them.go(mend=True)
    assert type(caught.value) is error
    assert (them.channels.heard("stage"), them.channels.heard("switch")) == ([], [])
    assert [them.error(host) for host in lost] == [LOST.reason] * len(lost)


def test_the_part_that_brings_it_is_the_same_run_to_the_hosts(fleet: FleetOf) -> None:
    them = fleet({"web1": "v2", "web2": "v2", "web3": "v1"})
    asked: list[str] = []

    def prepare(host: str, fields: dict[str, Any]) -> dict[str, Any]:
        asked.append(fields["run"])
        return {"free_bytes": 1 << 40, "free_inodes": None, "current": "v1"}

    them.channels.says = {**them.channels.says, "prepare": prepare}
    them.go()
    assert len(asked) > len(HOSTS)
    assert len(set(asked)) == 1


def test_the_next_one_gives_the_torrent_where_the_first_does_not(fleet: FleetOf) -> None:
    them = fleet({"web1": "v2", "web2": "v2", "web3": "v1"})
    them.fails("recall_release", "web1")
    assert them.go() == "web3 (1 host) caught up with v2"
    assert them.states() == ["failed", "switched", "switched"]
    assert "web1" not in them.staged


@pytest.mark.parametrize("kind", ["broken", "another"])
def test_the_next_one_gives_the_torrent_where_that_of_the_first_is_not_it(
    fleet: FleetOf, tmp_path: Path, kind: str
) -> None:
    them = fleet({"web1": "v2", "web2": "v2", "web3": "v1"})
    (tmp_path / "other").write_bytes(b"other")
    torrent = b"de" if kind == "broken" else create_metainfo(str(tmp_path / "other"), None).encode()
    said = {"event": "done", "revision": "", "digest": them.metainfo.info.digest.hex()}
    them.fails("recall_release", "web1", failure=Message(said, torrent))
    assert them.go() == "web3 (1 host) caught up with v2"
    assert them.states() == ["failed", "switched", "switched"]
    assert them.error("web1").startswith("its agent said nonsense: recall_release: ")


#: What one host that was taken over might have all others believe.
LIE = (
    {
        "mtimes": (4102444800 * 10**9,),
        "announce": "http://10.9.9.9/a",
        "announce_list": (("http://10.9.9.9/a",),),
        "url_list": ("http://169.254.169.254/latest/meta-data",),
    },
    OTHER_COMMIT,
)


@pytest.mark.parametrize("liar", ["web1", "web2", "web3"])
def test_of_three_that_have_it_one_cannot_lie_about_what_no_digest_covers(fleet: FleetOf, liar: str) -> None:
    them = fleet({"web1": "v2", "web2": "v2", "web3": "v2", "web4": "v1"})
    them.lies = {liar: LIE}
    assert them.go() == "web4 (1 host) caught up with v2"
    assert them.brought() == Metainfo(them.metainfo.info, mtimes=them.metainfo.mtimes)
    assert them.verified["web4"]["revision"] == COMMIT


@pytest.mark.parametrize("liar", ["web1", "web2"])
def test_of_two_that_have_it_one_can_have_it_left_out_and_no_more(fleet: FleetOf, liar: str) -> None:
    them = fleet({"web1": "v2", "web2": "v2", "web3": "v1"})
    them.lies = {liar: LIE}
    assert them.go() == "web3 (1 host) caught up with v2"
    assert them.brought() == Metainfo(them.metainfo.info)
    assert them.verified["web3"]["revision"] == ""
    said = "  v2 is brought without {}: no two hosts that have it say the same\n"
    assert said.format("the times of its files") in them.view.getvalue()
    assert said.format("what its REVISION says") in them.view.getvalue()


def test_the_only_one_that_has_it_is_believed_but_sends_nobody_anywhere(fleet: FleetOf) -> None:
    them = fleet({"web1": "v2", "web2": "v1", "web3": "v1"})
    them.lies = {"web1": LIE}
    assert them.go("v2") == "web[2-3] (2 hosts) caught up with v2"
    assert them.brought() == Metainfo(them.metainfo.info, mtimes=LIE[0]["mtimes"])
    assert them.verified["web2"]["revision"] == OTHER_COMMIT


def test_one_that_is_left_of_those_that_have_it_is_not_believed(fleet: FleetOf) -> None:
    them = fleet({"web1": "v2", "web2": "v2", "web3": "v1"})
    them.fails("recall_release", "web1")
    them.lies = {"web2": LIE}
    assert them.go() == "web3 (1 host) caught up with v2"
    assert them.brought() == Metainfo(them.metainfo.info)


def test_where_none_has_times_nothing_is_said_of_them(fleet: FleetOf) -> None:
    them = fleet({"web1": "v2", "web2": "v2", "web3": "v1"})
    them.metainfo = them.metainfo._replace(mtimes=None)
    them.go()
    assert them.brought() == them.metainfo
    assert "is brought without" not in them.view.getvalue()


def test_no_more_are_asked_for_it_than_it_takes(fleet: FleetOf) -> None:
    them = fleet({f"web{number}": "v2" if number < 7 else "v1" for number in range(1, 9)})
    them.fails("recall_release", "web2")
    assert them.go() == "web[7-8] (2 hosts) caught up with v2"
    assert them.channels.heard("recall_release") == ["web1", "web2", "web3", "web4"]


def test_who_is_lost_while_it_gives_fails_alone_if_another_one_has_it(fleet: FleetOf) -> None:
    them = fleet({"web1": "v2", "web2": "v2", "web3": "v1"})
    them.fails("join", "web1")
    assert them.go() == "web3 (1 host) caught up with v2"
    assert them.states() == ["failed", "switched", "switched"]


@pytest.mark.parametrize("request_", ["start_tracker", "track"])
def test_who_cannot_track_takes_none_of_those_that_have_it_with_it(fleet: FleetOf, request_: str) -> None:
    them = fleet({"web1": "v2", "web2": "v2", "web3": "v1"})
    them.fails(request_, "web1")
    assert them.go() == "web3 (1 host) caught up with v2"
    assert them.states() == ["failed", "switched", "switched"]


@pytest.mark.parametrize("request_", ["stage", "join"])
def test_where_the_only_one_that_has_it_is_lost_nobody_is_switched(fleet: FleetOf, request_: str) -> None:
    them = fleet({"web1": "v2", "web2": "v1", "web3": "v1"})
    them.fails("join", "web2", "web3", failure=HostFailure("failed", "nobody has the rest"))
    them.fails(request_, "web1")
    with pytest.raises(AllHostsFailed, match="all 3 hosts failed; nothing was switched"):
        them.go(tag="v2")
    assert them.channels.heard("switch") == []
    assert them.error("web1") == LOST.reason
    assert "nobody has the rest" in them.error("web2") or "can give it any more" in them.error("web2")


def test_where_it_cannot_be_brought_those_that_have_it_are_switched_all_the_same(fleet: FleetOf) -> None:
    them = fleet({"web1": "v2", "web2": "v1", "web3": "v1 v2"})
    them.fails("join", "web2")
    assert them.go(tag="v2") == "web3 (1 host) caught up with v2"
    assert them.states() == ["switched", "failed", "switched"]


def test_another_name_of_a_host_that_lacks_it_is_brought_it_once(fleet: FleetOf) -> None:
    them = fleet({"web1": "v2", "web2": "", "web3": ""})
    marks: list[str] = []

    def prepare(host: str, fields: dict[str, Any]) -> dict[str, Any]:
        # Where there is no destination a mark is left only once something is to come.
        if host != "web1" and fields["tag"] is not None:
            marks.append(fields["nonce"])
        return {"free_bytes": 1 << 40, "free_inodes": None, "current": None}

    def nonces(host: str, fields: dict[str, Any]) -> dict[str, Any]:
        return {"nonces": [] if host == "web1" else list(marks)}

    them.channels.says = {**them.channels.says, "prepare": prepare, "nonces": nonces}
    assert them.go("v2") == "web2 (1 host) caught up with v2"
    assert them.deployment.outcome["web3"].state is HostState.SKIPPED
    assert them.channels.heard("switch") == ["web2"]


def test_a_kept_release_is_looked_at_before_a_host_goes_there_alone(fleet: FleetOf) -> None:
    them = fleet({"web1": "v2", "web2": "v1 v2", "web3": "v1 v2"}, damaged={"web3": 2})
    assert them.go("v2") == "web2 (1 host) caught up with v2"
    assert them.channels.heard("inspect") == ["web2", "web3"]
    assert them.channels.heard("switch") == ["web2"]
    assert them.error("web3") == (
        "its v2 is not as it was verified: file is missing (and 1 more); current stays as it is there."
        " murder.catch-up --mend --tag v2 brings what it was from the others, and goes there"
    )
