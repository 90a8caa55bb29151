"""The command that does again what failed, for command lines as people write them."""

from __future__ import annotations

import shlex

import pytest

from murder_fabric.deploy.again import command_again, command_cleaning
from murder_fabric.deploy.failures import HostFailure
from murder_fabric.deploy.outcome import HostState, Outcome
from murder_fabric.deploy.results import Result


def again(line: str, code: int = 3, task: str = "deploy", tag: str = "v7") -> str | None:
    return command_again(shlex.split(line), Result(task, exit_code=code, tag=tag))


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        (
            "/opt/venv/bin/fab -H 'web[1-8]' murder.deploy --files-path ./my\\ build",
            3,
            "fab -H 'web[1-8]' murder.deploy --retry-failed --files-path './my build'",
        ),
        ("murder deploy --tag v7", 4, "murder deploy --retry-failed --tag v7"),
        ("murder deploy --files-path x", 130, "murder deploy --tag v7 --files-path x"),
        ("murder deploy --tag=v7", 130, "murder deploy --tag=v7"),
        (
            "fab -u deploy -H a build murder.deploy notify",
            3,
            "fab -u deploy -H a build murder.deploy --retry-failed notify",
        ),
    ],
)
def test_a_deploy_goes_on_where_it_stopped(line: str, code: int, said: str) -> None:
    assert again(line, code) == said


def test_a_fetch_goes_on_with_its_tag_which_may_have_been_made_up() -> None:
    assert again("fab murder.fetch", 3, "fetch") == "fab murder.fetch --tag v7"
    assert again("fab murder.fetch --tag v7", 3, "fetch") == "fab murder.fetch --tag v7"


@pytest.mark.parametrize("code", [3, 4])
def test_a_second_try_that_failed_is_tried_again_and_one_that_only_left_hosts_out_is_not(code: int) -> None:
    outcome = Outcome(["web1"])
    result = Result("deploy", exit_code=code, tag="v7", hosts=outcome.by_host())
    assert command_again(["murder", "deploy", "--retry-failed"], result) is None
    outcome.failed("web1", HostFailure("lost", "the agent ended"))
    result = Result("deploy", exit_code=code, tag="v7", hosts=outcome.by_host())
    again = command_again(["murder", "deploy", "--retry-failed"], result)
    assert again == "murder deploy --retry-failed"


def test_nothing_is_offered_where_ctrl_c_came_when_all_hosts_had_switched() -> None:
    outcome = Outcome(["web1", "web2"])
    outcome.reached("web1", HostState.SWITCHED)
    outcome.reached("web2", HostState.VERIFIED)
    result = Result("deploy", exit_code=130, tag="v7", hosts=outcome.by_host())
    assert command_again(["murder", "deploy"], result) == "murder deploy --tag v7"
    outcome.reached("web2", HostState.SWITCHED)
    result = Result("deploy", exit_code=130, tag="v7", hosts=outcome.by_host())
    assert command_again(["murder", "deploy"], result) is None


@pytest.mark.parametrize("code", [3, 4])
def test_nothing_is_offered_that_fails_again_for_sure(code: int) -> None:
    outcome = Outcome(["web1", "web2", "web3"])
    outcome.failed("web1", HostFailure("lost", "the agent ended"))
    result = Result("deploy", exit_code=code, tag="v7", hosts=outcome.by_host())
    assert command_again(["murder", "deploy"], result) == "murder deploy --retry-failed"
    outcome.failed("web2", HostFailure("failed", "v7 is there already with other contents", 2))
    result = Result("deploy", exit_code=code, tag="v7", hosts=outcome.by_host())
    assert command_again(["murder", "deploy"], result) is None


@pytest.mark.parametrize(
    ("line", "code", "task", "tag"),
    [
        ("fab murder.deploy", 0, "deploy", "v7"),
        ("fab murder.deploy", 2, "deploy", "v7"),
        ("fab murder.deploy", 3, "deploy", ""),
        ("fab murder.rollback", 3, "rollback", "v7"),
        ("python program.py", 3, "deploy", "v7"),
        ("fab release -u deploy", 3, "deploy", "v7"),
        ("fab -H web1 deploy", 3, "deploy", "v7"),
    ],
    ids=[
        "well",
        "bad input",
        "before there was a tag",
        "another task",
        "no command of ours",
        "a user",
        "a task that calls ours",
    ],
)
def test_where_it_is_not_known_nothing_is_said(line: str, code: int, task: str, tag: str) -> None:
    assert again(line, code, task, tag) is None


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "/opt/venv/bin/fab -S lab.cfg -H 'web[1-8]' murder.deploy --files-path ./my\\ build",
            "fab -S lab.cfg -H 'web[1-8]' murder.clean-temp-files --tag v7",
        ),
        (
            "murder deploy -H web1,web2 --tag v7 --remote-murder-path=/opt/m --report a.html -i key",
            "murder clean-temp-files --tag v7 -H web1,web2 --remote-murder-path=/opt/m -i key",
        ),
        ("fab murder.deploy --retry-failed", "fab murder.clean-temp-files --tag v7 -H 'web[1-2]'"),
    ],
)
def test_what_was_left_is_cleaned_up_on_the_same_hosts_by_the_same_way(line: str, said: str) -> None:
    hosts = Outcome(["web1", "web2"]).by_host()
    assert command_cleaning(shlex.split(line), Result("deploy", exit_code=130, tag="v7", hosts=hosts)) == said


@pytest.mark.parametrize(
    ("line", "task", "tag"), [("fab murder.switch", "switch", "v7"), ("fab murder.deploy", "deploy", "")]
)
def test_nothing_is_cleaned_up_where_nothing_was_brought(line: str, task: str, tag: str) -> None:
    assert command_cleaning(shlex.split(line), Result(task, exit_code=130, tag=tag)) is None
