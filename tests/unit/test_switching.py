"""Waves, moments, checks and hooks against agents that answer at once: who is asked what, in which order."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_channels import Answered, FakeChannels

from murder_fabric.agent.command import environment
from murder_fabric.agent.destination import Destination
from murder_fabric.control import Message
from murder_fabric.deploy import clocks, switching
from murder_fabric.deploy.clocks import Offset, measure, offset_of
from murder_fabric.deploy.deployment import Deployment
from murder_fabric.deploy.failures import HostFailure, printable
from murder_fabric.deploy.haste import STOP_WITHIN
from murder_fabric.deploy.hook_names import NAMES, STAGES, TASKS_ONLY, complaint, failure_counts
from murder_fabric.deploy.hooks import NO_HOOKS, Hooks, before_connecting, run_hook, shown
from murder_fabric.deploy.muster import Muster
from murder_fabric.deploy.outcome import HostState, Outcome
from murder_fabric.deploy.roles import Roles
from murder_fabric.deploy.run import Run
from murder_fabric.deploy.settings import Settings
from murder_fabric.deploy.wanted import Wanted
from murder_fabric.deploy.watching.view import View
from murder_fabric.deploy.waves import AT_ONCE, Pace
from murder_fabric.errors import AllHostsFailed, HostsFailed, Interrupted

HOSTS = ["web1", "web2", "web3", "web4"]
UNWELL = HostFailure("failed", "the health check failed: http://127.0.0.1/ answered 503, not 200")
FULL = HostFailure("failed", "No space left on device")


class App:
    """Four hosts at v1, and their agents' notes of all that may change something."""

    def __init__(self, **says: Any) -> None:
        self.current: dict[str, Any] = dict.fromkeys(HOSTS, "v1")
        self.notes: list[tuple[str, str]] = []
        self.fields: list[dict[str, Any]] = []
        told: dict[str, Any] = {
            "switch": self.switch,
            "switch_back": self.switch_back,
            "mark_bad": {},
            "check_health": {},
            "run_commands": {},
        }
        noting = {name: self.noting(name, one) for name, one in {**told, **says}.items()}
        self.channels = FakeChannels({"read_clock": {"clock": 1000.0}, **noting})
        self.channels.hosts = HOSTS
        self.said = io.StringIO()

    def noting(self, name: str, saying: Any) -> Callable[..., Any]:
        def answer(host: str, fields: dict[str, Any]) -> Any:
            self.notes.append((fields.get("hook", name), host))
            self.fields.append(fields)
            return saying(host, fields) if callable(saying) else saying

        return answer

    def switch(self, host: str, fields: dict[str, Any]) -> dict[str, Any]:
        previous, self.current[host] = self.current[host], fields["tag"]
        return {"previous": previous, "warning": "", "clock": 1000.0 + HOSTS.index(host) / 100}

    def switch_back(self, host: str, fields: dict[str, Any]) -> dict[str, Any]:
        if self.current[host] == fields["tag"]:
            self.current[host] = fields["previous"]
        return {}

    def run(self, pace: Pace = AT_ONCE, hooks: Hooks = NO_HOOKS, **settings: Any) -> Run:
        muster = Muster(self.channels, Outcome(HOSTS), View(self.said))  # type: ignore[arg-type]
        wanted = Wanted("v2", "/srv/app", "", None)
        known = Settings(**settings)
        return Run(muster, Roles("web1", ["web1"], HOSTS), known, wanted, pace=pace, hooks=hooks)

    def go(self, pace: Pace = AT_ONCE, hooks: Hooks = NO_HOOKS, *, way: Any = None, **settings: Any) -> None:
        before = dict(self.current)

        def stages(deployment: Deployment) -> str:
            deployment.switch(before, **(way or {}))
            return "all is well"

        self.deployment = Deployment(self.run(pace, hooks, **settings), stages)
        self.deployment.run()

    def asked(self, *names: str) -> list[tuple[str, str]]:
        return [note for note in self.notes if note[0] in names]

    def of_host(self, host: str) -> list[str]:
        return [name for name, one in self.notes if one == host]


