"""What `./dev` makes of its arguments, and of how the programs ended that it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from invoke.context import Context
from invoke.exceptions import Exit
from invoke.runners import Result

import tasks


class FakeContext(Context):
    """Runs nothing: notes what was to run, with its variables, and ends it as it is told."""

    def __init__(self, *exits: int) -> None:
        super().__init__()
        self._set(exits=list(exits), ran=[])

    def run(self, command: str, **options: Any) -> Result:
        self.ran.append((command, options.get("env", {})))
        return Result(exited=self.exits.pop(0))


def ended(task: Callable[..., None], context: FakeContext, **arguments: str) -> Exit:
    """Return how a task ends."""
    with pytest.raises(Exit) as caught:
        task(context, **arguments)
    return caught.value


@pytest.mark.parametrize(
    ("task", "flag", "given"),
    [
        (tasks.fuzz, "inputs", "0"),
        (tasks.fuzz, "inputs", "many"),
        (tasks.fuzz, "seed", "-1"),
        (tasks.fuzz, "examples", "1e3"),
        (tasks.fuzz, "seconds", "x"),
        (tasks.faults, "times", "0"),
        (tasks.soak, "deploys", "0"),
        (tasks.soak, "seed", ""),
        (tasks.up, "hosts", "9" * 5000),
    ],
)
def test_a_number_that_cannot_be_meant_is_one_sentence_and_nothing_runs(
    task: Callable[..., None], flag: str, given: str
) -> None:
    context = FakeContext()
    end = ended(task, context, **{flag: given})
    assert (end.code, context.ran) == (2, [])
    assert end.message
    assert f"--{flag} '{given[:10]}" in end.message
    assert "whole number" in end.message
    assert len(end.message) < 200


@pytest.mark.parametrize("code", [0, 1, 130])
def test_it_ends_as_what_it_runs(code: int) -> None:
    for task in (tasks.simulate, tasks.fuzz, tasks.soak, tasks.planted, tasks.demo):
        assert ended(task, FakeContext(code)).code == code


@pytest.mark.parametrize(("exits", "code"), [((0, 0, 0), 0), ((0, 1, 0), 1), ((0, 2), 2), ((4,), 4)], ids=str)
def test_faults_go_on_after_one_that_failed_and_not_after_ctrl_c(exits: tuple[int, ...], code: int) -> None:
    context = FakeContext(*exits)
    assert ended(tasks.faults, context).code == code
    assert len(context.ran) == len(exits)


def test_fuzz_draws_something_else_each_time_and_says_which_seed_draws_it_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    seeds = []
    for arguments in ({}, {}, {"seed": "7"}):
        context = FakeContext(0)
        ended(tasks.fuzz, context, **arguments)
        seeds.append(context.ran[0][1]["MURDER_FUZZ_SEED"])
    assert len({*seeds}) == 3
    assert seeds[2] == "7"
    assert capsys.readouterr().err.splitlines() == [f"fuzz: seed {seed}" for seed in seeds]


def test_rows_that_name_no_test_are_no_success() -> None:
    end = ended(tasks.faults, FakeContext(tasks.NOTHING_RAN), rows="nosuch")
    assert end.code == 2
    assert "--rows 'nosuch' names no test" in str(end.message)
