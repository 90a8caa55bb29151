"""What a deploy will do, said before any host is asked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from murder_fabric.deploy.history.record import HostRecord, RunRecord, StageRecord
from murder_fabric.deploy.planning import estimated, plan, reuse
from murder_fabric.deploy.roles import HERE, Roles
from murder_fabric.deploy.settings import Settings
from murder_fabric.deploy.wanted import Wanted
from murder_fabric.deploy.waves import AT_ONCE, Pace
from murder_fabric.storage.creation import create_metainfo

PEERS = [f"web{number}" for number in range(1, 11)]
ROLES = Roles("web1", ["web1"], PEERS)
SETTINGS = Settings()
RECORD = RunRecord(
    id="20261122-063500-3f2a91c07be4",
    task="deploy",
    operator="ann@desk",
    began_at=0.0,
    seconds=30.0,
    exit_code=0,
    message="",
    tag="v1",
    destination="/srv/app",
    digest="",
    length=100_000_000,
    seeders=["web1"],
    hosts={host: HostRecord("switched", bytes_moved=100_000_000) for host in PEERS},
    stages=[
        StageRecord("connect", 0.0, 5.0),
        StageRecord("upload", 5.0, 10.0),
        StageRecord("swarm", 15.0, 10.0),
        StageRecord("verify", 25.0, 5.0),
    ],
)


@pytest.fixture
def wanted(tmp_path: Path) -> Wanted:
    (tmp_path / "file").write_bytes(b"x" * 2_000_000)
    return Wanted("v2", "/srv/app", str(tmp_path), create_metainfo(str(tmp_path), None))


def lines(
    wanted: Wanted, roles: Roles = ROLES, pace: Pace | None = AT_ONCE, **settings: object
) -> dict[str, str]:
    planned = plan(wanted, roles, replace(SETTINGS, **settings), pace, ())  # type: ignore[arg-type]
    return {line.split()[0]: line.split(None, 1)[1] for line in planned}


def test_the_plan_says_who_how_much_where_and_how_long(wanted: Wanted) -> None:
    assert plan(wanted, ROLES, SETTINGS, Pace(), ()) == [
        "roles    tracker and seeder web1; peers web[1-10]",
        "bytes    2.0 MB over SSH to web1, then 18.0 MB among the hosts; less by what each has of it already",
        "reuse    what hosts have of it already only they can tell: no former run to there is known here",
        "disk     18.8 MB must be free on each host; 5 releases stay in the end, 10.0 MB if all are as large;"
        " what is free there tells"
        f" murder.doctor --files-path {wanted.files_path} --destination-path /srv/app",
        "switch   all hosts at once",
        "time     about 4 s if no host has any of it and every link has 125.0 MB/s: no former run tells",
    ]


def test_other_seeders_get_it_as_peers_do(wanted: Wanted) -> None:
    said = lines(wanted, Roles("build1", ["build1", "build2"], PEERS))
    assert said["roles"] == "tracker build1; seeder build[1-2]; peers web[1-10]"
    assert said["bytes"].startswith("2.0 MB over SSH to build1, then 22.0 MB among the hosts;")


def test_what_this_machine_seeds_does_not_go_over_ssh(wanted: Wanted) -> None:
    said = lines(replace(wanted, seed_here=True), Roles("web1", [HERE], PEERS))
    assert said["bytes"].startswith("2.0 MB to each of 10 hosts, from this machine and each other;")


def test_of_what_lies_on_the_seeder_nobody_knows_how_much_it_is() -> None:
    said = lines(Wanted("v2", "/srv/app", "/srv/build", None))
    assert said["bytes"] == "not known before web1 has hashed /srv/build"
    assert "time" not in said
    assert "disk" not in said


def test_of_a_torrent_of_others_the_seeders_are_elsewhere(wanted: Wanted) -> None:
    said = lines(replace(wanted, elsewhere=True))
    assert said["roles"] == "tracker and seeders are elsewhere; peers web[1-10]"
    assert said["bytes"].startswith("2.0 MB to each of 10 hosts, from the seeders and each other;")


@pytest.mark.parametrize(
    ("pace", "said"),
    [
        (None, "not now: murder.switch does it later"),
        (Pace(canary=["web1", "web2"]), "the canary web[1-2], then 8 other hosts"),
        (Pace(canary=["web3"], batch="40%"), "the canary web3, then 3 batches of 4 hosts at the most"),
        (Pace(batch="5"), "2 batches of 5 hosts at the most"),
        (Pace(canary=PEERS), "all hosts at once"),
    ],
)
def test_the_waves_are_named(wanted: Wanted, pace: Pace | None, said: str) -> None:
    assert lines(wanted, pace=pace, health_check="true")["switch"] == said


@pytest.mark.parametrize(
    ("pace", "said"),
    [(Pace(canary=["web1"]), True), (Pace(batch="5"), False), (Pace(canary=PEERS), False)],
)
def test_of_a_canary_that_nobody_asks_whether_it_is_well_it_is_said_what_it_proves(
    wanted: Wanted, pace: Pace, said: bool
) -> None:
    lack = "; no murder.health_check: the canary proves only that the switch went well"
    assert lines(wanted, pace=pace)["switch"].endswith(lack) is said


def test_the_moment_of_the_first_wave_is_named(wanted: Wanted) -> None:
    assert ", the first at 20" in lines(wanted, pace=Pace(at=1_800_000_000.0))["switch"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"digest": "ab"},
            f"all of it on 10 of 10 hosts, by run {RECORD.id}: nothing moves to there",
        ),
        ({"digest": "ab", "hosts": {"web3": HostRecord("verified")}}, "all of it on 1 of 10 hosts"),
        ({"digest": "ab", "hosts": {"web3": HostRecord("failed")}}, "all of it on 0 of 10 hosts"),
        (
            {"digest": "cd", "hosts": {"web1": HostRecord("switched", bytes_moved=20, bytes_reused=180)}},
            f"only they can tell; run {RECORD.id} of v1 found 90 % of its bytes on the hosts",
        ),
        ({"digest": "ab", "task": "rollback"}, "only they can tell: no former run to there is known here"),
        ({"digest": "ab", "length": 0, "hosts": {}}, "all of it on 0 of 10 hosts"),
        ({"digest": "cd", "hosts": {}}, "only they can tell: no former run to there is known here"),
        ({"digest": ""}, "only they can tell: no former run to there is known here"),
    ],
)
def test_former_runs_tell_what_hosts_have_of_it_already(changes: dict[str, object], said: str) -> None:
    assert said in reuse("ab", PEERS, [replace(RECORD, **changes)])  # type: ignore[arg-type]


def test_the_last_run_tells_how_long_the_next_one_takes() -> None:
    estimate = estimated(200_000_000, 10, [RECORD], brought=True)
    assert estimate.seconds == 5.0 + 2 * (10.0 + 10.0 + 5.0)
    assert f"at the pace of run {RECORD.id} (100.0 MB to each of 10 hosts in 30 s)" in estimate.reason


SMALL = replace(
    RECORD,
    id="20261123-063500-000000000001",
    seconds=8.0,
    length=100_000,
    hosts={host: HostRecord("switched", bytes_moved=100_000) for host in PEERS},
    stages=[
        StageRecord("connect", 0.0, 4.0),
        StageRecord("upload", 4.0, 1.0),
        StageRecord("swarm", 5.0, 3.0),
    ],
)


def test_a_run_of_few_bytes_tells_what_stages_take_anyhow_and_no_pace() -> None:
    estimate = estimated(125_000_000, 10, [SMALL], brought=True)
    assert estimate.seconds == pytest.approx(8.0 + 1.3 + 125 / 400 + 1.0)
    assert (
        "if no host has any of it and every link has 125.0 MB/s, and else as run 20261123" in estimate.reason
    )
    assert estimated(100_000, 10, [SMALL], brought=True).seconds == pytest.approx(8.0, abs=0.1)


def test_what_stages_take_anyhow_is_not_multiplied_with_the_bytes() -> None:
    estimate = estimated(1_000_000_000, 10, [SMALL, RECORD], brought=True)
    assert estimate.seconds == pytest.approx(5.0 + (1.0 + 10 * 9.0) + (3.0 + 10 * 7.0) + 10 * 5.0)
    assert f"at the pace of run {RECORD.id}" in estimate.reason


@pytest.mark.parametrize(
    "record",
    [
        replace(RECORD, exit_code=3),
        replace(RECORD, length=0),
        replace(RECORD, stages=[]),
        replace(RECORD, hosts={"web1": HostRecord("switched", bytes_moved=49_000_000)}),
        replace(RECORD, hosts={}),
    ],
    ids=["failed", "nothing", "no stages", "most of it was there", "no hosts"],
)
def test_a_run_that_moved_little_tells_nothing(record: RunRecord) -> None:
    assert "no former run tells" in estimated(1_250_000_000, 10, [record], brought=True).reason
    assert estimated(1_000_000, 10, [record, RECORD], brought=True).reason.count("at the pace of") == 1


def test_without_a_former_run_what_does_not_go_over_ssh_takes_less() -> None:
    brought, seeded = (estimated(1_250_000_000, 10, (), brought=brought).seconds for brought in (True, False))
    assert brought - seeded == pytest.approx(10.0)
