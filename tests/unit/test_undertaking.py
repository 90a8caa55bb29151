"""The one way from what a task decided to its result: what is said, what is raised, what is known of whom."""

from __future__ import annotations

import io
import json
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import fabric
import pytest
from fake_channels import FakeChannels

from murder_fabric.deploy.connecting import bundle, remote
from murder_fabric.deploy.connecting.connections import Gateways
from murder_fabric.deploy.ending import SIGNALS
from murder_fabric.deploy.executor import GroupContext
from murder_fabric.deploy.failures import HostFailure
from murder_fabric.deploy.murder_task import MurderTask, murder_task
from murder_fabric.deploy.muster import Muster
from murder_fabric.deploy.outcome import HostState
from murder_fabric.deploy.results import Result
from murder_fabric.deploy.roles import HERE
from murder_fabric.deploy.settings import SECTION, Settings
from murder_fabric.deploy.undertaking import Undertaking, carry_out
from murder_fabric.deploy.watching.view import View
from murder_fabric.errors import BadInput, HostsFailed, Interrupted, SettingsError

HOSTS = ["web1", "web2", "web3"]
DOWN = HostFailure("refused", "refused the connection to port 22")
FULL = HostFailure("failed", "No space left on device")


@pytest.fixture
def channels(monkeypatch: pytest.MonkeyPatch) -> FakeChannels:
    """What is opened instead of connections; `hosts` says to whom."""
    channels = FakeChannels({})

    def open_channels(gateways: Any, connections: Any, *others: Any, here: bool) -> Any:
        channels.hosts = [*connections, *[HERE] * here]
        return nullcontext(channels)

    monkeypatch.setattr(remote, "open_channels", open_channels)
    monkeypatch.setattr(bundle, "build_bundle", lambda: None)
    return channels


def greeted(step: Callable[[Muster], str]) -> Callable[[Muster], str]:
    def steps(muster: Muster) -> str:
        muster.greet()
        return step(muster)

    return steps


def undertaking(step: Callable[[Muster], str], **options: Any) -> Undertaking:
    return Undertaking("doing it", Settings(allow_failures="1"), HOSTS, greeted(step), **options)


def context(**section: Any) -> GroupContext:
    config = fabric.Config(lazy=True, defaults={**fabric.Config.global_defaults(), SECTION: section})
    return GroupContext(config, HOSTS)


def test_what_stages_noted_is_in_the_result(channels: FakeChannels) -> None:
    def step(muster: Muster) -> str:
        outcome = muster.outcome
        outcome.digest, outcome.report = "ab" * 32, "a table"
        outcome.noted("web1", bytes_moved=3, seconds=0.5, current="v1")
        outcome.noted("web1", bytes_moved=4, bytes_reused=2, seconds=1.5)
        outcome.noted("build", bytes_moved=9)
        return "done"

    stream = io.StringIO()
    wanted = undertaking(step, others=["build"], tag="v1", destination="/srv/app")
    result = carry_out("try", context(), wanted, View(stream))
    assert channels.hosts == [*HOSTS, "build"]
    assert (result.task, result.message, result.exit_code) == ("try", "done", 0)
    assert (result.tag, result.destination, result.digest) == ("v1", "/srv/app", "ab" * 32)
    assert (list(result.hosts), result.failed, result.report) == (HOSTS, [], "a table")
    one = result.hosts["web1"]
    assert (one.state, one.bytes_moved, one.bytes_reused, one.seconds) == (HostState.READY, 7, 2, 2.0)
    assert one.facts == {"current": "v1"}
    said = stream.getvalue().splitlines()
    assert (said[0], said[-1]) == ("murder: doing it", "murder: done")


