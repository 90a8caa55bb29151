"""Settings: merged in order, checked once, each mistake one sentence."""

from __future__ import annotations

import dataclasses
import re
from datetime import datetime, timezone
from pathlib import Path

import pytest
from invoke.config import Config

from murder_fabric.deploy import settings as settings_module
from murder_fabric.deploy.settings import Settings, defaults
from murder_fabric.errors import SettingsError

GOOD = [
    ("pool_size", "64", 64),
    ("default_tag", 20261121, "20261121"),
    ("default_tag", "v1.2-rc_3", "v1.2-rc_3"),
    ("default_destination_path", "/srv//app/", "/srv/app"),
    ("default_destination_path", "~/app", "~/app"),
    ("default_seeder_files_path", "/data/$(x) tree", "/data/$(x) tree"),
    ("peer_ports", 7000, "7000-7000"),
    ("sudo", True, "root"),
    ("sudo", False, ""),
    ("allow_failures", 3, "3"),
    ("allow_failures", "10%", "10%"),
    ("host_keys", False, "off"),
    ("batch", 3, "3"),
    ("batch", "100%", "100%"),
    ("health_check", "curl -fs localhost | grep ok", "curl -fs localhost | grep ok"),
    ("health_check", "https://[::1]:8443/a?b=1", "https://[::1]:8443/a?b=1"),
    ("hooks", {"failed": "mail"}, {"failed": ["mail"]}),
    ("hooks", {"before_switch": ["a", "b"]}, {"before_switch": ["a", "b"]}),
    ("at", datetime(2026, 11, 22, 3, tzinfo=timezone.utc), "2026-11-22T03:00:00+00:00"),
    ("hooks", {"after_switch": None}, {"after_switch": []}),
    ("python", "/opt/python3.11/bin/python3.11", "/opt/python3.11/bin/python3.11"),
    ("upload_limit", "80Mbit", "10000000"),
    ("upload_limit", 500000, "500000"),
    ("download_limit", "1.5 MB/s", "1500000"),
    ("dscp", 8, "8"),
    ("dscp", "", ""),
]

BAD = [
    ("pool_size", 0, "a whole number from 1 to 1000"),
    ("pool_size", True, "a whole number"),
    ("tracker_port", 65536, "from 1 to 65535"),
    ("default_tag", "..", "a tag"),
    ("default_tag", "a/b", "a tag"),
    ("default_tag", "v1\n", "a tag"),
    ("default_destination_path", "/", "not '/'"),
    ("default_destination_path", "/srv/../", "without '..'"),
    ("default_destination_path", "~", "not '/' or '~' itself"),
    ("default_destination_path", "srv/app", "an absolute path"),
    ("default_destination_path", "/srv/a\nb", "an absolute path"),
    ("remote_murder_path", "-rf", "an absolute path"),
    ("remote_murder_path", "", "an absolute path"),
    ("python", "-c", "the name or path of an interpreter"),
    ("python", "", "the name or path of an interpreter"),
    ("sudo", "root; id", "the user to become"),
    ("peer_ports", "6999-6881", "a range of ports"),
    ("peer_ports", "0-5", "a range of ports"),
    ("interface", "eth0; id", "network interface"),
    ("seed_for", 3601, "from 0 to 3600"),
    ("allow_failures", "101%", "a share"),
    ("allow_failures", -1, "a share"),
    ("host_keys", "ask", "strict, accept-new or off"),
    ("upload_limit", 0, "bytes a second such as 10MB"),
    ("upload_limit", "-1MB", "bytes a second such as 10MB"),
    ("upload_limit", "10M", "bytes a second such as 10MB"),
    ("download_limit", "9999", "at least 10.0 kB"),
    ("download_limit", True, "bytes a second such as 10MB"),
    ("dscp", 64, "from 0 to 63"),
    ("dscp", "CS1", "from 0 to 63"),
    ("batch", 0, "a number of hosts from 1 on"),
    ("batch", "0%", "a number of hosts from 1 on"),
    ("batch", "101%", "a share of them"),
    ("batch", True, "a number of hosts from 1 on"),
    ("switch_delay", 31, "from 0 to 30"),
    ("at", 870, "a moment in quotes such as '03:00'"),
    ("health_check", "http://", "a URL such as"),
    ("health_check", "HTTP://localhost/", "a URL such as"),
    ("health_check", "http://ann:secret@localhost/", "without user"),
    ("health_check", "http://localhost/a b", "all quoted"),
    ("health_check", "  ", "a command, or a URL"),
    ("health_check", ["true"], "a command, or a URL"),
    ("health_status", 99, "from 100 to 599"),
    ("webhook", "hooks.example.com", "a URL that takes JSON"),
    ("webhook", "https://[::1/services", "a URL that takes JSON"),
    ("webhook", "https://hooks.example.com:99999/", "a URL that takes JSON"),
    ("webhook", "https://:443/", "a URL that takes JSON"),
    ("hooks", ["drain"], "names of hooks"),
    ("hooks", {"before_swich": "drain"}, "did you mean before_switch?"),
    ("hooks", {"before_switch": 7}, "before_switch is not"),
    ("hooks", {"before_switch": ["drain", ""]}, "before_switch is not"),
    ("hooks", {"before_connect": "drain"}, "can only be a task of murder.hooks"),
    ("roles", ["web1"], "role names"),
    ("roles", {"peer": 7}, "role names"),
    ("roles", {"a b": "web1"}, "role names"),
]


