"""What the operator is told: a line a stage, on a terminal the fleet as it is, and none of it in pieces."""

from __future__ import annotations

import io
import re

import pytest

from murder_fabric.deploy.outcome import HostState, Outcome
from murder_fabric.deploy.watching import view
from murder_fabric.deploy.watching.view import View


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which stands still unless the test moves it."""
    time = [100.0]
    monkeypatch.setattr(view.time, "monotonic", lambda: time[0])
    return time


def test_a_stage_is_one_line_with_its_time(now: list[float]) -> None:
    stream = io.StringIO()
    with View(stream).stage("verify") as said:
        said += ["8 hosts", "all well"]
        now[0] += 2.5
    assert stream.getvalue() == "  verify   8 hosts; all well (2.5 s)\n"


def test_a_stage_with_nothing_to_say_is_done(now: list[float]) -> None:
    stream = io.StringIO()
    with View(stream).stage("create"):
        now[0] += 0.8
    assert stream.getvalue() == "  create   done (0.8 s)\n"


def test_a_stage_may_begin_before_its_body_and_show_progress(now: list[float]) -> None:
    stream = io.StringIO()
    quiet = View(stream)
    quiet.begin("connect")
    now[0] += 11.0
    quiet.progress("1 of 2 hosts let us in")
    with quiet.stage("connect") as said:
        said.append("2 of 2 hosts")
        now[0] += 1.0
    assert stream.getvalue() == "  connect  1 of 2 hosts let us in\n  connect  2 of 2 hosts (12.0 s)\n"


def test_what_had_begun_when_a_run_ended_is_no_part_of_the_next_one(now: list[float]) -> None:
    stream = io.StringIO()
    one = View(stream)
    with one.watch(Outcome(["web1"])):
        one.begin("connect")
    now[0] += 3600.0
    with one.watch(Outcome(["web1"])), one.stage("connect"):
        assert one.fleet.stage == "connect"
    assert stream.getvalue() == "  connect  done (0.0 s)\n"


def test_a_stage_that_does_not_come_to_its_end_says_so(now: list[float]) -> None:
    stream = io.StringIO()
    watched = View(stream)

    def swarm() -> None:
        with watched.stage("swarm"):
            now[0] += 1.0
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        swarm()
    assert stream.getvalue() == "  swarm    not finished (1.0 s)\n"
    assert watched.fleet.stage == ""


def test_where_nobody_watches_progress_is_a_line_now_and_then(now: list[float]) -> None:
    stream = io.StringIO()
    quiet = View(stream)
    with quiet.stage("swarm"):
        for percent in range(25):
            quiet.progress(f"{percent} %")
            now[0] += 1.0
    assert re.findall(r"\d+ %", stream.getvalue()) == ["10 %", "20 %"]
    assert "\033" not in stream.getvalue()


def test_hosts_that_answer_and_fetch_are_counted_now_and_then(now: list[float]) -> None:
    stream = io.StringIO()
    quiet, outcome = View(stream), Outcome(["web1", "web2"])
    with quiet.watch(outcome), quiet.stage("swarm"):
        quiet.asked(["web1", "web2"])
        now[0] += 10.0
        quiet.answered("web1")
        outcome.reached("web1", HostState.READY)
        now[0] += 10.0
        quiet.heard("web1", {"bytes": 50, "length": 100, "rate": 10.0, "time": 5.0})
    assert stream.getvalue().splitlines()[:2] == [
        "  swarm    1 of 2 hosts have answered",
        "  swarm    0 of 2 hosts complete, 25 % of 200 B, 10 B/s, the last in about 5 s",
    ]


def test_what_goes_over_ssh_is_said_now_and_then_and_nothing_once_the_stage_is_over(now: list[float]) -> None:
    stream = io.StringIO()
    quiet = View(stream)
    with quiet.stage("upload"):
        now[0] += 10.0
        quiet.brought("web1", 5_000_000, 20_000_000)
    now[0] += 10.0
    quiet.asked(["web1"], "have ended what runs there")
    quiet.answered("web1")
    assert stream.getvalue().splitlines() == [
        "  upload   5.0 MB of 20.0 MB to web1, 500.0 kB/s, 30 s left",
        "  upload   done (10.0 s)",
    ]


def test_a_quiet_view_says_what_matters_and_nothing_else(now: list[float]) -> None:
    stream = Terminal()
    quiet = View(stream, quiet=True)
    with quiet.watch(Outcome(["web1"])), quiet.stage("swarm"):
        now[0] += 11.0
        quiet.progress("1 %")
        quiet.say("  web1: no space left")
        quiet.remark("murder: all is well")
    assert stream.getvalue() == "  web1: no space left\n"


class Closed(io.StringIO):
    """A terminal whose window was closed after the first line."""

    def write(self, text: str) -> int:
        if self.getvalue():
            raise OSError(5, "Input/output error")
        return super().write(text)


def test_a_run_goes_on_though_nobody_can_be_told_any_more(now: list[float]) -> None:
    stream = Closed()
    watched = View(stream)
    with watched.stage("swarm") as said:
        for percent in range(3):
            now[0] += 10.0
            watched.progress(f"{percent} %")
        said.append("8 hosts complete")
    watched.say("done")
    assert stream.getvalue() == "  swarm    0 %"
