"""The command that does again what failed or was interrupted, as it is to be typed."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence

from ..errors import AllHostsFailed, HostsFailed, Interrupted
from .results import Result

#: Tasks that make up a tag where none is given; with another one all would be fetched anew.
_BRINGING = ("deploy", "fetch")
_FAILED = (HostsFailed.exit_code, AllHostsFailed.exit_code)


def command_again(argv: Sequence[str], result: Result) -> str | None:
    """
    Return *argv* with what makes it go on where the run that ended with *result* stopped; None where unknown.

    1. A deploy that failed goes on with `--retry-failed`: the same tag, for the hosts that did not get it.
    2. What was interrupted, or fetched, goes on with the tag that it had.
    3. Where a host fails again for sure, such as one that has other contents under that tag, there is none:
       something must be changed first.

    A fabfile may have a `deploy` of its own without our flags: under `fab`, ours is in a collection.
    """
    if result.task not in _BRINGING or result.exit_code not in (*_FAILED, Interrupted.exit_code):
        return None
    if any(result.hosts[host].is_lasting for host in result.failed):
        return None
    names = (result.task,) if os.path.basename(argv[0]) == "murder" else ()
    places = [
        place
        for place, (before, word) in enumerate(zip(argv, argv[1:]), 1)
        if (word in names or word.endswith(f".{result.task}")) and not before.startswith("-")
    ]
    if not places or not result.tag:
        return None
    words = [os.path.basename(argv[0]), *argv[1:]]
    if result.task == "deploy" and result.exit_code in _FAILED:
        added = [] if "--retry-failed" in words else ["--retry-failed"]
    else:
        has_tag = any(word == "--tag" or word.startswith("--tag=") for word in words)
        added = [] if has_tag else ["--tag", result.tag]
    last = places[-1] + 1
    return shlex.join([*words[:last], *added, *words[last:]])
