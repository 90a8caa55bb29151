"""What is asked of which host when releases are switched, taken back, locked: agents that answer at once."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from fake_channels import FakeChannels

from murder_fabric.deploy import releases
from murder_fabric.deploy.catching_up import catch_up
from murder_fabric.deploy.deployment import Deployment
from murder_fabric.deploy.failures import HostFailure
from murder_fabric.deploy.muster import SILENCE_LIMIT, Muster
from murder_fabric.deploy.outcome import HostState
from murder_fabric.deploy.revision import NO_REVISION, revision_of
from murder_fabric.deploy.roles import Roles
from murder_fabric.deploy.run import Run
from murder_fabric.deploy.settings import Settings
from murder_fabric.deploy.wanted import Wanted
from murder_fabric.deploy.watching.view import View
from murder_fabric.errors import AllHostsFailed, BadInput, HostsFailed, Interrupted, SettingsError

HOSTS = ["web1", "web2", "web3"]
FULL = HostFailure("failed", "No space left on device")


class App:
    """Three hosts with v1 and v2, the current one; switches are remembered, others may interfere."""

    def __init__(self, **says: Any) -> None:
        self.current: dict[str, Any] = dict.fromkeys(HOSTS, "v2")
        self.fields: list[tuple[str, dict[str, Any]]] = []
        told = {
            "prepare": lambda host, fields: {"current": self.current[host]},
            "nonces": {"nonces": []},
            "list_releases": lambda host, fields: self.listing(host),
            "switch": self.switch,
            "switch_back": self.switch_back,
            "mark_bad": self.note,
            "hold": self.note,
        }
        self.channels = FakeChannels({**told, **says})
        self.channels.hosts = HOSTS
        self.view = io.StringIO()

    def note(self, host: str, fields: dict[str, Any]) -> dict[str, Any]:
        self.fields.append((host, fields))
        return {}

    def listing(self, host: str) -> dict[str, Any]:
        known = {"state": "good", "verified": "", "length": 1, "reason": "", "usable": True}
        tags = [
            {"tag": tag, "digest": tag, "rank": int(tag != self.current[host]), **known}
            for tag in ("v2", "v1")
        ]
        return {"current": self.current[host], "held": None, "releases": tags}

    def switch(self, host: str, fields: dict[str, Any]) -> dict[str, Any]:
        self.note(host, fields)
        previous, self.current[host] = self.current[host], fields["tag"]
        return {"previous": previous, "warning": "the log is full" if host == "web2" else ""}

    def switch_back(self, host: str, fields: dict[str, Any]) -> dict[str, Any]:
        if self.current[host] == fields["tag"]:
            self.current[host] = fields["previous"]
        return {}

    def go(self, stages: Callable[[Deployment], str], tag: str = "", **settings: Any) -> str:
        muster = Muster(self.channels, HOSTS, View(self.view))  # type: ignore[arg-type]
        wanted = Wanted(tag, "/srv/app", "", None)
        run = Run(muster, Roles("web1", ["web1"], HOSTS), Settings(**settings), wanted, operator="ann@desk")
        self.deployment = Deployment(run, stages)
        return self.deployment.run()


def fails_on(host: str, otherwise: Callable[[str, dict[str, Any]], Any]) -> Callable[..., Any]:
    return lambda asked, fields: FULL if asked == host else otherwise(asked, fields)


back = partial(releases.rollback, to=None)


def test_a_rollback_goes_back_on_all_hosts_and_marks_what_it_left() -> None:
    app = App()
    assert app.go(back) == "3 of 3 hosts back at v1; v2 is marked bad"
    assert set(app.current.values()) == {"v1"}
    marks = [
        (host, fields["tag"], fields["reason"]) for host, fields in app.fields if fields["do"] == "mark_bad"
    ]
    assert marks == [(host, "v2", "rolled back to v1") for host in HOSTS]
    assert {fields["back"] for _, fields in app.fields if fields["do"] == "switch"} == {True}
    assert "web2: the log is full" in app.view.getvalue()
    assert app.channels.heard("finish") == HOSTS


def test_where_one_host_does_not_go_back_the_others_return() -> None:
    app = App()
    app.channels.says = {**app.channels.says, "switch": fails_on("web3", app.switch)}
    with pytest.raises(HostsFailed, match=r"1 of 3 hosts did not switch; web\[1-2\] are back where"):
        app.go(back)
    assert set(app.current.values()) == {"v2"}
    assert app.channels.heard("mark_bad") == []


def test_where_one_host_is_locked_nobody_goes() -> None:
    app = App()
    app.channels.says = {
        **app.channels.says,
        "prepare": fails_on("web3", lambda host, fields: {"current": "v2"}),
    }
    with pytest.raises(HostsFailed, match="1 of 3 hosts failed"):
        app.go(back)
    assert app.channels.heard("switch") == []
    assert "2 of 3 hosts back at v1" in app.go(back, allow_failures="1")


def test_a_host_that_is_there_already_is_left_alone() -> None:
    app = App()
    app.current["web3"] = "v1"
    assert app.go(back) == "3 of 3 hosts back at v1; v2 is marked bad"
    assert app.channels.heard("switch") == ["web1", "web2"]
    assert app.channels.heard("mark_bad") == HOSTS


def test_a_mark_that_cannot_be_made_is_said_and_no_failure() -> None:
    app = App(mark_bad=FULL)
    assert "3 of 3 hosts back at v1" in app.go(back)
    assert "web[1-3]: No space left on device" in app.view.getvalue()


def test_ctrl_c_during_a_rollback_takes_all_hosts_where_they_were() -> None:
    app = App()

    def interrupted(host: str, fields: dict[str, Any]) -> dict[str, Any]:
        if host == "web2":
            raise KeyboardInterrupt
        return app.switch(host, fields)

    app.channels.says = {**app.channels.says, "switch": interrupted}
    with pytest.raises(Interrupted, match="every host is as it was; nothing of ours runs"):
        app.go(back)
    assert set(app.current.values()) == {"v2"}


def test_a_switch_to_what_a_host_lacks_moves_nobody() -> None:
    app = App()
    with pytest.raises(HostsFailed):
        app.go(releases.switch, "v9")
    assert app.channels.heard("switch") == []
    assert app.deployment.outcome.complaints() == ["web[1-3]: it has no release v9; murder.fetch brings it"]


def test_nothing_to_catch_up_with_asks_nobody_to_do_anything() -> None:
    app = App()
    assert app.go(partial(catch_up, tag=None)) == "web[1-3] (3 hosts) had v2 already"
    assert {request for _, _, request in app.channels.asked} == {
        "prepare",
        "nonces",
        "list_releases",
        "finish",
    }


def test_a_host_that_has_the_release_only_switches_even_if_another_is_down() -> None:
    app = App()
    app.current["web2"] = "v1"
    app.channels.silent = {"web3": HostFailure("refused", "refused the connection")}
    assert app.go(partial(catch_up, tag="v2")) == "web2 (1 host) caught up with v2"
    assert app.channels.heard("switch") == ["web2"]
    assert app.deployment.outcome.hosts(HostState.UNREACHABLE) == ["web3"]


def test_a_lock_is_asked_of_all_and_says_where_it_holds() -> None:
    app = App()
    app.channels.says = {**app.channels.says, "hold": fails_on("web2", app.note)}
    said = app.go(partial(releases.lock, reason="the database moves"))
    assert said == "/srv/app is locked on web[1,3] (2 hosts); murder.unlock gives it free"
    assert [fields["reason"] for _, fields in app.fields] == ["the database moves"] * 2
    assert app.deployment.outcome.lost == ["web2"]


def test_unlocking_what_nobody_holds_is_an_error() -> None:
    with pytest.raises(BadInput, match=r"nobody holds /srv/app on web\[1-3\]"):
        App(let_go={"held": False}).go(partial(releases.unlock, force=False))


@pytest.mark.parametrize("stages", [releases.show, releases.verify_current, releases.clean_up, back])
def test_nobody_waits_long_for_a_host_that_is_silent(stages: Callable[[Deployment], str]) -> None:
    inspected = {
        "tag": "v2",
        "digest": "d" * 64,
        "ours": True,
        "drift": [],
        "drift_count": 0,
        "damage_count": 0,
    }
    app = App(inspect=inspected, clean_up={"removed": []})
    app.go(stages)
    for request, timeout, silence in app.channels.bounds:
        assert min(timeout or math.inf, silence or math.inf) <= SILENCE_LIMIT, request


def test_verify_reports_groups_and_fails_where_one_differs() -> None:
    def inspected(host: str, fields: dict[str, Any]) -> dict[str, Any]:
        drift = ["index is missing"] * (host == "web2")
        counts = {"drift_count": len(drift), "damage_count": len(drift)}
        return {"tag": "v2", "digest": "d" * 64, "ours": True, "drift": drift, **counts}

    with pytest.raises(HostsFailed, match=r"web2 is not as it should be, of web\[1-3\] \(3 hosts\)"):
        (app := App(inspect=inspected)).go(releases.verify_current)
    outcome = app.deployment.outcome
    assert outcome.report.endswith("\n  index is missing")
    assert outcome.hosts(HostState.VERIFIED) == ["web1", "web3"]
    assert outcome.lost == ["web2"]
    assert outcome["web2"].facts["drift"] == ["index is missing"]


class Nowhere(App):
    """Three hosts where nothing was ever deployed."""

    def listing(self, host: str) -> dict[str, Any]:
        return {"current": None, "held": None, "releases": []}


NOTHING = (
    r"nothing is deployed in /srv/app on web\[1-3\], and nothing was changed; name another --destination"
)


@pytest.mark.parametrize(
    "stages",
    [
        *(releases.switch, releases.show, releases.verify_current, releases.clean_up, back),
        *(partial(releases.rollback, to="v1"), partial(catch_up, tag=None), partial(catch_up, tag="v1")),
    ],
)
def test_where_nothing_is_deployed_every_task_says_so(stages: Callable[[Deployment], str]) -> None:
    nothing = {"tag": None, "digest": "", "ours": False, "drift": [], "drift_count": 0, "damage_count": 0}
    app = Nowhere(inspect=nothing)
    with pytest.raises(BadInput, match=NOTHING):
        app.go(stages, "v1")
    asked = {request for _, _, request in app.channels.asked}
    assert asked <= {"prepare", "nonces", "list_releases", "inspect", "finish"}


def test_who_could_not_be_asked_may_have_a_release() -> None:
    app = Nowhere()
    app.channels.silent = {"web3": HostFailure("refused", "refused the connection")}
    with pytest.raises(HostsFailed, match=r"nothing is deployed in /srv/app on web\[1-2\]"):
        app.go(releases.show)


def test_without_a_current_release_there_is_nothing_to_verify() -> None:
    nothing = {"tag": None, "digest": "", "ours": False, "drift": [], "drift_count": 0, "damage_count": 0}
    with pytest.raises(BadInput, match=r"no host has a current release in .*murder.switch goes there"):
        App(inspect=nothing).go(releases.verify_current)


@pytest.mark.parametrize("stages", [releases.switch, partial(releases.rollback, to="v9")])
def test_a_release_that_no_host_has_fails_all_of_them(stages: Callable[[Deployment], str]) -> None:
    app = App()
    with pytest.raises(AllHostsFailed):
        app.go(stages, "v9")
    assert app.channels.heard("switch") == []
    assert app.deployment.plan.wanted.tag == "v9"
    (said,) = app.deployment.outcome.complaints()
    assert said.startswith("web[1-3]: it has no release v9; murder.")


def test_a_rollback_to_what_one_host_lacks_moves_nobody_unless_it_may_fail() -> None:
    class Lacking(App):
        def listing(self, host: str) -> dict[str, Any]:
            told = super().listing(host)
            return {**told, "releases": told["releases"][: 1 if host == "web2" else 2]}

    app = Lacking()
    with pytest.raises(HostsFailed, match=r"1 of 3 hosts failed .*so nothing was switched") as caught:
        app.go(partial(releases.rollback, to="v1"))
    assert caught.value.exit_code == 3
    assert app.deployment.outcome.complaints() == [
        "web2: it has no release v1; murder.releases lists what there is"
    ]
    assert app.go(partial(releases.rollback, to="v1"), allow_failures="1").startswith(
        "2 of 3 hosts back at v1"
    )
    assert app.current == {"web1": "v1", "web2": "v2", "web3": "v1"}


# What goes into a release beside the tree -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "paths"),
    [
        (["log", "tmp/pids/"], ["log", "tmp/pids"]),
        ("log, tmp/pids", ["log", "tmp/pids"]),
        ("", []),
        (None, []),
        (["log", "log"], ["log"]),
    ],
)
def test_linked_paths_are_a_list_or_have_commas(given: Any, paths: list[str]) -> None:
    assert Settings.from_config({"murder": {"linked_dirs": given}}).linked() == paths


@pytest.mark.parametrize("given", ["/etc", "../x", "a//b", "a/../b", "*.log", [1], "a\nb", {"a": 1}])
def test_a_linked_path_stays_below_shared(given: Any) -> None:
    with pytest.raises(SettingsError, match="paths below shared/"):
        Settings.from_config({"murder": {"linked_dirs": given}})


def test_where_there_is_no_checkout_or_no_git_there_is_no_revision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert revision_of(str(tmp_path)) == NO_REVISION
    monkeypatch.setenv("PATH", str(tmp_path))
    assert revision_of(str(tmp_path)) == NO_REVISION
