"""The tutorial, as it stands: its commands run in its order, and say what it shows of them."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("twisted.conch.ssh.keys", reason="needs the extra [demo]")
REPOSITORY = Path(__file__).resolve().parent.parent.parent
PAGE = (REPOSITORY / "docs" / "tutorial.md").read_text()
#: Where the page works; the test does so in a directory of its own.
PLACE = "/tmp/tutorial"
MARK = "@@end "
#: What differs from one machine and one run to the next.
VARYING = [(r"\b[0-9a-f]{12}\b", "DIGEST"), (r"[\w.-]+@[\w.-]+", "OPERATOR"), (r" \([0-9.]+ s\)$", "")]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def steps(text: str) -> list[tuple[str, list[str]]]:
    """Return each command with the lines that are shown below it."""
    found: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            found[-1][1].append(line)
    return found


def plain(line: str) -> str:
    for pattern, name in VARYING:
        line = re.sub(pattern, name, line)
    return line


def missing(shown: list[str], said: list[str]) -> list[str]:
    """Return what is shown and was not said, or not in this order; `…` stands for the rest of a line."""
    rest = iter(plain(line) for line in said)
    return [
        line
        for line in shown
        if not any(
            other.startswith(plain(line[:-1])) if line.endswith("…") else other == plain(line)
            for other in rest
        )
    ]


@pytest.fixture
def tutorial(tmp_path: Path) -> Iterator[Path]:
    """The directory of the tutorial with its two files, and its hosts."""
    if shutil.which("ssh") is None:
        pytest.skip("needs OpenSSH's ssh")
    (fabfile,), (settings,) = blocks("python"), blocks("yaml")
    (tmp_path / "fabfile.py").write_text(fabfile)
    (tmp_path / "fabric.yaml").write_text(settings)
    (start, shown), *more = steps(blocks("console")[0])
    assert not more
    words = [sys.executable if word == "python" else word for word in shlex.split(start)]
    hosts = subprocess.Popen(
        [word.replace(PLACE, str(tmp_path)) for word in words],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert hosts.stdin is not None
    assert hosts.stdout is not None
    assert hosts.stdout.readline().replace(str(tmp_path), PLACE).splitlines() == shown
    yield tmp_path
    hosts.communicate(timeout=20)  # closes their input, as Ctrl-D would


def test_the_tutorial_goes_as_it_says(tutorial: Path) -> None:
    told = [step for block in blocks("console")[1:] for step in steps(block)]
    # Each command sees the exit code of the one before it, as it does at a prompt.
    script = "".join(f"{command}\ncode=$?; echo '{MARK}'; (exit $code)\n" for command, _ in told)
    done = subprocess.run(
        ["bash"],
        input=script.replace(PLACE, str(tutorial)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=tutorial,
        env={
            **os.environ,
            "HOME": str(tutorial),
            "PYTHONPATH": str(REPOSITORY),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        },
        timeout=300,
    )
    outputs = done.stdout.replace(str(tutorial), PLACE).split(f"{MARK}\n")
    assert len(outputs) == len(told) + 1, done.stdout
    for (command, shown), output in zip(told, outputs):
        assert not missing(shown, output.splitlines()), f"$ {command}\n{output}"
    assert "Traceback" not in done.stdout
