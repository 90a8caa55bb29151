"""Several seeders in one run: who is asked for what, and what the loss of one means."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from test_deploy_stages import DOWN, FULL, HOSTS, Agents, Interfere, deployment, when

from murder_fabric.deploy.deployment import Deployment
from murder_fabric.deploy.failures import HostFailure
from murder_fabric.deploy.outcome import HostState
from murder_fabric.deploy.roles import Roles
from murder_fabric.errors import AllHostsFailed, HostsFailed
from murder_fabric.storage.creation import create_metainfo

OTHER = HostFailure("failed", "/srv/build is not what the torrent of v1 describes")
SEEDERS = ["build1", "build2"]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "a").write_bytes(b"a" * 40_000)
    return tmp_path / "files"


def seeded(
    files: Path,
    interfere: Interfere = lambda host, fields: None,
    seeders: list[str] = SEEDERS,
    on_seeder: bool = False,
) -> tuple[Deployment, Agents]:
    """Return a run with *seeders*, who may be peers, and its agents."""
    deploy, agents = deployment(files, interfere, roles={"tracker": "", "peer": "", "seeder": seeders})
    agents._hosts = list(dict.fromkeys([*HOSTS, *seeders]))
    wanted: Any = deploy.plan.wanted
    if on_seeder:
        agents.torrent = create_metainfo(str(files), None, piece_length=16384).encode()
        wanted = dataclasses.replace(wanted, metainfo=None, files_path="/srv/build")
    deploy.plan = dataclasses.replace(deploy.plan, roles=Roles("web1", seeders, HOSTS), wanted=wanted)
    return deploy, agents


def all_switched(deploy: Deployment) -> bool:
    return deploy.outcome.hosts(HostState.SWITCHED) == HOSTS


def test_the_operators_tree_goes_to_the_first_and_the_second_joins_like_a_peer(files: Path) -> None:
    deploy, agents = seeded(files)
    deploy.run()
    assert set(agents.those_asked("store_piece")) == {"build1"}
    assert sorted(agents.those_asked("join")) == sorted([*HOSTS, *SEEDERS])
    layouts = {host: fields["layout"] for host, fields in agents.fields if fields["do"] == "stage"}
    assert layouts == {**dict.fromkeys(HOSTS, "release"), **dict.fromkeys(SEEDERS, "temporary")}
    assert all_switched(deploy)


def test_a_seeder_that_has_more_from_an_earlier_try_is_brought_the_rest(files: Path) -> None:
    deploy, agents = seeded(files)
    answer = agents._answer

    def has_all(host: str, message: Any) -> Any:
        agents.held = (0,) if host == "build2" else ()
        return answer(host, message)

    agents._answer = has_all  # type: ignore[method-assign]
    deploy.run()
    assert agents.those_asked("store_piece") == []
    assert all_switched(deploy)


@pytest.mark.parametrize("moment", ["greet", "locate", "stage", "store_piece"])
def test_the_second_gets_the_tree_where_the_first_is_lost(files: Path, moment: str) -> None:
    deploy, agents = seeded(files, when("build1", moment))
    deploy.run()
    assert set(agents.those_asked("store_piece")) - {"build1"} == {"build2"}
    assert "build1" not in agents.those_asked("join")
    assert all_switched(deploy)


def test_a_seeder_that_is_a_peer_fails_as_one_and_the_run_goes_on(files: Path) -> None:
    deploy, agents = seeded(files, when("web2", "store_piece"), ["web2", "web3"])
    with pytest.raises(HostsFailed, match="1 of 3 hosts failed"):
        deploy.run()
    assert agents.those_asked("join") == ["web1", "web3"]


def test_where_the_files_lie_on_the_seeders_each_checks_its_own(files: Path) -> None:
    deploy, agents = seeded(files, on_seeder=True)
    deploy.run()
    assert agents.those_asked("create") == ["build1"]
    assert agents.those_asked("seed") == SEEDERS
    assert agents.those_asked("store_piece") == []
    assert all_switched(deploy)


def test_a_seeder_whose_copy_differs_is_out_and_that_is_said(files: Path) -> None:
    deploy, _ = seeded(files, when("build2", "seed", OTHER), on_seeder=True)
    deploy.run()
    assert all_switched(deploy)
    stream: Any = deploy.plan.view._stream
    assert stream.getvalue().count(f"build2: {OTHER.reason}") == 1


def test_a_peer_that_has_the_files_copies_them_and_serves_them_as_its_release(files: Path) -> None:
    deploy, agents = seeded(files, on_seeder=True, seeders=["web1", "build2"])
    deploy.run()
    assert agents.those_asked("seed") == ["build2"]
    sources = {host: fields["source"] for host, fields in agents.fields if fields["do"] == "stage"}
    assert sources == {"web1": "/srv/build", "web2": None, "web3": None}


def test_a_seeder_reads_what_it_takes_over_though_the_others_are_to_be_fast(files: Path) -> None:
    deploy, agents = seeded(files, seeders=["web1", "build2"])
    settings = dataclasses.replace(deploy.plan.settings, verify="fast")
    deploy.plan = dataclasses.replace(deploy.plan, settings=settings)
    deploy.run()
    verify = {host: fields["verify"] for host, fields in agents.fields if fields["do"] == "stage"}
    assert verify == {"web1": "full", "build2": "full", "web2": "fast", "web3": "fast"}


@pytest.mark.parametrize("moment", ["greet", "locate", "create", "seed"])
def test_the_second_takes_over_where_the_first_has_the_files_and_fails(files: Path, moment: str) -> None:
    deploy, agents = seeded(files, when("build1", moment), on_seeder=True)
    deploy.run()
    assert agents.those_asked("create")[-1] == ("build1" if moment == "seed" else "build2")
    assert all_switched(deploy)


@pytest.mark.parametrize("torrent", [b"", b"de"])
def test_the_second_makes_the_torrent_where_that_of_the_first_is_none(files: Path, torrent: bytes) -> None:
    deploy, agents = seeded(files, on_seeder=True)
    answer, right = agents._answer, agents.torrent

    def lies(host: str, message: Any) -> Any:
        agents.torrent = torrent if host == "build1" else right
        return answer(host, message)

    agents._answer = lies  # type: ignore[method-assign]
    deploy.run()
    assert agents.those_asked("create") == SEEDERS
    assert agents.those_asked("seed") == ["build2"]
    assert all_switched(deploy)


@pytest.mark.parametrize(("moment", "on_seeder"), [("greet", False), ("store_piece", False), ("seed", True)])
def test_without_any_seeder_nothing_goes_on(files: Path, moment: str, on_seeder: bool) -> None:
    failure = DOWN if moment == "greet" else FULL
    deploy, agents = seeded(
        files,
        lambda host, fields: failure if host in SEEDERS and fields["do"] == moment else None,
        on_seeder=on_seeder,
    )
    with pytest.raises(AllHostsFailed, match=rf"the seeders build\[1-2\] failed: {failure.reason}; nothing"):
        deploy.run()
    assert agents.those_asked("switch") == []
    assert deploy.outcome[HOSTS[0]].state is HostState.FAILED
