"""Deploying for tests: the real `fab` against the hosts of the lab, and what they look like afterwards."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from programs import FAB

from demo import tree
from lab import machine, rig

FABFILE = "from invoke import Collection\nfrom murder_fabric import murder\nns = Collection(murder)\n"
REPOSITORY = Path(__file__).parent.parent.parent
#: Seconds for a run that has nothing to wait for; the machine may be busy.
PATIENCE = 120.0
#: What an agent's process is known by: the loader that starts it, or the unpacked agent.
AGENT = re.compile(rb"json\.loads\(io\.FileIO|/\.murder/agent-[0-9a-f]{64}\0")
#: Everything that may lie in `.murder` once a run is over.
RECORDS = {"bad", "history", "id", "lock", "receipts", "runs", "staging", "torrents"}


class Running:
    """A `fab` under way in a process group of its own, as on a terminal; what it says line by line."""

    def __init__(self, argv: list[str], directory: Path, environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            argv,
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.lines: list[str] = []

    def wait_for(self, beginning: str) -> str:
        """Return the next line that begins so, less its indentation."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.strip())
            if line.strip().startswith(beginning):
                return line.strip()
        raise AssertionError(f"fab ended without a line that begins with {beginning!r}: {self.lines}")

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        os.killpg(self.process.pid, signal.SIGINT)

    def end(self, patience: float = PATIENCE) -> int:
        """Return the exit code; all that was said is in `lines`."""
        code = self.process.wait(patience)
        assert self.process.stdout is not None
        self.lines += [line.strip() for line in self.process.stdout]
        return code

    def __str__(self) -> str:
        return "\n".join(self.lines)


class Fab:
    """The real `fab`, in a directory with a fabfile."""

    def __init__(self, lab: rig.Lab, directory: Path) -> None:
        self.directory = directory
        self.lab = lab
        #: Nobody waits for a moment, but where moments are what is tested.
        self.environment = {"FABRIC_MURDER_SWITCH_DELAY": "0"}
        #: What `fab` is run under.
        self.prefix: tuple[str, ...] = ()
        (directory / "fabfile.py").write_text(FABFILE)

    def start(self, hosts: str, *arguments: str) -> Running:
        """Begin a deploy, or another task if one is the first argument."""
        task = () if arguments[:1] and arguments[0].startswith("murder.") else ("murder.deploy",)
        argv = [*self.prefix, FAB, "-S", str(self.lab.ssh_config), "-H", hosts, *task]
        own = {"PYTHONPATH": str(REPOSITORY), "HOME": str(self.directory), "XDG_STATE_HOME": ""}
        environment = {**os.environ, **own, **self.environment}
        return Running([*argv, *arguments], self.directory, environment)

    def __call__(self, hosts: str, *arguments: str, code: int = 0) -> str:
        """Deploy and return what was said; it must end with *code*, and never with a traceback."""
        running = self.start(hosts, *arguments)
        assert running.end() == code, str(running)
        assert "Traceback" not in str(running)
        return str(running)


def agents(lab: rig.Lab, *hosts: str) -> dict[int, bytes]:
    """Return the processes on *hosts* (all, if none is named) that are agents, or about to become one."""
    found = {}
    for pid in machine.processes_in(lab.prefix + host for host in hosts or lab.names):
        with contextlib.suppress(OSError):
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
            if AGENT.search(command) and b"bash" not in command.split(b"\0")[0]:
                found[pid] = command
    return found


def wait_until(condition: Callable[[], bool], patience: float, complaint: str) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, complaint
        time.sleep(0.05)


def place(lab: rig.Lab, host: str, app: str) -> Path:
    """Return where a destination of a host is seen from outside."""
    return lab.host_root(host) / app.lstrip("/")


def current(lab: rig.Lab, host: str, app: str) -> str | None:
    link = place(lab, host, app) / "current"
    return os.readlink(link) if link.is_symlink() else None


def arrived(lab: rig.Lab, host: str, app: str, source: Path) -> list[str]:
    return tree.differences(source, place(lab, host, app) / "current")


def slow_down(lab: rig.Lab, host: str, rate: str | None) -> None:
    """Let a host send at *rate* (None: as before)."""
    device = ("tc", "-n", lab.prefix + host, "qdisc")
    with contextlib.suppress(machine.LabError):
        machine.run(*device, "del", "dev", "eth0", "root")
    if rate is not None:
        machine.run(*device, *f"add dev eth0 root tbf rate {rate} burst 32kb latency 1s".split())


def on_host(lab: rig.Lab, host: str, command: str) -> str:
    done = lab.run_in(host, ["/bin/sh", "-c", command], stdout=subprocess.PIPE, text=True)
    said, _ = done.communicate(timeout=30)
    assert done.returncode == 0, command
    return str(said)