def on(hosts: str, failure: HostFailure, **otherwise: Any) -> Callable[..., Any]:
    """Return what says *failure* on *hosts*, and elsewhere that it is done."""

    def answer(host: str, fields: dict[str, Any]) -> Any:
        return failure if host in hosts.split() else otherwise

    return answer


CHECKED = {"health_check": "http://127.0.0.1/"}
CANARY = Pace(["web3"], "2")


# Waves ----------------------------------------------------------------------------------------------------


def test_each_wave_is_switched_and_checked_before_the_next() -> None:
    app = App()
    app.go(CANARY, **CHECKED)
    assert app.asked("switch", "check_health") == [
        *[("switch", "web3"), ("check_health", "web3")],
        *[("switch", "web1"), ("switch", "web2"), ("check_health", "web1"), ("check_health", "web2")],
        *[("switch", "web4"), ("check_health", "web4")],
    ]
    assert app.deployment.outcome.hosts(HostState.SWITCHED) == HOSTS
    assert "the canary: 1 host switched to v2" in app.said.getvalue()
    assert "batch 2 of 2: 1 host switched to v2" in app.said.getvalue()


@pytest.mark.parametrize(("settings", "times"), [({}, 1), (CHECKED, 0)], ids=["unchecked", "checked"])
def test_that_a_canary_without_a_health_check_proves_little_is_said_once(
    settings: dict[str, str], times: int
) -> None:
    app = App()
    app.go(CANARY, **settings)
    assert app.said.getvalue().count("no murder.health_check: the canary proves only that the sw") == times


def test_a_canary_that_is_not_well_is_the_only_one_that_ever_switched() -> None:
    app = App(check_health=on("web3", UNWELL))
    with pytest.raises(
        HostsFailed,
        match="1 of 1 host of the canary failed the health check; web3 is back where it was;"
        " the others were not switched; v2 is marked bad",
    ):
        app.go(CANARY, **CHECKED)
    assert set(app.current.values()) == {"v1"}
    assert app.asked("switch", "switch_back") == [("switch", "web3"), ("switch_back", "web3")]
    assert app.asked("mark_bad") == [("mark_bad", host) for host in ("web1", "web2", "web4", "web3")]
    assert app.deployment.outcome["web3"].error == UNWELL.reason


def test_a_later_wave_takes_back_exactly_those_that_had_switched() -> None:
    app = App(check_health=on("web2", UNWELL))
    with pytest.raises(HostsFailed, match=r"1 of 2 hosts of batch 1 of 2 failed.*; web\[1-3\] are back"):
        app.go(CANARY, **CHECKED)
    assert [host for _, host in app.asked("switch_back")] == ["web3", "web1", "web2"]
    assert set(app.current.values()) == {"v1"}


def test_allowed_failures_count_over_all_waves_and_who_is_not_well_goes_back_alone() -> None:
    app = App(check_health=on("web1", UNWELL))
    app.go(CANARY, allow_failures="1", **CHECKED)
    assert app.current == {"web1": "v1", "web2": "v2", "web3": "v2", "web4": "v2"}
    assert app.asked("mark_bad") == []
    app = App(check_health=on("web1 web4", UNWELL))
    with pytest.raises(HostsFailed, match="1 of 1 host of batch 2 of 2 failed the health check"):
        app.go(CANARY, allow_failures="1", **CHECKED)
    assert set(app.current.values()) == {"v1"}


def test_however_much_may_fail_a_wave_of_which_nobody_is_well_is_the_last() -> None:
    app = App(check_health=on("web3", UNWELL))
    with pytest.raises(HostsFailed, match="of the canary"):
        app.go(CANARY, allow_failures="100%", **CHECKED)
    assert app.asked("switch") == [("switch", "web3")]


def test_where_no_host_is_well_all_failed() -> None:
    app = App(check_health=UNWELL)
    with pytest.raises(AllHostsFailed, match=r"4 of 4 hosts failed the health check; web\[1-4\] are back"):
        app.go(**CHECKED)


