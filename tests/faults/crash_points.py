"""
Deploys on one host, killed before each call that changes a disk: `crash_points.py each EACH DIRECTORY`.

For every call of one undisturbed deploy, or every EACH-th, a child process begins the same deploy and is
killed where it would have made that call; a write is also torn in its middle. What lies there then must be
whole, and so must be what the next deploy makes of it: of the same tag, and of another one. Prints one
object: `points` (what was killed at), `failures` (a sentence for each). `cut EACH DIRECTORY` does so on a
disk that loses what was not synced; in `fail EACH DIRECTORY` nobody is killed, but that call fails. `pile
COUNT DIRECTORY` kills COUNT of them one after the other, none coming to its end in between, and fails if the
next one leaves anything of theirs.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import random
import re
import signal
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import host_life
from losing_disk import LOSSES, LosingDisk

from murder_fabric.agent.removal import remove_tree
from murder_fabric.errors import MurderError
from murder_fabric.storage import durability

#: Whatever changes what is on a disk, or when it is there for good.
CALLS = [
    "chmod",
    "copy_file_range",
    "fchmod",
    "fsync",
    "ftruncate",
    "link",
    "mkdir",
    "open",
    "pwrite",
    "rename",
]
CALLS += ["replace", "rmdir", "symlink", "unlink", "utime", "write"]
CREATING = os.O_CREAT | os.O_TRUNC


class Crashes:
    """
    Counts those calls in this process, and ends it by SIGKILL before the one of number *at*, from 0 on.

    Where there is a *loss*, power ends with it, and what the disk still has then is at *left*. Where it
    *fails*, this process goes on, and that call has an error; closing what was written to may fail too.
    """

    def __init__(
        self, app: Path, at: int | None, loss: str = "", left: Path = Path(), *, fails: bool = False
    ) -> None:
        self.points: list[str] = []
        self._app = str(app)
        self._at = at
        self._fails = fails
        self._disk = LosingDisk(app) if loss else None
        self._loss, self._left = loss, left
        self._real = {call: getattr(os, call) for call in [*CALLS, *["close"] * fails]}
        for call, real in self._real.items():
            setattr(os, call, self._counting(call, real))
        # It is reached through ctypes, by no name of `os`.
        synced = durability.sync_file_system

        def counted(descriptor: int) -> bool:
            self._count("syncfs", (descriptor,), {})
            if self._disk is not None:
                self._disk.sync_all()
            return synced(descriptor)

        host_life.Payload.sync.__globals__["sync_file_system"] = counted

    def end(self) -> None:
        """Be gone, with the power or without."""
        for call, real in self._real.items():
            setattr(os, call, real)
        if self._disk is not None:
            self._disk.cut(self._loss, self._left)
        os.kill(os.getpid(), signal.SIGKILL)

    def _counting(self, call: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def closed(descriptor: int) -> None:
            flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
            try:
                if flags & os.O_ACCMODE != os.O_RDONLY:
                    self._count(call, (descriptor,), {})
            finally:  # whatever is told of it, it is closed
                real(descriptor)

        def counted(*arguments: Any, **more: Any) -> Any:
            if call != "open" or arguments[1] & CREATING:
                self._count(call, arguments, more)
            if call in ("pwrite", "write"):
                self._count(f"half of a {call}", arguments, more, torn=real)
            done = real(*arguments, **more)
            if call == "fsync" and self._disk is not None:
                self._disk.sync(arguments[0])
            return done

        return closed if call == "close" else counted

    def _count(self, call: str, arguments: tuple[Any, ...], more: dict[str, Any], torn: Any = None) -> None:
        is_last = len(self.points) == self._at
        self.points.append(f"{call} {self._shown(arguments, more)}")
        if is_last:
            if torn is not None:
                descriptor, data, *offset = arguments
                torn(descriptor, memoryview(data)[: len(data) // 2], *offset)
            if self._fails:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            self.end()

    def _shown(self, arguments: tuple[Any, ...], more: dict[str, Any]) -> str:
        """Return the path that a call is about, as it lies below the destination."""
        path = arguments[0]
        if isinstance(path, int):
            path = os.readlink(f"/proc/self/fd/{path}")
        elif isinstance(arguments[-1], (str, bytes)):
            path = arguments[-1]  # what is renamed, or linked to, gets its name here
        parent = more.get("dir_fd", more.get("dst_dir_fd"))
        if parent is not None:
            path = os.path.join(os.readlink(f"/proc/self/fd/{parent}"), os.fsdecode(path))
        path = os.path.relpath(os.fsdecode(path), self._app).replace(str(os.getpid()), "PID")
        return re.sub(r"\.murder-\w+$", "a new file", path)


def in_child(act: Callable[[], None]) -> int:
    """Run *act* in a process of its own; return its wait status, 0 where it came to its end."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            act()
            code = 0
        finally:
            os._exit(code)
    return os.waitpid(pid, 0)[1]


