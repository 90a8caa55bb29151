"""Which hosts Python code means, however it names them, and by which settings they are reached."""

from __future__ import annotations

import io
from pathlib import Path

import fabric
import pytest
from invoke.context import Context

from murder_fabric.deploy.executor import GroupContext
from murder_fabric.deploy.fleet import Fleet
from murder_fabric.deploy.murder_task import settings_of
from murder_fabric.deploy.settings import Settings
from murder_fabric.deploy.watching.view import View
from murder_fabric.errors import HostRangeError, SettingsError

ROLES = "user: ann\nmurder: {roles: {peer: 'db[1-2]', canary: db1}, keep_releases: 7}\n"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nobody's own settings."""
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def file(tmp_path: Path) -> str:
    (tmp_path / "fabric.yaml").write_text(ROLES)
    return str(tmp_path / "fabric.yaml")


def settings(fleet: Fleet) -> Settings:
    return Settings.from_config(fleet.context().config)


def test_hosts_are_named_as_after_h() -> None:
    assert Fleet("web[1-2],db1:2222").hosts == ["web1", "web2", "db1:2222"]
    assert Fleet(["ann@web[1-2]", "[::1]:22"]).hosts == ["ann@web1", "ann@web2", "[::1]:22"]
    assert Fleet().hosts == []
    with pytest.raises(HostRangeError, match="never closed"):
        Fleet("web[1-")


def test_another_ssh_config_comes_with_the_configuration(home: Path) -> None:
    (home / "lab").write_text("Host web1\n  HostName 192.0.2.1\n  User ann\n")
    fleet = Fleet("web1", config=fabric.Config(runtime_ssh_path=str(home / "lab")))
    (made,) = fleet.context().connections()
    assert (made.host, made.user, fleet.hosts) == ("192.0.2.1", "ann", ["web1"])


def test_a_file_has_roles_and_settings(file: str) -> None:
    assert Fleet("@peer,!@canary", config=file).hosts == ["db2"]
    fleet = Fleet(config=file, connect_timeout=3)
    assert (settings(fleet).keep_releases, settings(fleet).connect_timeout) == (7, 3)
    assert fleet.context().config.user == "ann"


def test_the_environment_wins_over_defaults_and_arguments_over_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FABRIC_MURDER_KEEP_RELEASES", "9")
    assert settings(Fleet()).keep_releases == 9
    assert settings(Fleet(keep_releases=2)).keep_releases == 2


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("murder: {roles: [}", "settings cannot be read"),
        ("murder: 7", r"^murder is to be a mapping .*, but is a number: 7; look into fabric.yaml"),
        ("murder: {nope: 1}", "murder.nope is no setting"),
    ],
)
def test_a_bad_file_is_one_sentence(file: str, text: str, reason: str) -> None:
    Path(file).write_text(text)
    with pytest.raises(SettingsError, match=reason):
        Fleet("web1", config=file)


def test_a_file_that_is_missing_is_said() -> None:
    with pytest.raises(SettingsError, match=r"/nowhere/fabric\.yaml is no file of settings"):
        Fleet("web1", config="/nowhere/fabric.yaml")


def test_a_configuration_of_ones_own_stays_as_it_is() -> None:
    config = fabric.Config()
    fleet = Fleet("web1", config=config, keep_releases=2)
    assert settings(fleet).keep_releases == 2
    assert "murder" not in config


def test_a_path_may_be_one_of_pathlibs() -> None:
    fleet = Fleet("web1", default_destination_path=Path("/srv/app"))
    assert settings(fleet).default_destination_path == "/srv/app"


def test_what_a_call_is_given_stays_with_that_call() -> None:
    fleet = Fleet("web1", keep_releases=2)
    assert settings_of(fleet.context(), {"host_keys": "off"}).host_keys == "off"
    assert settings(fleet).host_keys == "strict"


def test_a_connection_is_a_fleet_of_one_reached_as_it_would_be() -> None:
    connection = fabric.Connection("ann@web1:2222", connect_kwargs={"password": "x"})
    (host,) = Fleet.of(connection).context().host_kwargs
    assert (host["host"], host["user"], host["port"]) == ("web1", "ann", 2222)
    assert host["connect_kwargs"]["password"] == "x"


def test_a_gateway_that_was_given_is_kept_and_one_of_ssh_config_is_found_again(home: Path) -> None:
    given = fabric.Connection("web1", gateway=fabric.Connection("jump"))
    (host,) = Fleet.of(given).context().host_kwargs
    assert host["gateway"].host == "jump"
    (home / "ssh_config").write_text("Host web2\n  ProxyJump jump\n")
    config = fabric.Config(runtime_ssh_path=str(home / "ssh_config"))
    (other,) = Fleet.of(fabric.Connection("web2", config=config)).context().host_kwargs
    assert "gateway" not in other


def test_a_group_of_fabrics_is_a_fleet() -> None:
    assert Fleet.of(fabric.SerialGroup("bob@web1", "ann@web2")).hosts == ["bob@web1:22", "ann@web2:22"]


def test_what_tasks_get_is_a_fleet() -> None:
    group = GroupContext(fabric.Config(), ["web1", "web2"])
    assert Fleet.of(group).hosts == ["web1", "web2"]
    assert Fleet.of(Context()).hosts == []
    fleet = Fleet("web1")
    assert Fleet.of(fleet) is fleet
    assert Fleet.of(["web[1-2]"]).hosts == ["web1", "web2"]


def test_the_environment_counts_in_a_task_that_has_no_settings_of_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FABRIC_MURDER_KEEP_RELEASES", "9")
    monkeypatch.setenv("FABRIC_MURDER_ROLES_PEER", "db[1-2]")
    assert settings(Fleet.of(Context())).keep_releases == 9
    assert settings(Fleet.of(Context())).roles["peer"] == "db[1-2]"
    told = GroupContext(fabric.Config(overrides={"murder": {"keep_releases": 7}}), ["web1"])
    assert settings(Fleet.of(told)).keep_releases == 7


def test_who_is_told_may_be_chosen_and_may_be_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    stream = io.StringIO()
    Fleet("web1", view=View(stream)).view.say("hello")
    silent = View(None)
    with silent.stage("verify"):
        silent.progress("half of it")
    assert stream.getvalue() == "hello\n"
    assert capsys.readouterr() == ("", "")