def test_a_release_that_was_current_before_is_not_marked_bad_for_it() -> None:
    app = App(check_health=UNWELL)
    app.current = dict.fromkeys(HOSTS, "v2")
    with pytest.raises(AllHostsFailed) as failed:
        app.go(**CHECKED)
    assert "back" not in str(failed.value)
    assert (app.asked("mark_bad"), set(app.current.values())) == ([], {"v2"})


def test_a_rollback_goes_in_waves_where_that_is_asked_for_and_a_canary_may_be_there_already() -> None:
    app = App()
    app.go(CANARY, way={"back": True}, **CHECKED)
    assert app.notes[:2] == [("switch", "web3"), ("check_health", "web3")]
    app = App()
    app.go(CANARY, way={"back": True, "hosts": ["web1", "web2", "web4"]}, **CHECKED)
    assert [name for name, _ in app.notes] == [
        *["switch"] * 2,
        *["check_health"] * 2,
        "switch",
        "check_health",
    ]


def test_a_rollback_marks_nothing_where_it_comes_back() -> None:
    app = App(check_health=on("web4", UNWELL))
    with pytest.raises(
        HostsFailed, match=r"1 of 4 hosts failed the health check; web\[1-4\] are back"
    ) as failed:
        app.go(way={"back": True}, **CHECKED)
    assert "bad" not in str(failed.value)
    assert [name for name, _ in app.notes[:5]] == ["switch"] * 4 + ["check_health"]
    assert app.asked("mark_bad") == []


def test_a_host_that_catches_up_goes_back_alone() -> None:
    app = App(check_health=on("web4", UNWELL))
    app.go(CANARY, way={"hosts": ["web2", "web4"], "alone": True}, **CHECKED)
    assert app.current == {"web1": "v1", "web2": "v2", "web3": "v1", "web4": "v1"}
    assert app.asked("mark_bad") == []


LOST = HostFailure("lost", "its SSH connection was lost")


def test_that_a_host_which_switched_could_not_be_taken_back_is_said_whatever_made_it_fail() -> None:
    app = App(switch_back=on("web3", LOST), check_health=on("web3", UNWELL))
    with pytest.raises(HostsFailed, match=r"web\[1-2,4\] are back where they were; web3 may have v2: "):
        app.go(AT_ONCE, **CHECKED)
    assert "web3: current may point at v2 there: its SSH connection was lost" in app.said.getvalue()
    assert app.deployment.outcome["web3"].error == UNWELL.reason


def test_a_host_that_stayed_behind_in_an_earlier_wave_is_not_said_to_be_back() -> None:
    app = App(switch_back=on("web3", LOST), check_health=on("web3 web4", UNWELL))
    with pytest.raises(HostsFailed, match=r"; web\[1-2,4\] are back where they were; web3 may have v2: "):
        app.go(Pace(["web1", "web3"], "3"), allow_failures="1", **CHECKED)


def test_ctrl_c_between_waves_takes_all_back() -> None:
    def check(host: str, fields: dict[str, Any]) -> dict[str, Any]:
        if host == "web4":
            raise KeyboardInterrupt
        return {}

    app = App(check_health=check)
    with pytest.raises(Interrupted, match="every host is as it was"):
        app.go(CANARY, **CHECKED)
    assert set(app.current.values()) == {"v1"}


def test_an_error_that_nobody_foresaw_between_waves_takes_all_back() -> None:
    def check(host: str, fields: dict[str, Any]) -> dict[str, Any]:
        if host == "web4":
            raise RuntimeError("a task of the user's")
        return {}

    app = App(check_health=check)
    with pytest.raises(RuntimeError):
        app.go(CANARY, **CHECKED)
    assert set(app.current.values()) == {"v1"}
    assert app.channels.heard("finish") == HOSTS


# Moments --------------------------------------------------------------------------------------------------