class Scene:
    """A host that keeps two releases, v0 and v1, where v2 is about to come, and copies of it in between."""

    def __init__(self, place: Path) -> None:
        v1 = host_life.write_tree(place / "v1", host_life.V1)
        v2 = host_life.write_tree(place / "v2", host_life.V2)
        self.life = host_life.HostLife(place / "app", {"v0": v1, "v1": v1, "v2": v2, "v3": v2})
        self.before, self.crashed, self.noted = place / "before", place / "crashed", place / "points"
        self.left = place / "left"
        for tag in ("v0", "v1"):
            self.life.deploy(tag)
        host_life.copy_of(self.life.app, self.before)

    def deploy_counted(self, at: int | None, loss: str = "", tag: str = "v2", run: str = "a1" * 8) -> None:
        """
        Deploy *tag*, killed at the call of that number; note all calls where there is none such.

        With a *loss*, power is cut there, or when it is deployed and there are no more calls.
        """
        crashes = Crashes(self.life.app, at, loss, self.left)
        self.life.deploy(tag, run)
        if loss:
            crashes.end()
        self.noted.write_text(json.dumps(crashes.points))

    def deploy_failing(self, at: int | None) -> None:
        """Deploy v2 while the call of that number fails; note all calls, and what was said of it at last."""
        crashes, said = Crashes(self.life.app, at, fails=True), ""
        try:
            self.life.deploy("v2")
        except MurderError as error:
            said = str(error)
        self.noted.write_text(json.dumps({"points": crashes.points, "said": said}))

    def size(self) -> int:
        """Return the bytes of all that lies at the destination, the growing log left out."""
        files = [path for path in self.life.app.rglob("*") if path.name != "revisions.log"]
        return sum(path.lstat().st_size for path in files if path.is_file() and not path.is_symlink())

    def points(self) -> list[str]:
        """Return what an undisturbed deploy of v2 may be killed at, in order."""
        if in_child(lambda: self.deploy_counted(None)):
            raise SystemExit("the undisturbed deploy failed")
        points: list[str] = json.loads(self.noted.read_text())
        return points

    def fault_of(self, point: int, loss: str = "", may_be: Sequence[str] = ("v1", "v2")) -> str | None:
        """
        Kill a deploy at *point* and go on from there, twice.

        Args:
            loss: what is lost with it, if power is; `LOSSES` names them.
            may_be: what may be current then.

        Returns:
            What was wrong, or None.
        """
        host_life.copy_of(self.before, self.life.app)
        if in_child(lambda: self.deploy_counted(point, loss)) != signal.SIGKILL:
            return "it was not killed there"
        if loss:
            host_life.copy_of(self.left, self.life.app)
            remove_tree(str(self.left))
        return self.fault_after(may_be)

    def fault_of_failure(self, point: int) -> str | None:
        """Let the call of that number fail in a deploy, and go on from there, twice; as `fault_of`."""
        host_life.copy_of(self.before, self.life.app)
        if in_child(lambda: self.deploy_failing(point)):
            return "what failed is no sentence"
        told = json.loads(self.noted.read_text())
        if len(told["points"]) <= point:
            return "it was never called"
        if told["said"] and "Input/output error" not in told["said"]:
            return f"it is said that {told['said']}"
        # Where nothing is said, that call was of no account, and the deploy must have come to its end.
        return self.fault_after(("v1", "v2") if told["said"] else ("v2",))

    def fault_after(self, may_be: Sequence[str]) -> str | None:
        """Look at what is there, and what the next deploys make of it; as `fault_of`."""
        host_life.copy_of(self.life.app, self.crashed)
        if (current := self.life.current()) not in may_be:
            return f"current is {current}"
        for release in os.listdir(self.life.app / "releases"):
            self.life.must_be_whole(release)
        for tag in ("v2", "v3"):
            host_life.copy_of(self.crashed, self.life.app)
            self.life.deploy(tag, run="b2" * 8)
            if self.life.current() != tag:
                return f"{tag} is not current after the next deploy"
            if left := self.life.leftovers():
                return f"the deploy of {tag} after it leaves {left}"
        return None


