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
WHOLE = {"drift": [], "drift_count": 0, "damage": [], "damage_count": 0, "strangers": []}


class App:
    """Three hosts with v1 and v2, the current one; switches are remembered, others may interfere."""

    def __init__(self, **says: Any) -> None:
        self.current: dict[str, Any] = dict.fromkeys(HOSTS, "v2")
        self.fields: list[tuple[str, dict[str, Any]]] = []
        #: By host, what is wrong with each of its releases.
        self.damage: dict[str, list[str]] = {}
        told = {
            "prepare": lambda host, fields: {"current": self.current[host]},
            "nonces": {"nonces": []},
            "list_releases": lambda host, fields: self.listing(host),
            "inspect": self.inspect,
            "switch": self.switch,
            "switch_back": self.switch_back,
            "mark_bad": self.note,
            "hold": self.hold,
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

    def hold(self, host: str, fields: dict[str, Any]) -> dict[str, Any]:
        self.note(host, fields)
        return {"held": True, "under_way": None}

    def inspect(self, host: str, fields: dict[str, Any]) -> dict[str, Any]:
        self.note(host, fields)
        damage = self.damage.get(host, [])
        return {**WHOLE, "damage": damage, "drift_count": len(damage), "damage_count": len(damage)}

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
    app.channels.says = {**app.channels.says, "hold": fails_on("web2", app.hold)}
    said = app.go(partial(releases.lock, reason="the database moves"))
    assert said == "/srv/app is locked on web[1,3] (2 hosts); murder.unlock gives it free"
    assert [fields["reason"] for _, fields in app.fields] == ["the database moves"] * 2
    assert app.deployment.outcome.lost == ["web2"]


def test_a_lock_names_the_run_that_goes_on_in_spite_of_it() -> None:
    anns = {"run": "r-1", "operator": "ann\x1b@desk", "since": "noon"}
    app = App(hold=lambda host, _: {"held": True, "under_way": None if host == "web2" else anns})
    said = app.go(partial(releases.lock, reason="x"))
    whole = "/srv/app is locked on web[1-3] (3 hosts); it does not stop the run under way; murder.unlock"
    assert said.startswith(whole)
    line = "  web[1,3]: run r-1 of ann\\x1b@desk, since noon, goes on and may switch; what begins later"
    assert line in app.view.getvalue()
    assert app.deployment.outcome["web1"].facts["under_way"] == anns


def test_where_nobody_ever_deployed_nothing_is_locked() -> None:
    nothing = {"held": False, "under_way": None}
    with pytest.raises(BadInput, match=r"^nothing is deployed in /srv/app on web\[1-3\], and nothing was ch"):
        App(hold=nothing).go(partial(releases.lock, reason="x"))
    app = App(hold=lambda host, _: nothing if host == "web2" else {"held": True, "under_way": None})
    assert "is locked on web[1,3] (2 hosts)" in app.go(partial(releases.lock, reason="x"))
    assert app.deployment.outcome["web2"].error.startswith("nothing was ever deployed to /srv/app")


def test_unlocking_what_nobody_holds_is_an_error() -> None:
    with pytest.raises(BadInput, match=r"nobody holds /srv/app on web\[1-3\]"):
        App(let_go={"held": None}).go(partial(releases.unlock, force=False))


def test_whose_lock_was_overridden_is_said_and_ones_own_is_not() -> None:
    """And nothing of it can write to the terminal."""
    bobs = {"operator": "bob@desk", "since": "noon", "reason": "the\x1b[2J database moves", "run": "r-1"}
    own = {"operator": "ann@desk", "since": "noon", "reason": "mine", "run": "r-2"}
    app = App(let_go=lambda host, fields: {"held": {"web1": own, "web2": bobs, "web3": bobs}[host]})
    assert app.go(partial(releases.unlock, force=True)) == "/srv/app is free on web[1-3] (3 hosts)"
    (line,) = [line for line in app.view.getvalue().splitlines() if "lock" in line]
    assert line.startswith("  web[2-3]: overrode the lock of bob@desk, since noon (run r-1): the")
    assert line.endswith("database moves")
    assert "\x1b" not in line
    assert app.deployment.outcome["web3"].facts["held"] == bobs


@pytest.mark.parametrize("stages", [releases.show, releases.verify_current, releases.clean_up, back])
def test_nobody_waits_long_for_a_host_that_is_silent(stages: Callable[[Deployment], str]) -> None:
    inspected = {
        "tag": "v2",
        "digest": "d" * 64,
        "ours": True,
        **WHOLE,
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


# Whether a release is still what it was ------------------------------------------------------------------

GOING = [(releases.switch, "v1"), (back, "")]


@pytest.mark.parametrize(("stages", "tag"), GOING)
def test_before_anybody_switches_all_hosts_look_whether_it_is_what_they_verified(
    stages: Callable[..., str], tag: str
) -> None:
    app = App()
    app.go(stages, tag)
    requests = [request for _, _, request in app.channels.asked if request in ("inspect", "switch")]
    assert requests == ["inspect"] * 3 + ["switch"] * 3
    assert "inspect  3 hosts with v1 as it was verified (" in app.view.getvalue()
    asked = [fields for _, fields in app.fields if fields["do"] == "inspect"]
    assert {(fields["tag"], fields["fast"]) for fields in asked} == {("v1", False)}


@pytest.mark.parametrize(("stages", "tag"), GOING)
def test_where_it_changed_on_one_host_nobody_switches_unless_that_one_may_fail(
    stages: Callable[..., str], tag: str
) -> None:
    app = App()
    app.damage["web2"] = ["index is 6 bytes long, and should be 5", "nums has the mode 777"]
    with pytest.raises(HostsFailed, match=r"1 of 3 hosts failed .*so nothing was switched"):
        app.go(stages, tag)
    assert app.channels.heard("switch") == []
    assert app.deployment.outcome.complaints() == [
        "web2: its v1 is not as it was verified: index is 6 bytes long, and should be 5 (and 1 more); current"
        " stays as it is there. murder.catch-up --mend --tag v1 brings what it was from the others, and goes"
        " there; --unverified goes there whatever it is now"
    ]
    assert "2 paths changed on web2" in app.view.getvalue()
    app.go(stages, tag, allow_failures="1")
    assert app.channels.heard("switch") == ["web1", "web3"]


@pytest.mark.parametrize(("stages", "tag"), GOING)
def test_who_cannot_wait_goes_there_whatever_it_is(stages: Callable[..., str], tag: str) -> None:
    app = App()
    app.damage = {host: ["index is missing"] for host in HOSTS}
    app.go(partial(stages, unverified=True), tag)
    assert app.channels.heard("inspect") == []
    assert app.channels.heard("switch") == HOSTS


def test_where_it_changed_on_all_hosts_none_can_give_it() -> None:
    app = App()
    app.damage = {host: ["index is missing"] for host in HOSTS}
    with pytest.raises(AllHostsFailed):
        app.go(back)
    (said,) = app.deployment.outcome.complaints()
    assert "no host has it as it was: deploy the same tree again under another --tag; --unverified" in said


def test_a_host_that_is_there_already_keeps_nobody_from_going_back() -> None:
    class OneIsThere(App):
        def listing(self, host: str) -> dict[str, Any]:
            told = super().listing(host)
            return {**told, "current": "v1"} if host == "web3" else told

    app = OneIsThere()
    app.damage["web3"] = ["index is missing"]
    app.go(back)
    assert app.channels.heard("inspect") == app.channels.heard("switch") == ["web1", "web2"]


def test_sizes_and_times_are_enough_where_the_setting_says_so() -> None:
    app = App()
    app.go(back, verify="fast")
    assert {fields["fast"] for _, fields in app.fields if fields["do"] == "inspect"} == {True}
    assert "3 hosts with v1 as it was verified, by size and time" in app.view.getvalue()


def test_what_lies_there_besides_keeps_nobody_from_going_there() -> None:
    app = App(inspect={**WHOLE, "drift_count": 1, "strangers": ["log"]})
    assert "3 hosts back at v1" in app.go(back)
    said = "inspect  3 hosts with v1 as it was verified; more than belongs to it on web[1-3] ("
    assert said in app.view.getvalue()


def test_of_a_release_that_nobody_verified_nothing_is_asked() -> None:
    class Capistranos(App):
        def listing(self, host: str) -> dict[str, Any]:
            told = super().listing(host)
            return {**told, "releases": [{**one, "digest": ""} for one in told["releases"]]}

    app = Capistranos()
    assert "3 hosts back at v1" in app.go(back)
    assert app.channels.heard("inspect") == []


def test_a_host_that_cannot_tell_does_not_switch_and_is_told_how_it_could() -> None:
    app = App()
    app.channels.says = {**app.channels.says, "inspect": fails_on("web3", app.inspect)}
    with pytest.raises(HostsFailed, match="nothing was switched"):
        app.go(back)
    (said,) = app.deployment.outcome.complaints()
    assert said == "web3: No space left on device; --unverified goes there whatever it is now"


def test_who_goes_back_by_himself_after_a_failed_health_check_reads_nothing() -> None:
    app = App()
    app.channels.says = {**app.channels.says, "check_health": fails_on("web3", app.note)}
    app.damage["web1"] = ["index is missing"]
    with pytest.raises(HostsFailed, match=r"failed the health check; web\[1-3\] are back where they were"):
        app.go(
            lambda deployment: deployment.switch(dict.fromkeys(HOSTS, "v2")) or "", "v3", health_check="true"
        )
    assert set(app.current.values()) == {"v2"}
    assert app.channels.heard("inspect") == []


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