@pytest.mark.parametrize(("name", "value", "kept"), GOOD)
def test_a_value_is_kept_in_one_form(name, value, kept):
    assert getattr(Settings.from_config({"murder": {name: value}}), name) == kept


@pytest.mark.parametrize(("name", "value", "reason"), BAD)
def test_a_value_that_cannot_be_meant_is_named(name, value, reason):
    with pytest.raises(SettingsError) as caught:
        Settings.from_config({"murder": {name: value}})
    assert str(caught.value).startswith(f"murder.{name} is ")
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("webhook", "https://hooks.example.com/T0/S3CRET "),
        ("health_check", "http://ann:S3CRET@localhost/"),
        ("health_check", "http://localhost/a b?token=S3CRET"),
    ],
)
def test_what_may_be_a_secret_is_not_shown_though_it_is_wrong(name, value):
    with pytest.raises(SettingsError) as caught:
        Settings.from_config({"murder": {name: value}})
    assert "S3CRET" not in str(caught.value)


def test_flags_go_before_the_configuration_and_none_is_not_given():
    config = {"murder": {"tracker_port": 9000, "seed_for": 60}}
    settings = Settings.from_config(config, tracker_port=9001, seed_for=None)
    assert (settings.tracker_port, settings.seed_for, settings.pool_size) == (9001, 60, 32)


def test_a_bad_flag_is_named_as_it_was_written():
    with pytest.raises(SettingsError, match="--tracker-port is 0"):
        Settings.from_config({}, tracker_port=0)


@pytest.mark.parametrize(
    ("name", "flag"), [("default_tag", "--tag"), ("default_seeder_files_path", "--files-path")]
)
def test_a_flag_that_is_given_but_empty_is_refused(name, flag):
    with pytest.raises(SettingsError, match=f"{flag} is empty; give it a value, or leave it out"):
        Settings.from_config({"murder": {name: "/srv"}}, **{name: ""})


def test_a_misspelt_setting_is_not_ignored():
    with pytest.raises(SettingsError, match="tracker_prot is no setting; did you mean tracker_port"):
        Settings.from_config({"murder": {"tracker_prot": 1}})


def test_a_section_that_is_no_table_is_refused():
    with pytest.raises(SettingsError, match="murder must be a table"):
        Settings.from_config({"murder": "web1"})


def test_roles_of_an_invoke_configuration_are_read():
    config = Config(
        overrides={"murder": {"roles": {"peer": ["web[1-2]", ""], "canary": "web1", "seeder": None}}}
    )
    roles = Settings.from_config(config).roles
    assert roles == {"tracker": "", "seeder": "", "peer": ["web[1-2]"], "canary": "web1"}


def test_the_environment_is_read_for_every_setting_in_its_type(monkeypatch):
    """Invoke casts by the type of the default; a None or a list there would be the wrong one."""
    for name, value in {
        "POOL_SIZE": "7",
        "ROLES_PEER": "web1",
        "ALLOW_FAILURES": "5%",
        "SUDO": "app",
    }.items():
        monkeypatch.setenv(f"INVOKE_MURDER_{name}", value)
    config = Config(overrides={"murder": defaults()})
    config.load_shell_env()
    config = Config(overrides=config._env)
    settings = Settings.from_config(config)
    assert (settings.pool_size, settings.allow_failures, settings.sudo) == (7, "5%", "app")
    assert settings.roles["peer"] == "web1"


def test_every_setting_says_what_it_means_and_its_default_is_allowed():
    for field in dataclasses.fields(Settings):
        assert field.metadata["meaning"].endswith(".")
        assert type(defaults()[field.name]) in (str, int, dict)
    assert Settings.from_config({"murder": defaults()}) == Settings()


@pytest.mark.parametrize(
    ("allowed", "hosts", "count"), [("0", 500, 0), ("3", 5, 3), ("10%", 19, 1), ("100%", 7, 7)]
)
def test_a_share_of_failures_is_rounded_down(allowed, hosts, count):
    assert Settings(allow_failures=allowed).failures_allowed(hosts) == count


def test_peer_ports_are_two_numbers():
    assert Settings(peer_ports="6881-6999").peer_port_range() == (6881, 6999)


@pytest.mark.parametrize(
    "value",
    ["http://a/x https://b:81", ["http://a/x", "https://b:81"], " http://a/x  https://b:81 http://a/x"],
)
def test_web_seeds_are_urls_however_they_are_written(value):
    settings = Settings.from_config({"murder": {"web_seeds": value}})
    assert settings.web_seeds.split() == ["http://a/x", "https://b:81"]


@pytest.mark.parametrize("value", ["ftp://a/", "http://", "/srv/x", ["http://a/b c"], 7, {}])
def test_what_is_no_url_is_no_web_seed(value):
    with pytest.raises(SettingsError, match="URLs that begin with http"):
        Settings.from_config({"murder": {"web_seeds": value}})


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Settings)])
def test_every_setting_is_heeded_by_somebody(name):
    package = Path(settings_module.__file__).parent
    texts = [path.read_text() for path in package.rglob("*.py") if path.name != "settings.py"]
    derived = {
        "peer_ports": "peer_port_range",
        "tracker_port": "tracker_port_range",
        "allow_failures": "failures_allowed",
    }
    derived.update(dict.fromkeys(("upload_limit", "download_limit", "dscp"), "limits"))
    read = re.compile(rf"\.{derived.get(name, name)}\b")
    assert any(read.search(text) for text in texts)
