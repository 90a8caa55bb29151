"""
Plants each bug of this directory in a copy of the checkout, and sees if a test fails: `run.py [NAME...]`.

A patch begins with what is wrong, and with the tests that are to find it. Ends with 1 if fewer than `LEAST`
of all bugs are found, or if those tests fail without any bug.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
#: Of the bugs planted, at least so many must be found.
LEAST = 19
#: Seconds that the tests of one bug may take; a test that hangs has found something too.
PATIENCE = 600.0
LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv", ".tox-venvs", ".*_cache", ".hypothesis", "__pycache__", "_build", "run", "dist"
)


@dataclass(frozen=True)
class Bug:
    """One bug: its patch, what it does, and the tests that are to find it."""

    patch: Path
    what: str
    tests: tuple[str, ...]


def bugs(place: Path = HERE) -> list[Bug]:
    """Return all bugs whose patches lie in a directory."""
    found = []
    for patch in sorted(place.glob("*.patch")):
        what, tests, *_ = patch.read_text().split("\n\n")
        found.append(Bug(patch, what, tuple(tests.removeprefix("Caught by:").split())))
    return found


def plant(bug: Bug, checkout: Path, *, back: bool = False) -> None:
    """Put *bug* into *checkout*, or take it out again; CalledProcessError where its patch does not fit."""
    command = ["git", "apply", "-C1", *(["-R"] if back else []), str(bug.patch)]
    # Without this, git takes a copy inside another checkout for a part of that one, and does nothing.
    environment = {**os.environ, "GIT_CEILING_DIRECTORIES": str(checkout.parent)}
    subprocess.run(command, cwd=checkout, env=environment, check=True, capture_output=True, text=True)


def verdict_of(tests: tuple[str, ...], checkout: Path) -> str:
    """Return how the first of *tests* that fails does, `passed` if none does, or `hung`."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-r", "f", *tests]
    environment = {**os.environ, "PYTHONPATH": str(checkout), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            command, cwd=checkout, env=environment, capture_output=True, text=True, timeout=PATIENCE
        )
    except subprocess.TimeoutExpired:
        return "hung"
    if done.returncode == 0:
        return "passed"
    failed = re.search(r"^(FAILED|ERROR) (.+?)( - |$)", done.stdout, re.MULTILINE)
    return failed[2] if failed else f"pytest ended with {done.returncode}: {done.stdout[-500:]}"


def main(*names: str) -> int:
    """Plant all bugs, or those whose files begin with one of *names*; return the exit code."""
    found = 0
    with tempfile.TemporaryDirectory(prefix="murder-planted-") as place:
        checkout = Path(place) / "checkout"
        shutil.copytree(REPOSITORY, checkout, symlinks=True, ignore=LEFT_OUT)
        planted = bugs(checkout / HERE.relative_to(REPOSITORY))
        chosen = [bug for bug in planted if not names or bug.patch.name.startswith(names)]
        needed = tuple(sorted({test for bug in chosen for test in bug.tests}))
        without = verdict_of(needed, checkout)
        if without != "passed":
            print(f"without any bug: {without}")
            return 1
        for bug in chosen:
            began = time.monotonic()
            plant(bug, checkout)
            verdict = verdict_of(bug.tests, checkout)
            plant(bug, checkout, back=True)
            found += verdict != "passed"
            said = "not found" if verdict == "passed" else f"found by {verdict}"
            print(f"{bug.patch.stem}: {said} ({time.monotonic() - began:.0f} s)", flush=True)
    print(f"{found} of {len(chosen)} bugs found")
    return 0 if found >= LEAST or (names and found == len(chosen)) else 1


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
