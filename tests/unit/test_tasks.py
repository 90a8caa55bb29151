"""What tasks make of their arguments, before any host is asked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import fabric
import pytest

from murder_fabric.deploy import manual, release_tasks, run_tasks, tasks, undertaking
from murder_fabric.deploy.executor import GroupContext
from murder_fabric.deploy.results import Result
from murder_fabric.deploy.settings import Settings
from murder_fabric.errors import BadInput, SettingsError


@pytest.fixture
def c() -> GroupContext:
    return GroupContext(fabric.Config(lazy=True), ["web1", "web2"])


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "page").write_text("hello")
    (tmp_path / "debug.log").write_text("x")
    return tmp_path


@pytest.mark.parametrize(
    ("exclude", "files"), [(None, 2), ("*.log", 1), (["*.log", "page"], 0), (("page",), 1)]
)
def test_one_pattern_may_stand_without_a_list(
    c: GroupContext, tree: Path, exclude: Sequence[str] | None, files: int
) -> None:
    def planned() -> Any:
        return tasks.deploy.plan(
            c, files_path=tree, destination_path=Path("/srv/app"), tag="v1", exclude=exclude
        )

    if not files:
        with pytest.raises(BadInput):
            planned()
        return
    undertaking = planned()
    assert f"web[1-2] (2 hosts): {files} file" in undertaking.aim
    assert (undertaking.tag, undertaking.destination) == ("v1", "/srv/app")
    assert (list(undertaking.hosts), undertaking.is_long) == (["web1", "web2"], True)


def test_what_python_gives_besides_the_flags_is_a_setting_of_this_run(c: GroupContext) -> None:
    planned: Any = release_tasks.cleanup.plan(
        c, destination_path="/srv/app", keep_releases=3, connect_timeout=7
    )
    assert (planned.settings.keep_releases, planned.settings.connect_timeout) == (3, 7)
    with pytest.raises(SettingsError, match="connect_timeout is 'soon', but must be a whole number"):
        release_tasks.releases.plan(c, destination_path="/srv/app", connect_timeout="soon")


def test_a_task_about_no_tag_does_not_say_one(c: GroupContext) -> None:
    planned: Any = release_tasks.verify.plan(c, destination_path="/srv/app", default_tag="v1")
    assert planned.tag == ""
    planned = release_tasks.switch.plan(c, destination_path="/srv/app", default_tag="v1")
    assert planned.tag == "v1"


def test_a_rollback_goes_in_waves_only_where_its_own_flags_say_so(c: GroupContext) -> None:
    settings = {"batch": "1", "canary": "web9", "at": "long ago"}
    c.config.update(murder=settings)
    planned: Any = release_tasks.rollback.plan(c, destination_path="/srv/app")
    assert [getattr(planned.settings, name) for name in settings] == ["", "", ""]
    planned = release_tasks.rollback.plan(c, destination_path="/srv/app", batch=2, canary="web1")
    assert [getattr(planned.settings, name) for name in settings] == ["2", "web1", ""]
    with pytest.raises(BadInput, match="--canary names web9"):
        release_tasks.switch.plan(c, tag="v1", destination_path="/srv/app")


def test_a_dry_rollback_says_who_knows_where_it_would_go(c: GroupContext) -> None:
    planned: Any = release_tasks.rollback.plan(c, destination_path="/srv/app")
    assert list(planned.plan()) == ["which one that is, only the hosts know; murder.releases shows it"]
    named: Any = release_tasks.rollback.plan(c, destination_path="/srv/app", to="v1")
    assert list(named.plan()) == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"at": "soon"}, "--at 'soon' is no moment"), ({"canary": "web9"}, "--canary names web9")],
)
def test_waves_that_cannot_be_meant_are_said_before_a_tree_is_read(
    c: GroupContext, monkeypatch: pytest.MonkeyPatch, wrong: dict[str, str], said: str
) -> None:
    monkeypatch.setattr(tasks, "_wanted", None)  # whoever called it would fail otherwise
    with pytest.raises(BadInput, match=said):
        tasks.deploy.plan(c, files_path="/nowhere", destination_path="/srv/app", **wrong)


def test_hosts_are_shown_with_their_roles_and_none_is_asked(c: GroupContext) -> None:
    shown: Any = tasks.hosts.plan(c, roles={"tracker": "build1", "seeder": "build1", "peer": ""})
    assert shown.report.splitlines() == ["tracker: build1", "seeder: build1", "peers: web[1-2] (2)"]
    assert {host: one.facts["roles"] for host, one in shown.hosts.items()} == {
        "web1": ["peer"],
        "web2": ["peer"],
        "build1": ["tracker", "seeder"],
    }


def test_who_switches_first_is_shown_and_so_are_further_groups(c: GroupContext) -> None:
    roles = {"peer": "", "canary": "web2", "db": "db[1-2]"}
    shown: Any = tasks.hosts.plan(c, roles=roles, canary="@canary")
    assert shown.report.splitlines()[2:] == [
        "canary: web2, which switches first",
        "peers: web[1-2] (2)",
        "@canary: web2",
        "@db: db[1-2]",
    ]
    assert shown.hosts["web2"].facts["roles"] == ["peer", "canary"]
    shown = tasks.hosts.plan(c, canary="web9", roles={"peer": ""})
    assert "canary: --canary names web9, and this run is about web[1-2]" in shown.report


def flags_of(task: Any) -> set[str]:
    return {name for argument in task.get_arguments() for name in argument.names}


def test_murders_settings_are_flags_where_they_count() -> None:
    everywhere = [flags_of(task) for task in tasks.murder.tasks.values()]
    assert all("remote-murder-path" in flags for flags in everywhere)
    starting = {name for name, task in tasks.murder.tasks.items() if "tracker-port" in flags_of(task)}
    assert starting >= {"deploy", "fetch", "catch-up", "doctor", "start-tracker"}
    assert not starting & {"peer", "hosts", "stop-tracker"}


def test_a_flag_of_a_setting_goes_first_and_leaves_it_where_it_is_not_given(
    c: GroupContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Settings] = []

    def carried_out(name: str, context: GroupContext, planned: Any, view: Any) -> Any:
        given.append(planned.settings)
        return Result(name, hosts={})

    monkeypatch.setattr(undertaking, "carry_out", carried_out)
    c.config["murder"] = {"tracker_port": 8000, "remote_murder_path": "/opt/murder"}
    manual.start_tracker(c, tracker_port=None, remote_murder_path=None)
    manual.start_tracker(c, tracker_port="9000", remote_murder_path="~/other")
    assert [(one.tracker_port, one.remote_murder_path) for one in given] == [
        (8000, "/opt/murder"),
        (9000, "~/other"),
    ]


@pytest.mark.parametrize("limit", ["abc", "0", "-1", ""])
def test_a_limit_that_is_no_number_is_refused_by_us_and_not_by_invoke(c: GroupContext, limit: str) -> None:
    given = {flag.name: flag for flag in run_tasks.history.get_arguments()}["limit"]
    given.value = limit
    with pytest.raises(BadInput, match="must be a number of runs"):
        run_tasks.history.plan(c, limit=given.value)
