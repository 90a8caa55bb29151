"""The part of a terminal that is drawn again and again, beside lines that stay and others who write."""

from __future__ import annotations

import io
import re
import threading

import pytest

from murder_fabric.deploy.outcome import Outcome
from murder_fabric.deploy.watching import screen
from murder_fabric.deploy.watching.fleet_state import FleetNow, FleetState
from murder_fabric.deploy.watching.screen import Screen
from murder_fabric.deploy.watching.view import View

#: Seconds within which a thread that draws at once has drawn, on a machine that is busy.
PATIENCE = 60.0


class Terminal(io.StringIO):
    """Says when the picture has been on it, and may be closed."""

    def __init__(self) -> None:
        super().__init__()
        self.shown, self.broken = threading.Event(), False

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if self.broken:
            self.shown.set()
            raise OSError(5, "Input/output error")
        if "2 waiting" in text:
            self.shown.set()
        return super().write(text)


def fleet() -> FleetState:
    state = FleetState(Outcome(["web1", "web2"]))
    state.begun("connect", now=0.0)
    return state


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setattr(screen, "PATIENCE", 0.0)
    monkeypatch.setattr(screen, "INTERVAL", 0.001)
    monkeypatch.setenv("TERM", "xterm")
    return Terminal()


def test_the_picture_is_gone_in_the_end_and_the_cursor_is_back(terminal: Terminal) -> None:
    with Screen(terminal, fleet()):
        assert terminal.shown.wait(PATIENCE)
    said = terminal.getvalue()
    assert said.count("\x1b[?25l") == said.count("\x1b[?25h") == 1
    assert "\x1b[2K" in said[said.rindex("2 waiting") :]


def test_lines_stay_above_the_picture_and_are_said_as_they_are(terminal: Terminal) -> None:
    line = "  [bold]web1[/bold]: :boom: /srv/app[1] " + "x" * 300
    with Screen(terminal, fleet()) as shown:
        assert terminal.shown.wait(PATIENCE)
        shown.say(line)
    assert line in terminal.getvalue()


def test_what_is_over_soon_is_never_drawn(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screen, "PATIENCE", 3600.0)
    with Screen(terminal, fleet()) as shown:
        shown.say("murder: all is well")
    assert terminal.getvalue() == "murder: all is well\n"


def test_while_others_write_nothing_is_drawn(terminal: Terminal) -> None:
    with Screen(terminal, fleet()) as shown:
        assert terminal.shown.wait(PATIENCE)
        with shown.aside():
            before = terminal.getvalue()
            assert before.endswith("\x1b[?25h") or "\x1b[?25h" in before[before.rindex("2 waiting") :]
            terminal.shown.clear()
            # As long as fifty pictures take; where nothing is drawn it is so however long one waits.
            assert not terminal.shown.wait(50 * screen.INTERVAL)
            assert terminal.getvalue() == before
        assert terminal.shown.wait(PATIENCE)


def test_a_terminal_that_is_closed_meanwhile_stops_nobody(terminal: Terminal) -> None:
    with Screen(terminal, fleet()) as shown:
        assert terminal.shown.wait(PATIENCE)
        terminal.shown.clear()
        terminal.broken = True
        assert terminal.shown.wait(PATIENCE)
        shown.say("murder: all is well")
    assert "all is well" not in terminal.getvalue()


class Undrawable(FleetState):
    """Can be looked at once."""

    def look(self, *, now: float) -> FleetNow:
        if self.stage == "":
            raise ArithmeticError
        found = super().look(now=now)
        self.ended()
        return found


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_where_a_picture_fails_the_cursor_comes_back_and_lines_are_said(terminal: Terminal) -> None:
    state = Undrawable(Outcome(["web1", "web2"]))
    state.begun("connect", now=0.0)
    with Screen(terminal, state) as shown:
        assert terminal.shown.wait(PATIENCE)
        shown._thread.join(PATIENCE)
        assert terminal.getvalue().count("\x1b[?25h") == 1
        shown.say("murder: all is well")
    assert terminal.getvalue().endswith("murder: all is well\n")


@pytest.mark.parametrize("kind", ["dumb", "unknown", None])
def test_a_terminal_that_cannot_be_drawn_on_gets_lines_only(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, kind: str | None
) -> None:
    if kind is None:
        monkeypatch.delenv("TERM")
    else:
        monkeypatch.setenv("TERM", kind)
    view = View(terminal)
    with view.watch(Outcome(["web1"])), view.stage("connect") as said:
        said.append("1 of 1 hosts")
    assert re.fullmatch(r"  connect  1 of 1 hosts \(\d+\.\d s\)\n", terminal.getvalue())


def test_a_view_draws_while_it_watches_and_no_longer(terminal: Terminal) -> None:
    view = View(terminal)
    with view.watch(Outcome(["web1", "web2"])):
        with view.stage("connect"):
            assert terminal.shown.wait(PATIENCE)
            view.say("web1: refused")
        with view.aside():
            pass
    view.say("murder: over")
    assert "web1: refused" in terminal.getvalue()
    assert terminal.getvalue().endswith("murder: over\n")