def what_is_wrong(look: Callable[..., str | None], *what: object) -> str | None:
    """Return the fault that *look* finds with *what*, or what it ended with."""
    try:
        return look(*what)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def each(scene: Scene, step: int) -> None:
    """Kill at every *step*-th point, and print what came of it."""
    points = scene.points()
    failures = []
    for number in range(0, len(points), step):
        fault = what_is_wrong(scene.fault_of, number)
        if fault is not None:
            failures.append(f"killed before {points[number]} (call {number}): {fault}")
    print(json.dumps({"points": points, "failures": failures}, indent=1))


def cut(scene: Scene, step: int) -> None:
    """Cut the power at every *step*-th point and when all is done, and print what came of it."""
    points = [*scene.points(), "the end"]
    failures = []
    for number in {*range(0, len(points), step), len(points) - 1}:
        may_be = ("v2",) if points[number] == "the end" else ("v1", "v2")
        for loss in LOSSES:
            fault = what_is_wrong(scene.fault_of, number, loss, may_be)
            if fault is not None:
                failures.append(f"{loss} left before {points[number]} (call {number}): {fault}")
    print(json.dumps({"points": points, "failures": failures}, indent=1))


def fail(scene: Scene, step: int) -> None:
    """Let every *step*-th call fail, and print what came of it."""
    if in_child(lambda: scene.deploy_failing(None)):
        raise SystemExit("the undisturbed deploy failed")
    points = json.loads(scene.noted.read_text())["points"]
    failures, unsaid = [], []
    for number in range(0, len(points), step):
        fault = what_is_wrong(scene.fault_of_failure, number)
        if fault is not None:
            failures.append(f"{points[number]} (call {number}) failed: {fault}")
        if not json.loads(scene.noted.read_text())["said"]:
            unsaid.append(points[number])
    print(json.dumps({"points": points, "failures": failures, "unsaid": unsaid}, indent=1))


def pile(scene: Scene, count: int) -> None:
    """Kill *count* deploys in a row where chance has it, and look what the next one leaves of them."""
    points, rng = scene.points(), random.Random(count)
    tidy = scene.size()
    host_life.copy_of(scene.before, scene.life.app)
    killed = tries = 0
    while killed < count:
        tries += 1
        tag = "v1" if scene.life.current() == "v2" else "v2"
        act = partial(scene.deploy_counted, rng.randrange(len(points)), tag=tag, run=f"{tries:016x}")
        host_life.copy_of(scene.life.app, scene.crashed)
        status = in_child(act)
        if status == signal.SIGKILL:
            killed += 1
        elif status != 0 or tries > 10 * count:
            raise SystemExit(f"deploy {tries} of {tag} ended with the status {status}, {killed} were killed")
        else:
            # It made fewer calls than that, and so came to its end and took away what was left.
            host_life.copy_of(scene.crashed, scene.life.app)
    left = scene.life.leftovers()
    print(json.dumps({"killed": killed, "tries": tries, "left": left}))
    scene.life.deploy("v2", run="b2" * 8)
    if scene.life.current() != "v2" or scene.life.leftovers():
        raise SystemExit(f"left behind: {scene.life.leftovers()}")
    if scene.size() > tidy * 1.01:
        raise SystemExit(f"{scene.size()} bytes instead of {tidy}: {os.listdir(scene.life.app)}")


def main(what: str, count: str, place: str) -> None:
    """Do what the command line asks for."""
    {"each": each, "cut": cut, "fail": fail, "pile": pile}[what](Scene(Path(place)), int(count))


if __name__ == "__main__":
    main(*sys.argv[1:])
