"""What a run came to: the value that our Python functions return, and the document of `--json`."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from ..errors import MurderError
from .outcome import HostResult, HostState, Outcome


@dataclasses.dataclass(frozen=True)
class Result:
    """
    What one task did, host by host.

    Where the task raised, this is the `result` of the error.
    """

    #: As `fab` has it, without the collection: `catch-up`.
    task: str
    #: The sentence that it ended with; the error's where there was one.
    message: str = ""
    #: What `fab` ends with: 0 where every host did what was asked.
    exit_code: int = 0
    #: The release it was about; empty where it was about none, or was over before that was known.
    tag: str = ""
    destination: str = ""
    #: The release's digest, in hex.
    digest: str = ""
    #: How long it took, connecting included.
    seconds: float = 0.0
    #: By name, as it was written; those that the task is about.
    hosts: Mapping[str, HostResult] = dataclasses.field(default_factory=dict)
    #: What the task shows, as text; `fab` prints it on stdout.
    report: str = ""
    #: What else the task found, as the document has it: for `history` the `runs`, for `show` the `record`.
    details: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def failed(self) -> list[str]:
        """The hosts that did not do what was asked, unreachable ones included."""
        out = (HostState.FAILED, HostState.UNREACHABLE)
        return [host for host, one in self.hosts.items() if one.state in out]

    def to_json(self) -> str:
        """Return the document that `--json` prints, on one line; what is not known is null."""
        document: dict[str, Any] = {
            "task": self.task,
            "exit_code": self.exit_code,
            "message": self.message,
            "tag": self.tag or None,
            "destination": self.destination or None,
            "digest": self.digest or None,
            "seconds": round(self.seconds, 3),
            "hosts": {host: one.fields() for host, one in self.hosts.items()},
            "details": dict(self.details),
        }
        return json.dumps(document)


def result_of(outcome: Outcome, task: str, message: str, seconds: float, exit_code: int = 0) -> Result:
    """Return what became of the hosts, and of the run as a whole."""
    return Result(
        task,
        message,
        exit_code,
        outcome.tag,
        outcome.destination,
        outcome.digest,
        seconds,
        outcome.by_host(),
        outcome.report,
    )


def refused(task: str, error: MurderError) -> Result:
    """Return the result of a task that was over before any host was asked."""
    return Result(task, str(error), error.exit_code)


def fault(task: str, error: Exception) -> Result:
    """Return the result of a task that ended by a fault of ours, with the exit code of a traceback."""
    return Result(task, f"a fault of murder_fabric, please report it: {type(error).__name__}: {error}", 1)