def test_runs_that_begin_in_one_second_are_told_apart_by_48_bits_of_chance(
    channels: FakeChannels, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[str] = []

    def step(muster: Muster) -> str:
        called.append(muster.outcome.run_id)
        return "done"

    monkeypatch.setattr(time, "time", lambda: 1_795_329_300.0)
    for _ in range(2):
        carry_out("try", context(), undertaking(step), View(None))
    assert len(set(called)) == 2
    assert all(re.fullmatch("20261122-063500-[0-9a-f]{12}", one) for one in called)


def ctrl_c_as_channels_close(monkeypatch: pytest.MonkeyPatch, channels: FakeChannels) -> None:
    @contextmanager
    def open_channels(gateways: Any, connections: Any, *others: Any, here: bool) -> Any:
        channels.hosts = [*connections, *[HERE] * here]
        try:
            yield channels
        finally:
            raise KeyboardInterrupt

    monkeypatch.setattr(remote, "open_channels", open_channels)


def ctrl_c_as_the_screen_goes(monkeypatch: pytest.MonkeyPatch, channels: FakeChannels) -> None:
    @contextmanager
    def watch(view: View, outcome: Any) -> Any:
        try:
            yield
        finally:
            raise KeyboardInterrupt

    monkeypatch.setattr(View, "watch", watch)


@pytest.mark.parametrize("interrupt", [ctrl_c_as_channels_close, ctrl_c_as_the_screen_goes])
def test_ctrl_c_when_the_steps_are_over_hides_nothing_of_how_they_ended(
    channels: FakeChannels, monkeypatch: pytest.MonkeyPatch, interrupt: Callable[..., None]
) -> None:
    def fail(muster: Muster) -> str:
        raise HostsFailed("1 of 3 hosts did not switch; web[1-3] are back where they were")

    interrupt(monkeypatch, channels)
    with pytest.raises(Interrupted, match=r"^interrupted when all was done: 3 switched$") as caught:
        carry_out("try", context(), undertaking(lambda muster: "3 switched"), View(None))
    assert caught.value.result.exit_code == 130
    with pytest.raises(HostsFailed, match=r"are back where they were$"):
        carry_out("try", context(), undertaking(fail), View(None))


@pytest.mark.parametrize(
    ("switched", "sentence"),
    [
        ((), "web2 failed; put that right and run the same command again"),
        (("web1",), "web2 failed, as was allowed; put that right and run the same command again"),
    ],
)
def test_a_task_that_lost_hosts_ends_with_their_error(
    channels: FakeChannels, switched: tuple[str, ...], sentence: str
) -> None:
    def step(muster: Muster) -> str:
        muster.outcome.failed("web2", FULL)
        for host in switched:
            muster.outcome.reached(host, HostState.SWITCHED)
        return "done"

    stream = io.StringIO()
    with pytest.raises(HostsFailed) as caught:
        carry_out("try", context(), undertaking(step), View(stream))
    result = caught.value.result
    assert str(caught.value) == result.message == sentence
    assert (result.exit_code, result.failed) == (3, ["web2"])
    assert result.hosts["web2"].error == FULL.reason
    assert stream.getvalue().splitlines()[-2:] == ["  web2: No space left on device", "murder: done"]


@pytest.mark.parametrize(
    ("is_recorded", "quiet", "times"), [(False, False, 1), (True, False, 2), (True, True, 1)]
)
def test_who_never_answered_is_said_again_only_after_the_lines_of_a_task_that_changed_hosts(
    channels: FakeChannels,
    is_recorded: bool,
    quiet: bool,
    times: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    channels.silent = {"web3": DOWN}
    stream = io.StringIO()
    wanted = undertaking(lambda muster: "done", is_long=True, is_recorded=is_recorded)
    with pytest.raises(HostsFailed) as caught:
        carry_out("try", context(), wanted, View(stream, quiet=quiet))
    assert caught.value.result.hosts["web3"].state is HostState.UNREACHABLE
    assert stream.getvalue().count("web3: refused the connection") == times
    # In brackets, as for each stage: else `murder.unlock gives it free in 4.2 s` would be a promise.
    told = re.search(r"^murder: done \([0-9]+\.[0-9] s\)$", stream.getvalue(), re.MULTILINE)
    assert bool(told) is not quiet


def test_what_should_be_known_before_is_said_first(channels: FakeChannels) -> None:
    stream = io.StringIO()
    carry_out("try", context(), undertaking(lambda muster: "done", notes=["web9: left out"]), View(stream))
    assert stream.getvalue().splitlines()[:2] == ["murder: doing it", "  web9: left out"]


@pytest.mark.parametrize("has_failed", [False, True])
def test_a_host_that_was_named_and_left_out_is_no_success(channels: FakeChannels, has_failed: bool) -> None:
    def step(muster: Muster) -> str:
        if has_failed:
            muster.outcome.failed("web2", FULL)
        return "done"

    with pytest.raises(HostsFailed, match=r"web9: left out, as nobody knows it$") as caught:
        carry_out(
            "try", context(), undertaking(step, left_out="web9: left out, as nobody knows it"), View(None)
        )
    assert caught.value.result.exit_code == 3
    assert ("web2 failed; put that right" in str(caught.value)) is has_failed


def test_what_became_of_host_keys_is_said_once_for_all_that_share_it(
    channels: FakeChannels, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gateways(self: GroupContext, tell: Callable[[str, str], None]) -> Gateways:
        for host in ("web1", "web2"):
            tell(host, "the host key was unknown")
        return Gateways(self.config, tell)

    monkeypatch.setattr(GroupContext, "gateways", gateways)
    stream = io.StringIO()
    carry_out("try", context(), undertaking(lambda muster: "done"), View(stream, quiet=True))
    assert stream.getvalue() == "  web[1-2]: the host key was unknown\n"


def test_a_task_that_ends_early_has_a_result_too(channels: FakeChannels) -> None:
    def step(muster: Muster) -> str:
        raise BadInput("no tracker is running")

    with pytest.raises(BadInput) as caught:
        carry_out("try", context(), undertaking(step), View(None))
    assert (caught.value.result.exit_code, caught.value.result.message) == (2, "no tracker is running")
    assert {one.state for one in caught.value.result.hosts.values()} == {HostState.READY}


def test_ctrl_c_is_told_with_what_it_leaves(channels: FakeChannels, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    with pytest.raises(Interrupted, match="half of it is there") as caught:
        carry_out("try", context(), undertaking(interrupt, interrupted="half of it is there"), View(None))
    assert caught.value.result.exit_code == 130
    monkeypatch.setattr(remote, "open_channels", interrupt)
    with pytest.raises(Interrupted, match="while connecting; no host was changed"):
        carry_out("try", context(), undertaking(interrupt), View(None))


def test_a_dry_run_connects_to_nobody(channels: FakeChannels) -> None:
    dry = context()
    dry.config.run.dry = True
    result = carry_out("try", dry, undertaking(lambda muster: "done"), View(None))
    assert (result.message, result.exit_code) == ("dry run: no host was touched", 0)
    assert {one.state for one in result.hosts.values()} == {HostState.WAITING}
    assert channels.hosts == []


# As a task, and as a function ------------------------------------------------------------------------------


@pytest.fixture
def task(channels: FakeChannels) -> MurderTask[Any]:
    @murder_task(help={"tag": "Its name."})
    def try_it(c: GroupContext, /, tag: str | None = None, **settings: Any) -> Undertaking:
        """Try it."""
        if tag is None:
            raise BadInput("--tag is missing")

        def step(muster: Muster) -> str:
            muster.outcome.report = "a table"
            if tag == "lost":
                muster.outcome.failed("web2", FULL)
            return f"tried with {settings}"

        return undertaking(step, tag=tag)

    return try_it


def test_on_the_command_line_the_report_is_on_stdout_and_the_rest_on_stderr(
    task: MurderTask[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    flags = {argument.name for argument in task.get_arguments()}
    assert flags == {"tag", "remote_murder_path", "json", "quiet"}
    assert task(context(), tag="v1").tag == "v1"
    said = capsys.readouterr()
    assert said.out == "a table\n"
    assert said.err.endswith("murder: tried with {}\n")


def test_quiet_says_nothing_of_what_goes_well_and_all_of_what_does_not(
    task: MurderTask[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    task(context(), tag="v1", quiet=True)
    assert capsys.readouterr() == ("a table\n", "")
    with pytest.raises(HostsFailed):
        task(context(), tag="lost", quiet=True)
    assert capsys.readouterr().err == f"  web2: {FULL.reason}\n"


@pytest.mark.parametrize(
    ("tag", "code", "state"), [("v1", 0, "ready"), ("lost", 3, "failed"), (None, 2, None)]
)
def test_with_json_stdout_is_one_document_however_it_ends(
    task: MurderTask[Any],
    capsys: pytest.CaptureFixture[str],
    tag: str | None,
    code: int,
    state: str | None,
) -> None:
    with nullcontext() if code == 0 else pytest.raises((HostsFailed, BadInput)):
        task(context(), tag=tag, json=True)
    document = json.loads(capsys.readouterr().out)
    assert list(document) == [
        *("task", "exit_code", "message", "tag", "destination", "digest", "seconds", "hosts", "details")
    ]
    assert (document["task"], document["exit_code"], document["tag"]) == ("try-it", code, tag)
    assert document["hosts"].get("web2", {}).get("state") == state
    assert code == 0 or document["message"]


def test_a_task_that_asks_no_host_ends_with_its_sentence_as_others_do(
    capsys: pytest.CaptureFixture[str],
) -> None:
    @murder_task()
    def again(c: GroupContext, /) -> Result:
        """Find nothing to do."""
        return Result("again", "there is nothing to do")

    again(GroupContext())
    again(GroupContext(), quiet=True)
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "murder: there is nothing to do\n")


def test_with_json_a_fault_of_ours_is_a_document_too(
    channels: FakeChannels, capsys: pytest.CaptureFixture[str]
) -> None:
    @murder_task()
    def try_it(c: GroupContext, /, **settings: Any) -> Undertaking:
        """Try it."""
        raise ZeroDivisionError("half of nothing")

    with pytest.raises(ZeroDivisionError):
        try_it(context(), json=True)
    document = json.loads(capsys.readouterr().out)
    assert (document["task"], document["exit_code"], document["hosts"]) == ("try-it", 1, {})
    assert document["message"].endswith("ZeroDivisionError: half of nothing")
    with pytest.raises(ZeroDivisionError):
        try_it(context())
    assert capsys.readouterr().out == ""


def test_a_function_says_nothing_on_stdout_and_returns_what_the_document_says(
    task: MurderTask[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    result = task.function()(context(), tag="v1")
    said = capsys.readouterr()
    assert (said.out, result.message, list(result.hosts)) == ("", "tried with {}", HOSTS)
    assert said.err.startswith("murder: doing it\n")


def test_a_function_raises_what_a_command_ends_with(task: MurderTask[Any]) -> None:
    with pytest.raises(HostsFailed) as caught:
        task.function()("web[1-3]", tag="lost")
    assert caught.value.result.failed == ["web2"]
    with pytest.raises(BadInput) as caught_too:
        task.function()("web1")
    assert caught_too.value.result.task == "try-it"


def test_a_function_takes_settings_and_refuses_what_is_none(task: MurderTask[Any]) -> None:
    result = task.function()("web1", tag="v1", pool_size=3)
    assert result.message == "tried with {'pool_size': 3}"
    with pytest.raises(SettingsError, match=r"try_it\(\) knows no pool_sise; did you mean pool_size\?"):
        task.function()("web1", tag="v1", pool_sise=3)


def test_a_function_says_what_it_takes(task: MurderTask[Any]) -> None:
    document = task.function().__doc__ or ""
    assert document.startswith("Try it.\n\nArgs:\n    hosts: ")
    assert "    tag: Its name.\n" in document


# What ends the process --------------------------------------------------------------------------------------


@pytest.fixture
def plain_signals() -> Iterator[None]:
    """Signals that end a process, also where these tests run under `nohup`."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def signalled(number: signal.Signals, cleaned_up: list[int]) -> MurderTask[Any]:
    """Return a task in which the signal comes, and while it cleans up comes again."""

    @murder_task()
    def try_it(c: GroupContext, /, **settings: Any) -> Undertaking:
        def step(muster: Muster) -> str:
            try:
                signal.raise_signal(number)
            except KeyboardInterrupt:
                signal.raise_signal(number)
                cleaned_up.append(number)
                raise
            return "went on"

        return undertaking(step)

    return try_it


@pytest.mark.usefixtures("plain_signals")
@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_that_would_end_a_task_is_as_ctrl_c(channels: FakeChannels, number: signal.Signals) -> None:
    cleaned_up: list[int] = []
    with pytest.raises(Interrupted):
        signalled(number, cleaned_up)(context())
    assert cleaned_up == [number]
    assert signal.getsignal(number) is signal.SIG_DFL


def test_a_signal_that_means_something_already_goes_on_meaning_that(
    channels: FakeChannels, request: pytest.FixtureRequest
) -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGHUP, lambda number, frame: heard.append(number))
    request.addfinalizer(lambda: signal.signal(signal.SIGHUP, before))
    assert signalled(signal.SIGHUP, [])(context()).message == "went on"
    assert heard == [signal.SIGHUP]


def asking(found: list[Any]) -> MurderTask[Any]:
    """Return a task that finds out what SIGTERM would do."""

    def step(muster: Muster) -> str:
        found.append(signal.getsignal(signal.SIGTERM))
        return "done"

    @murder_task()
    def try_it(c: GroupContext, /, **settings: Any) -> Undertaking:
        return undertaking(step)

    return try_it


@pytest.mark.usefixtures("plain_signals")
def test_in_another_thread_and_in_a_program_of_the_users_signals_are_left_alone(
    channels: FakeChannels,
) -> None:
    found: list[Any] = []
    calling = threading.Thread(target=asking(found), args=(context(),))
    calling.start()
    calling.join()
    asking(found).function()(HOSTS)
    assert found == [signal.SIG_DFL] * 2