class Time:
    """Our clocks: the monotonic one begins at 50, the wall's at 1,000,000; sleeping takes no time."""

    def __init__(self) -> None:
        self.now = 50.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now + 999_950

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Time:
    clock = Time()
    monkeypatch.setattr(switching, "time", clock)
    monkeypatch.setattr(clocks, "time", clock)
    return clock


def moments(app: App) -> list[float | None]:
    return [fields["at"] for fields in app.fields if fields["do"] == "switch"]


def test_each_host_is_told_the_moment_on_its_own_clock(clock: Time) -> None:
    ahead = {"web1": 0.0, "web2": 7200.0, "web3": -40.0, "web4": 0.5}
    app = App(read_clock=lambda host, fields: {"clock": ahead[host]})
    app.go(Pace(delay=2.0))
    assert moments(app) == [52.0, 52.0 + 7200, 12.0, 52.5]


def test_the_spread_is_told_by_our_clock(clock: Time) -> None:
    app = App(read_clock=lambda host, fields: {"clock": HOSTS.index(host) / 100})
    app.go(Pace(delay=2.0))
    assert "4 hosts switched to v2 within 0 ms (clocks known to 0 ms)" in app.said.getvalue()
    app = App()
    app.go(Pace(delay=2.0))
    assert "4 hosts switched to v2 within 30 ms" in app.said.getvalue()


@pytest.mark.parametrize(
    ("pace", "way"),
    [
        (Pace(), {}),
        (Pace(delay=2.0), {"hosts": ["web2"]}),
        (Pace(delay=2.0), {"alone": True}),
    ],
)
def test_there_is_no_moment_where_there_is_nothing_to_be_at_one_with(
    clock: Time, pace: Pace, way: dict[str, Any]
) -> None:
    app = App()
    app.go(pace, way=way)
    assert set(moments(app)) == {None}
    assert app.channels.heard("read_clock") == []
    assert "within" not in app.said.getvalue()


def test_a_host_whose_clock_cannot_be_read_is_out_before_anybody_switches(clock: Time) -> None:
    app = App(read_clock=on("web2", FULL, clock=0.0))
    with pytest.raises(HostsFailed, match="1 of 4 hosts did not switch"):
        app.go(Pace(delay=2.0))
    assert app.asked("switch") == []
    app = App(read_clock=on("web2", FULL, clock=0.0))
    app.go(Pace(delay=2.0), allow_failures="1")
    assert app.current == {"web1": "v2", "web2": "v1", "web3": "v2", "web4": "v2"}


def test_it_is_ours_to_wait_for_a_moment_that_is_far_and_hosts_are_told_shortly_before(clock: Time) -> None:
    app = App(read_clock={"clock": 52.0})
    app.go(Pace(["web2"], at=1_000_010.0, delay=2.0))
    assert sum(clock.slept) == 8.0
    assert max(clock.slept) <= 1.0
    # 60 by our clock, ten seconds from when all was ready; the next wave two seconds after it is decided.
    assert moments(app) == [112.0] * 4
    assert "switch   at " in app.said.getvalue()


def test_a_host_that_says_nothing_before_a_moment_makes_no_other_late(clock: Time) -> None:
    app, waited = App(read_clock=on("web2", HostFailure("late", "no answer"), clock=50.0)), []

    class Waited(Answered):
        def wait(self, timeout: float | None = None) -> Any:
            waited.append(timeout)
            clock.now += (timeout or 0) * any(isinstance(one, HostFailure) for one in self.answers.values())
            return self.answers

    begin = app.channels.begin
    app.channels.begin = lambda requests, **_: Waited(begin(requests).answers)  # type: ignore[method-assign]
    app.go(Pace(at=1_000_010.0), allow_failures="1")
    assert waited[0] == pytest.approx(1.5)
    # By then it is not the moment yet.
    assert clock.time() < 1_000_010.0
    assert app.current == {"web1": "v2", "web2": "v1", "web3": "v2", "web4": "v2"}


def test_a_moment_that_has_passed_when_all_is_ready_switches_nobody(clock: Time) -> None:
    app = App()
    with pytest.raises(HostsFailed, match=r"all was ready 5 s after .*, the moment of --at, so nothing was"):
        app.go(Pace(at=999_995.0))
    assert app.asked("switch") == []


