"""What hooks there are: `before_` and `after_` each stage of a run, and `failed`."""

from __future__ import annotations

import difflib

#: The stages, in the order in which a deploy goes through them; which a run has depends on its task.
STAGES = (
    "connect",
    "prepare",
    "create",
    "stage",
    "upload",
    "swarm",
    "verify",
    "switch",
    "check",
    "switch_back",
    "clean_up",
    "finish",
)
#: At the end of a run that failed.
FAILED = "failed"
NAMES = (*(f"{when}_{stage}" for stage in STAGES for when in ("before", "after")), FAILED)
#: No agent is there then that could run a command; tasks of Fabric's connect by themselves.
TASKS_ONLY = ("before_connect", "after_finish")


def failure_counts(name: str) -> bool:
    """Say whether a host that fails in hook *name* is out; where that holds nothing back, it is only said."""
    return name.partition("_")[2] not in ("switch_back", "clean_up", "finish", "")


def complaint(name: str) -> str:
    """Say what is wrong with *name* for a hook; empty where nothing is."""
    if name in NAMES:
        return ""
    near = difflib.get_close_matches(name.replace("-", "_"), NAMES, n=1)
    meant = (
        f"did you mean {near[0]}?"
        if near
        else f"hooks are before_ and after_ {', '.join(STAGES)}, and {FAILED}"
    )
    return f"{name!r:.60} is no hook; {meant}"
