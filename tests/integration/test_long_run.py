"""`./dev simulate`: Ctrl-C ends it and all that it has started, and what cannot be meant is one sentence."""

from __future__ import annotations

import os
import runpy
import signal
import sys

import pytest
from programs import REPOSITORY, wait_until

from murder_fabric.simulation.faults import FAULTS

LONG_RUN = (sys.executable, REPOSITORY / "tests/simulation/long_run.py")


def running_in(group):
    """Return the processes of a process group that run."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat") as file:
                state, _, its_group, *_ = file.read().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        if int(its_group) == group and state != "Z":
            found.append(int(pid))
    return found


def ignores_interrupts(pid):
    with open(f"/proc/{pid}/status") as file:
        (ignored,) = (line.split()[1] for line in file if line.startswith("SigIgn:"))
    return bool(int(ignored, 16) & 1 << signal.SIGINT - 1)


def test_ctrl_c_ends_it_and_all_that_it_has_started(programs):
    program = programs.start(*LONG_RUN, "--seeds=10000", start_new_session=True)
    group = program.process.pid
    # Itself, what tracks its semaphores, and one for each core; while it starts these it is not interrupted.
    wanted = 2 + len(os.sched_getaffinity(0))
    wait_until(lambda: len(running_in(group)) >= wanted, "not all of its processes run")
    wait_until(lambda: not ignores_interrupts(group), "it cannot be interrupted")
    os.killpg(group, signal.SIGINT)
    assert program.wait() == 130
    assert program.err.startswith("interrupted: ")
    assert program.err.count("\n") == 1
    wait_until(lambda: not running_in(group), "some of its processes are left")


@pytest.mark.parametrize("argument", ["--seeds=0", "--seeds=x", "--first=0", "--replay=-1"])
def test_what_cannot_be_meant_is_one_sentence(programs, argument):
    program = programs.start(*LONG_RUN, argument)
    assert program.wait() == 2
    assert program.err.count("\n") == 1
    assert argument.partition("=")[0] in program.err


@pytest.mark.parametrize(
    ("seeds", "times", "wanting"), [(1000, 9, ["hung"]), (1000, 10, []), (10_000, 99, ["hung"]), (999, 0, [])]
)
def test_a_kind_of_fault_that_hardly_struck_in_many_seeds_is_named(seeds, times, wanting):
    struck = {**dict.fromkeys(FAULTS, seeds), "hung": times}
    assert runpy.run_path(str(LONG_RUN[1]))["seldom"](struck, seeds) == wanting


def test_a_kind_of_fault_that_never_struck_in_many_seeds_is_named():
    seldom = runpy.run_path(str(LONG_RUN[1]))["seldom"]
    assert seldom({}, 1000) == list(FAULTS)
