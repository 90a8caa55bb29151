"""Requests beside the payload: what a host's clock says, the operator's own commands, a release's health."""

from __future__ import annotations

import dataclasses

from .request import Request


@dataclasses.dataclass(frozen=True)
class ReadClock(Request):
    """What the clock says that `Switch` is told a moment of. Done: `clock` (seconds, since whenever)."""

    name = "read_clock"


@dataclasses.dataclass(frozen=True)
class RunCommands(Request):
    """
    Run the operator's own commands, one after the other, until one does not end with 0.

    Each is the text of `sh -c`, in a process group of its own, with the variables of `agent.command`. Done:
    `said`, the last lines that they wrote. Failed: which one, how it ended, and the end of what it said.
    """

    name = "run_commands"
    destination: str
    #: Empty where no release is meant.
    tag: str
    commands: list[str]
    #: Seconds for each; then its group is ended.
    timeout: float
    #: The hook that they are, such as `before_switch`.
    hook: str
    #: What `current` pointed at before the run, or is to point at again; empty for nothing.
    previous: str = ""


@dataclasses.dataclass(frozen=True)
class CheckHealth(Request):
    """
    Ask again and again whether what is current is well, until it is. Failed: it never was; says why.

    What asks is a command as in `RunCommands`, or an HTTP or HTTPS URL that must answer with `status`.
    """

    name = "check_health"
    destination: str
    tag: str
    check: str
    status: int
    #: Seconds for one try.
    timeout: float
    #: Seconds after which no further try is begun.
    patience: float
    previous: str = ""
