"""A deploy as somebody at a terminal sees it: small, dumb, without colours, and interrupted by Ctrl-C."""

from __future__ import annotations

import fcntl
import os
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from deploying import PATIENCE, REPOSITORY, Fab, current, slow_down
from programs import FAB

from demo import tree
from lab import rig

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(rig.missing() is not None, reason=str(rig.missing())),
]

#: A colour, in any of the ways to name one; bold and the like are none.
COLOUR = re.compile(r"\x1b\[(?:[0-9]+;)*(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])[;m]")
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, argv: list[str], directory: Path, columns: int, **environment: str) -> None:
        self._ours, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.process = subprocess.Popen(
            argv,
            cwd=directory,
            env={**os.environ, **environment},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(theirs)
        self._read = b""

    def wait_for(self, text: str) -> None:
        """Go on once *text* has been on the screen."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.text:
            assert self._more(deadline - time.monotonic()), f"no {text!r} in {self.text!r}"

    def press_ctrl_c(self) -> None:
        os.write(self._ours, b"\x03")

    def end(self) -> int:
        """Return the exit code once all has been read."""
        deadline = time.monotonic() + PATIENCE
        while self._more(deadline - time.monotonic()):
            pass
        return self.process.wait(max(1.0, deadline - time.monotonic()))

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._ours)

    @property
    def text(self) -> str:
        """All that was ever written, escape sequences included."""
        return self._read.decode("utf-8", "replace")

    def _more(self, patience: float) -> bool:
        if not select.select([self._ours], [], [], max(0.0, patience))[0]:
            return False
        try:
            data = os.read(self._ours, 65536)
        except OSError:  # how Linux says that nobody has the other end any more
            return False
        self._read += data
        return bool(data)


@contextmanager
def deploying(fab: Fab, app: str, columns: int = 100, **environment: str) -> Iterator[Terminal]:
    argv = [FAB, "-S", str(fab.lab.ssh_config), "-H", "web[1-3]", "murder.deploy", "--files-path", "build"]
    own = {
        "PYTHONPATH": str(REPOSITORY),
        "HOME": str(fab.directory),
        "TERM": "xterm-256color",
        **fab.environment,
    }
    for name in ("NO_COLOR", "COLUMNS", "LINES", "FORCE_COLOR"):
        own.setdefault(name, "")
    terminal = Terminal(
        [*argv, "--destination-path", app, "--tag", "v1"], fab.directory, columns, **{**own, **environment}
    )
    try:
        yield terminal
    finally:
        terminal.close()


@pytest.fixture
def slow(lab: rig.Lab) -> Iterator[None]:
    """What web1 sends is slow, so that there is something to look at while others fetch it."""
    slow_down(lab, "web1", "2mbit")
    yield
    slow_down(lab, "web1", None)


def test_ctrl_c_shows_what_is_cleaned_and_leaves_the_terminal_as_it_was(
    lab: rig.Lab, fab: Fab, app: str, slow: None
) -> None:
    tree.generate(fab.directory / "build", 3_000_000, 20)
    with deploying(fab, app) as terminal:
        terminal.wait_for("2 fetching")
        terminal.wait_for("waits for")
        terminal.press_ctrl_c()
        assert terminal.end() == 130, terminal.text
        said = terminal.text
    assert "Traceback" not in said
    after = said[said.rindex("not finished") :]
    assert re.search(r"stopping: .*Ctrl-C again leaves at once", after)
    assert "trackers, seeders and peers ended on 3 of 3 hosts" in after
    assert "murder: interrupted; every host is as it was" in after
    # The cursor is there again, and nothing is drawn any more.
    assert said.rindex("\x1b[?25h") > said.rindex("\x1b[?25l")
    assert "fetching" not in said[said.rindex("\x1b[?25h") :]
    assert [current(lab, host, app) for host in ("web1", "web2", "web3")] == [None] * 3


@pytest.mark.parametrize(
    ("columns", "environment", "drawn", "coloured"),
    [
        (100, {}, True, True),
        (40, {"NO_COLOR": "1"}, True, False),
        (100, {"TERM": "dumb"}, False, False),
    ],
    ids=["as-ever", "narrow-and-without-colours", "dumb"],
)
def test_whatever_the_terminal_the_stages_stay_on_it(
    fab: Fab, app: str, slow: None, columns: int, environment: dict[str, str], drawn: bool, coloured: bool
) -> None:
    tree.generate(fab.directory / "build", 400_000, 20)
    with deploying(fab, app, columns, **environment) as terminal:
        assert terminal.end() == 0, terminal.text
        said = terminal.text
    assert ("\x1b[?25l" in said, COLOUR.search(said) is not None) == (drawn, coloured)
    assert drawn or "\x1b" not in said
    lines = re.split(r"[\r\n]+", ESCAPE.sub("", said))
    stages = [line.split()[0] for line in lines if re.search(r"\([0-9.]+\.[0-9] s\)$", line)]
    assert stages[:7] == ["connect", "prepare", "stage", "upload", "swarm", "verify", "switch"]
    assert "murder: 3 of 3 hosts switched to v1" in said
