"""Agents and other people's programs as processes, for tests: started, waited for, never left behind."""

from __future__ import annotations

import contextlib
import json
import os
import random
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

AGENT = (sys.executable, "-m", "murder_fabric")
REPOSITORY = Path(__file__).resolve().parents[1]
#: The program itself. Under `python -m fabric`, CPython ends with SIGINT and not with the exit code if Ctrl-C
#: came while code ran from a string, as it does in the import of every module with a dataclass.
FAB = str(Path(sys.executable).with_name("fab"))
#: Seconds that anything here may take on a busy machine of two cores.
PATIENCE = 60.0


class Program:
    """One process; what it prints goes to two files beside each other."""

    def __init__(self, command: list[str], place: Path, **options: Any) -> None:
        self.name = " ".join(map(os.path.basename, command[:4]))
        self._out, self._err = place.with_suffix(".out"), place.with_suffix(".err")
        with self._out.open("wb") as out, self._err.open("wb") as err:
            options = {"stdin": subprocess.DEVNULL, "stdout": out, "stderr": err, **options}
            self.process = subprocess.Popen(command, **options)

    @property
    def out(self) -> str:
        return self._out.read_text(errors="replace")

    @property
    def err(self) -> str:
        return self._err.read_text(errors="replace")

    @property
    def events(self) -> list[dict[str, Any]]:
        """What an agent with `--json` has said so far, in whole lines."""
        whole = self.out[: self.out.rfind("\n") + 1]
        return [json.loads(line) for line in whole.splitlines()]

    def wait(self, timeout: float = PATIENCE) -> int:
        """Return the exit code."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} still runs after {timeout} s: {self.told()}") from None

    def event(
        self, name: str, accept: Callable[[dict[str, Any]], bool] = bool, timeout: float = PATIENCE
    ) -> dict[str, Any]:
        """Wait for an event, and return it."""
        found: list[dict[str, Any]] = []

        def said() -> bool:
            found[:] = [one for one in self.events if one["event"] == name and accept(one)]
            assert found or self.process.poll() is None, f"{self.name} ended without {name}: {self.told()}"
            return bool(found)

        wait_until(said, f"{self.name}: {name}", timeout)
        return found[0]

    def told(self) -> str:
        """Return the last of all that it said, for the message of a failed test."""
        return f"exit {self.process.poll()}\n{self.out[-2000:]}\n{self.err[-2000:]}"

    def kill(self) -> None:
        """End it at once, if it has not ended."""
        self.process.kill()
        self.process.wait(PATIENCE)


class Programs:
    """Those that one test has started."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory / "programs"
        self._directory.mkdir()
        self._started: list[Program] = []

    def start(self, *command: Any, **options: Any) -> Program:
        place = self._directory / f"{len(self._started)}"
        program = Program([os.fspath(part) for part in command], place, **options)
        self._started.append(program)
        return program

    def agent(self, *arguments: Any, **options: Any) -> Program:
        """Start an agent that speaks JSON."""
        return self.start(*AGENT, *arguments, "--json", cwd=REPOSITORY, **options)

    def tracker(self, *arguments: Any) -> str:
        """Start our tracker; return its announce URL."""
        said = self.agent("tracker", "--listen", "127.0.0.1:0", *arguments).event("started")
        return f"http://127.0.0.1:{said['port']}/announce"

    def seeder(self, torrent: Path, path: Path, tracker: str, *arguments: Any) -> Program:
        """Start our seeder at 127.0.0.2; return it once it listens."""
        where = ("--listen", "127.0.0.2:0", "--announce", tracker)
        seeder = self.agent("seed", torrent, path, *where, *arguments)
        seeder.event("started")
        return seeder

    def peer(
        self,
        torrent: Path,
        destination: Path,
        tracker: str,
        *arguments: Any,
        address: str = "127.0.0.3",
        **options: Any,
    ) -> Program:
        """Start one of our peers."""
        where = ("--listen", f"{address}:0", "--announce", tracker)
        return self.agent("peer", torrent, destination, *where, *arguments, **options)

    def kill_all(self) -> None:
        """End what still runs."""
        for program in reversed(self._started):
            program.kill()


def open_sockets(program: Program) -> int:
    """Return how many sockets a process has open; nobody else keeps those that its kernel has ended."""
    found = 0
    for entry in os.listdir(f"/proc/{program.process.pid}/fd"):
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            found += os.readlink(f"/proc/{program.process.pid}/fd/{entry}").startswith("socket:")
    return found


def create(path: Path, torrent: Path, *arguments: str) -> dict[str, Any]:
    """Make a torrent with our own command; return what it said."""
    command = [*AGENT, "create", str(path), "-o", str(torrent), "--json", *arguments]
    done = subprocess.run(command, capture_output=True, cwd=REPOSITORY, timeout=PATIENCE, check=True)
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def run_agent(*arguments: Any, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run an agent's command to its end."""
    command = [*AGENT, *map(os.fspath, arguments)]
    options = {"capture_output": True, "text": True, "cwd": REPOSITORY, "timeout": PATIENCE, **options}
    return subprocess.run(command, check=False, **options)


def one_sentence(text: str) -> bool:
    """Say whether a person is told one thing, by name, and no traceback."""
    return text.count("\n") == 1 and text.startswith("murder-agent ") and "Traceback" not in text


def wait_until(
    holds: Callable[[], bool], what: str, timeout: float = PATIENCE, *, step: float = 0.02
) -> None:
    """Return once *holds*, looked at every *step* seconds; fail the test after *timeout* seconds."""
    until = time.monotonic() + timeout
    while not holds():
        assert time.monotonic() < until, f"not within {timeout} s: {what}"
        time.sleep(step)


def free_port(address: str) -> int:
    """Return a port that nobody listens on, for programs that cannot choose one themselves."""
    with socket.create_server((address, 0)) as probe:
        return int(probe.getsockname()[1])


def contents(root: Path) -> dict[str, bytes]:
    """Return path -> bytes of every file below *root*, or of *root* itself if it is one."""
    if root.is_file():
        return {root.name: root.read_bytes()}
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def snapshot(root: Path) -> dict[str, tuple[Any, ...]]:
    """Return path -> kind, mode, time and contents or target, of everything below *root*."""
    found: dict[str, tuple[Any, ...]] = {}
    for path in root.rglob("*"):
        status = path.lstat()
        mode = stat.S_IMODE(status.st_mode)
        if path.is_symlink():
            entry: tuple[Any, ...] = ("link", os.readlink(path))
        elif path.is_dir():
            entry = ("directory", mode)
        else:
            entry = ("file", mode, status.st_mtime_ns, path.read_bytes())
        found[str(path.relative_to(root))] = entry
    return found


def make_tree(root: Path, size: int, seed: int = 1) -> Path:
    """Fill *root* with about *size* bytes in files of odd lengths, nested, one of them empty."""
    rng = random.Random(seed)
    lengths = {"big": size // 2 + 1, "a/middle": size // 3 + 7, "a/b/c/small": 777, "a/b/one": 1, "empty": 0}
    lengths |= {f"many/{index:02d}": rng.randrange(size // 120) for index in range(20)}
    for name, length in lengths.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(rng.randbytes(length))
    return root
