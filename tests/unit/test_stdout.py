"""What is printed when nobody reads any more."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

import pytest
from invoke.exceptions import Exit

from murder_fabric.deploy.executor import GroupContext
from murder_fabric.deploy.murder_task import murder_task
from murder_fabric.deploy.results import Result
from murder_fabric.deploy.stdout import for_who_reads, show
from murder_fabric.errors import BadInput

MUCH = "x" * 200_000


@contextmanager
def unread() -> Iterator[None]:
    """Make stdout a pipe whose reader has ended; what is left in the buffer must not break in the end."""
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w", encoding="utf-8") as stream, redirect_stdout(stream):
        yield


@pytest.mark.parametrize("text", ["a line", MUCH])
def test_who_reads_no_longer_is_told_nothing_more_and_that_is_no_fault(text: str) -> None:
    with unread():
        with pytest.raises(BrokenPipeError):
            print(text, flush=True)
        show(text)
        print(text, flush=True)  # goes nowhere, and breaks nothing


@pytest.mark.parametrize("text", ["a line", MUCH])
def test_help_for_nobody_is_the_end_and_no_fault(text: str) -> None:
    with unread(), pytest.raises(Exit) as ended, for_who_reads():
        print(text)
    assert (ended.value.code, ended.value.message) == (0, None)


def test_help_that_is_read_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    with for_who_reads():
        print("a line")
    show("another")
    assert capsys.readouterr().out == "a line\nanother\n"


def test_a_task_ends_as_it_would_have_though_nobody_reads_its_report() -> None:
    @murder_task()
    def told(c: GroupContext, /) -> Result:
        """Tell much."""
        return Result("told", report=MUCH)

    @murder_task()
    def refused(c: GroupContext, /) -> Result:
        """Refuse."""
        raise BadInput("not so")

    with unread():
        assert told(GroupContext()).report == MUCH
    with unread(), pytest.raises(BadInput, match="not so"):
        refused(GroupContext(), json=True)