def test_ctrl_c_while_we_wait_leaves_all_as_it_was(clock: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    def press(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(clock, "sleep", press)
    app = App()
    with pytest.raises(Interrupted, match="every host is as it was"):
        app.go(Pace(at=1_003_600.0))
    assert app.asked("switch", "switch_back") == []


def test_an_offset_is_from_the_middle_of_question_and_answer() -> None:
    assert offset_of(110.0, 7.0, 9.0) == Offset(102.0, 1.0)


def test_of_several_answers_the_fastest_counts() -> None:
    """A host's answer may be held up anywhere on its way; then it tells less."""
    spans = iter([(0.0, 4.0), (10.0, 10.2), (20.0, 21.0)])

    class Slow:
        def begin(self, requests: Any) -> Any:
            asked, heard = next(spans)
            answer = {"web1": Message({"event": "done", "clock": 500.0 + (asked + heard) / 2 + 0.05})}
            ask = type("Asked", (), {"asked_at": {"web1": asked}, "heard_at": {"web1": heard}})()
            ask.wait = lambda timeout: answer
            return ask

    muster = Muster(Slow(), Outcome(["web1"]), View(None))  # type: ignore[arg-type]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clocks, "ROUNDS", 3)
        found = measure(muster, ["web1"], float("inf"))["web1"]
    assert found.seconds == pytest.approx(500.05)
    assert found.error == pytest.approx(0.1)


# Hooks ----------------------------------------------------------------------------------------------------


class Tasks:
    """Tasks that fail where they are told to, and write down what they were called with."""

    def __init__(self, **failing: str) -> None:
        self.called: list[tuple[str, list[str], dict[str, str]]] = []
        self._failing = failing

    def of(self, name: str) -> Any:
        def call(hosts: Any, about: Any) -> dict[str, HostFailure]:
            self.called.append((name, list(hosts), dict(about)))
            return {host: FULL for host in hosts if host in self._failing.get(name, "").split()}

        return call

    def hooks(self, *names: str, **commands: list[str]) -> Hooks:
        return Hooks(commands, {name: self.of(name) for name in names}, 30.0)


def test_hooks_are_run_around_the_switch_of_each_wave_commands_before_tasks() -> None:
    app, tasks = App(), Tasks()
    hooks = tasks.hooks(
        "before_switch",
        "after_switch",
        "after_connect",
        "before_finish",
        "after_finish",
        before_switch=["drain"],
        after_check=["enter"],
    )
    app.go(CANARY, hooks, **CHECKED)
    assert app.of_host("web3") == ["before_switch", "switch", "check_health", "after_check"]
    assert [(name, hosts) for name, hosts, _ in tasks.called] == [
        ("after_connect", HOSTS),
        ("before_switch", ["web3"]),
        ("after_switch", ["web3"]),
        ("before_switch", ["web1", "web2"]),
        ("after_switch", ["web1", "web2"]),
        ("before_switch", ["web4"]),
        ("after_switch", ["web4"]),
        ("before_finish", HOSTS),
        ("after_finish", HOSTS),
    ]
    assert tasks.called[0][2] == {"tag": "v2", "destination": "/srv/app", "release": "/srv/app/releases/v2"}
    first = next(fields for fields in app.fields if fields["do"] == "run_commands")
    assert (first["commands"], first["previous"], first["timeout"]) == (["drain"], "v1", 30.0)


def test_what_commands_said_is_shown_behind_the_hosts_that_said_it() -> None:
    steering = "left \x1b[2J pool"
    app = App(run_commands=lambda host, _: {"said": [steering, "", "3"] if host != "web3" else ["x" * 999]})
    assert run_hook(app.run(hooks=Hooks({"before_switch": ["drain"]})), "before_switch") == []
    lines = app.said.getvalue().splitlines()
    assert lines[0].startswith("  hook     before_switch on web[1-4]")
    assert lines[1:-1] == [f"    web[1-2,4]: {printable(steering)}", "    web[1-2,4]: 3"]
    assert lines[-1] == f"    web3: {'x' * 197}..."


def test_of_much_that_commands_said_a_screen_is_shown() -> None:
    lines = shown({f"web{number}": [f"{number} a", f"{number} b"] for number in range(1, 501)})
    assert lines[:2] == ["web1: 1 a", "web1: 1 b"]
    assert lines[20:] == ["… and 980 lines more"]


def test_a_host_whose_hook_fails_before_the_switch_does_not_switch() -> None:
    app, tasks = App(run_commands=on("web2", FULL)), Tasks()
    with pytest.raises(HostsFailed, match="1 of 4 hosts failed before_switch"):
        app.go(AT_ONCE, tasks.hooks("before_switch", before_switch=["drain"]))
    assert app.asked("switch") == []
    assert app.deployment.outcome["web2"].error == "before_switch: No space left on device"
    assert tasks.called[0][1] == ["web1", "web3", "web4"]


def test_what_a_hook_did_before_the_switch_is_undone_where_it_never_came_to_that() -> None:
    app, tasks = App(), Tasks(before_switch="web2")
    hooks = tasks.hooks("before_switch", "after_switch_back")
    app.go(Pace(batch="2"), hooks, allow_failures="1")
    assert [hosts for name, hosts, _ in tasks.called if name == "after_switch_back"] == [["web2"]]
    app, tasks = App(), Tasks(before_switch="web2")
    with pytest.raises(
        HostsFailed, match="1 of 2 hosts of batch 1 of 2 failed before_switch; the others were"
    ):
        app.go(Pace(batch="2"), tasks.hooks("before_switch", "after_switch_back"))
    assert [hosts for name, hosts, _ in tasks.called if name == "after_switch_back"] == [["web1"], ["web2"]]
    assert set(app.current.values()) == {"v1"}


def test_hooks_before_a_moment_have_their_time(clock: Time) -> None:
    app, tasks = App(), Tasks()
    begun: list[float] = []
    hooks = tasks.hooks("before_switch", before_switch=["drain", "warm up"])

    def drain(host: str, fields: dict[str, Any]) -> dict[str, Any]:
        begun.append(clock.time())
        return {}

    app.channels.says = {**app.channels.says, "run_commands": drain}
    app.go(Pace(at=1_000_200.0), hooks)
    assert begun == [pytest.approx(1_000_200 - 3 * 30 - 2, abs=0.01)] * 4
    assert clock.time() == pytest.approx(1_000_200 - 2, abs=0.01)


def test_a_host_whose_hook_fails_after_the_switch_takes_all_back_and_hooks_hear_of_it() -> None:
    app, tasks = App(), Tasks(after_switch="web4")
    names = ("after_switch", "before_switch_back", "after_switch_back", "failed", "before_finish")
    with pytest.raises(HostsFailed, match=r"1 of 4 hosts failed after_switch; web\[1-4\] are back.*bad"):
        app.go(AT_ONCE, tasks.hooks(*names))
    assert [(name, hosts) for name, hosts, _ in tasks.called] == [
        ("after_switch", HOSTS),
        ("before_switch_back", HOSTS[:3]),
        ("after_switch_back", HOSTS[:3]),
        ("before_switch_back", HOSTS[3:]),
        ("after_switch_back", HOSTS[3:]),
        ("failed", HOSTS),
    ]


@pytest.mark.parametrize("name", ["before_switch_back", "after_clean_up", "before_finish", "failed"])
def test_where_nothing_can_be_held_back_a_failing_hook_is_only_said(name: str) -> None:
    app, tasks = App(), Tasks(**{name: "web1 web2"})
    run = app.run(hooks=tasks.hooks(name))
    assert run_hook(run, name) == ["web1", "web2"]
    assert run.outcome.going == HOSTS
    assert f"web[1-2]: {name}: No space left on device" in app.said.getvalue()


def test_a_stage_of_which_no_host_is_left_after_its_hook_is_not_begun() -> None:
    app, tasks = App(), Tasks(before_swarm=" ".join(HOSTS))
    stage, begun = app.run(hooks=tasks.hooks("before_swarm")).stage("swarm"), []
    with pytest.raises(AllHostsFailed, match="nothing was switched"), stage:
        begun.append("swarm")
    assert begun == []


def test_a_stage_is_named_with_underscores_in_its_hooks() -> None:
    app, tasks = App(), Tasks()
    with app.run(hooks=tasks.hooks("before_clean_up", "after_clean_up")).stage("clean up") as said:
        said.append("nothing removed")
    assert [name for name, _, _ in tasks.called] == ["before_clean_up", "after_clean_up"]


def test_before_connecting_a_hook_that_fails_ends_it_all() -> None:
    tasks, wanted = Tasks(before_connect="web1 web2"), Wanted("v2", "/srv/app", "", None)
    before_connecting(NO_HOOKS, HOSTS, wanted)
    with pytest.raises(HostsFailed, match=r"before_connect: web\[1-2\]: No space.*; no host was touched"):
        before_connecting(tasks.hooks("before_connect"), HOSTS, wanted)


def test_on_ctrl_c_the_commands_of_going_back_are_not_waited_for_long() -> None:
    def press(host: str, fields: dict[str, Any]) -> Any:
        raise KeyboardInterrupt

    app = App(check_health=press)
    with pytest.raises(Interrupted):
        app.go(AT_ONCE, Hooks({"after_switch_back": ["restart", "tell"], "failed": ["mail"]}), **CHECKED)
    ran = [fields for fields in app.fields if fields["do"] == "run_commands"]
    assert [one["hook"] for one in ran] == ["after_switch_back"] * 4
    assert all(0 < one["timeout"] < STOP_WITHIN / 5 for one in ran)  # two have a third of it together


def test_who_wants_to_hear_of_a_failure_hears_of_it_though_no_host_is_left() -> None:
    app, tasks = App(), Tasks()
    app.channels.silent = dict.fromkeys(HOSTS, HostFailure("refused", "refused the connection to port 22"))
    hooks = tasks.hooks("failed", "after_connect", failed=["mail"], after_connect=["mail"])
    with pytest.raises(AllHostsFailed):
        app.go(AT_ONCE, hooks)
    assert [(name, hosts) for name, hosts, _ in tasks.called] == [("failed", [])]
    assert app.asked("failed", "after_connect") == []


def test_who_wants_to_hear_of_a_failure_hears_of_it_though_commands_failed_everywhere() -> None:
    app, tasks = App(run_commands=FULL), Tasks()
    with pytest.raises(HostsFailed):
        app.go(Pace(at=1.0), tasks.hooks("failed", failed=["mail"]))
    assert [(name, hosts) for name, hosts, _ in tasks.called] == [("failed", [])]


def test_every_name_is_one_and_others_are_told_the_nearest() -> None:
    assert all(complaint(name) == "" for name in NAMES)
    assert "did you mean before_switch?" in complaint("before-switch")
    assert complaint("xyz").startswith("'xyz' is no hook; hooks are before_ and after_ connect, prepare, ")
    assert len(complaint("xyz")) < 200
    assert [name for name in NAMES if not failure_counts(name)] == [
        *("before_switch_back", "after_switch_back", "before_clean_up", "after_clean_up"),
        *("before_finish", "after_finish", "failed"),
    ]
    assert set(TASKS_ONLY) < set(NAMES)


def test_the_page_of_hooks_names_every_stage_and_variable() -> None:
    page = (Path(__file__).parents[2] / "docs" / "switching.md").read_text()
    assert tuple(re.findall(r"^\| `(\w+)` \| .* \|.*\|.*\|.*\|", page, re.MULTILINE)) == STAGES
    variables = environment(Destination("/srv/app"), "v2", "v1", "failed")
    assert set(re.findall(r"`(MURDER_\w+)`", page)) == {
        name for name in variables if name.startswith("MURDER_")
    }
