"""The way back of a wave that failed: who goes first, and who waits for nobody."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from test_switching import App, on

from murder_fabric.control import Message
from murder_fabric.deploy import haste as haste_module
from murder_fabric.deploy.failures import HostFailure
from murder_fabric.deploy.haste import STOP_WITHIN, Haste
from murder_fabric.deploy.hooks import Hooks
from murder_fabric.deploy.taking_back import mark_bad, take_back

HOOKS = Hooks({"before_switch_back": ["drain"], "after_switch_back": ["restart"]})
BACK = ["before_switch_back", "switch_back", "after_switch_back"]


def test_hosts_that_are_well_are_back_before_the_hooks_of_those_that_failed_begin() -> None:
    app = App()
    run = app.run(hooks=HOOKS)
    app.current = dict.fromkeys(app.current, "v2")
    run.outcome.failed("web2", HostFailure("late", "it said nothing for 60 s"))
    assert take_back(run, ["web1", "web2", "web3"], dict.fromkeys(app.current, "v1")) == []
    assert app.notes == [
        (what, host) for group in (["web1", "web3"], ["web2"]) for what in BACK for host in group
    ]
    assert app.current == {"web1": "v1", "web2": "v1", "web3": "v1", "web4": "v2"}


def test_who_does_not_answer_is_named_whether_it_had_failed_before_or_not() -> None:
    app = App(switch_back=on("web1 web2", HostFailure("late", "no answer within 6 s")))
    run = app.run(hooks=HOOKS)
    run.outcome.failed("web1", HostFailure("failed", "the health check failed"))
    assert take_back(run, ["web1", "web2", "web3"], dict.fromkeys(app.current, "v1")) == ["web2", "web1"]
    assert app.of_host("web1") == BACK[:2]
    assert run.outcome["web1"].error == "the health check failed"


def test_in_haste_all_go_at_once_and_each_step_leaves_time_to_those_after_it() -> None:
    app = App()
    run = app.run(hooks=HOOKS)
    app.current = dict.fromkeys(app.current, "v2")
    run.outcome.failed("web2", HostFailure("late", "it said nothing for 60 s"))
    hosts = ["web1", "web2", "web3"]
    assert take_back(run, hosts, dict.fromkeys(app.current, "v1"), Haste()) == []
    assert app.notes == [(what, host) for what in BACK for host in hosts]
    bounds = [bound for _, bound, _ in app.channels.bounds]
    assert len(bounds) == 3 * len(hosts)
    assert all(0 < bound <= STOP_WITHIN / 2 for bound in bounds if bound is not None)


def test_no_step_is_given_what_is_not_there_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes all that it is given, as where a host hangs."""
    now = 100.0
    monkeypatch.setattr(haste_module.time, "monotonic", lambda: now)
    haste, taken = Haste(12.0), []
    for of in (3, 2, 3, 2):
        taken.append(haste.part(of))
        now += taken[-1]
    assert taken == [4.0, 4.0, 1.3, 1.4]
    assert now < haste.until == 112.0
    now = 120.0
    assert haste.part() == 0.1


def test_who_hangs_is_told_that_a_release_is_bad_and_nobody_waits_for_it() -> None:
    app = App()
    run = app.run()
    asked: list[tuple[list[str], bool]] = []
    app.channels.failures = lambda: {"web2": HostFailure("late", "it said nothing for 60 s")}  # type: ignore[method-assign]

    def begin(requests: Mapping[str, Message], *, insist: bool = False) -> None:
        asked.append((list(requests), insist))

    app.channels.begin = begin  # type: ignore[assignment,method-assign]
    mark_bad(run, "v2", ["web1", "web2"], "it failed")
    assert asked == [(["web2"], True)]
    assert app.asked("mark_bad") == [("mark_bad", "web1"), ("mark_bad", "web2")]
