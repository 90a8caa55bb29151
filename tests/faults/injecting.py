"""Faults inside an agent that runs: system calls that fail, or that it does not live to make."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from deploying import Running, agents, wait_until

from lab import rig


@contextlib.contextmanager
def injected(lab: rig.Lab, host: str, running: Running, fault: str) -> Iterator[None]:
    """
    Let *fault* happen in the agent of a host, as strace spells it: `fsync:error=EIO:when=2+`.

    The `fab` that is *running* stands still until strace looks on. Strace counts the calls of each thread by
    itself.
    """
    if shutil.which("strace") is None:
        running.interrupt()
        running.end()
        pytest.skip("strace is not here")
    os.killpg(running.process.pid, signal.SIGSTOP)
    wait_until(lambda: bool(agents(lab, host)), 30, f"no agent on {host}")
    pids = [argument for pid in agents(lab, host) for argument in ("-p", str(pid))]
    calls = fault.partition(":")[0]
    strace = subprocess.Popen(
        ["strace", "-f", "-qq", *pids, "-e", f"trace={calls}", "-e", f"inject={fault}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: is_traced(lab, host), 30, "strace does not attach")
        os.killpg(running.process.pid, signal.SIGCONT)
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running.process.pid, signal.SIGCONT)
        with contextlib.suppress(ProcessLookupError):
            os.kill(strace.pid, signal.SIGTERM)
        strace.wait(30)


def is_traced(lab: rig.Lab, host: str) -> bool:
    """Tell whether every thread of the agents of a host has a tracer."""
    for pid in agents(lab, host):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            if "TracerPid:\t0\n" in (thread / "status").read_text():
                return False
    return True
