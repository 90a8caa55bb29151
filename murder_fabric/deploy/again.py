"""What to type after a run that failed or was interrupted: to do it again, and to clean up."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence

from ..errors import AllHostsFailed, HostsFailed, Interrupted
from .outcome import HostState
from .ranges import fold
from .results import Result

#: Tasks that make up a tag where none is given; with another one all would be fetched anew.
_BRINGING = ("deploy", "fetch")
_FAILED = (HostsFailed.exit_code, AllHostsFailed.exit_code)
#: Flags with a value that `fab` takes after a task too.
_CORE = ("--hosts", "--ssh-config", "--identity", "--config", "--collection", "--search-root")
#: Those, short as well, and the one of all our tasks that says where agents live.
_KEPT = (*_CORE, "-H", "-S", "-i", "-f", "-c", "-r", "--remote-murder-path")


def command_again(argv: Sequence[str], result: Result) -> str | None:
    """
    Return *argv* with what makes it go on where the run that ended with *result* stopped; None where unknown.

    1. A deploy that failed goes on with `--retry-failed`: the same tag, for the hosts that did not get it.
    2. What was interrupted, or fetched, goes on with the tag that it had.
    3. Where a host fails again for sure, such as one that has other contents under that tag, there is none:
       something must be changed first. Nor is there where only hosts were left out by `--retry-failed`, or
       where Ctrl-C came when all hosts had switched.

    A fabfile may have a `deploy` of its own without our flags: under `fab`, ours is in a collection.
    """
    if result.task not in _BRINGING or result.exit_code not in (*_FAILED, Interrupted.exit_code):
        return None
    if any(result.hosts[host].is_lasting for host in result.failed):
        return None
    if "--retry-failed" in argv and not result.failed and result.exit_code in _FAILED:
        return None
    if result.hosts and all(host.state is HostState.SWITCHED for host in result.hosts.values()):
        return None
    place = _place(argv, result.task)
    if place is None or not result.tag:
        return None
    words = [os.path.basename(argv[0]), *argv[1:]]
    if result.task == "deploy" and result.exit_code in _FAILED:
        added = [] if "--retry-failed" in words else ["--retry-failed"]
    else:
        has_tag = any(word == "--tag" or word.startswith("--tag=") for word in words)
        added = [] if has_tag else ["--tag", result.tag]
    return shlex.join([*words[: place + 1], *added, *words[place + 1 :]])


def command_cleaning(argv: Sequence[str], result: Result) -> str | None:
    """Return the command that removes what *argv* left on hosts when it was given up; None where unknown."""
    place = _place(argv, result.task) if result.task in _BRINGING else None
    if place is None or not result.tag:
        return None
    task = argv[place][: -len(result.task)] + "clean-temp-files"
    kept = list(_kept(argv[place + 1 :]))
    if "--retry-failed" in argv:  # which says, too, whom the run was for
        kept += ["-H", fold(result.hosts)]
    return shlex.join([os.path.basename(argv[0]), *argv[1:place], task, "--tag", result.tag, *kept])


def _place(argv: Sequence[str], task: str) -> int | None:
    """Return where in *argv* the last word stands that is *task*, as far as can be known."""
    names = (task,) if os.path.basename(argv[0]) == "murder" else ()
    places = [
        place
        for place, (before, word) in enumerate(zip(argv, argv[1:]), 1)
        if (word in names or word.endswith(f".{task}")) and not before.startswith("-")
    ]
    return places[-1] if places else None


def _kept(words: Sequence[str]) -> Iterator[str]:
    """Yield those of the flags that count for other tasks as well, each with its value."""
    for word, value in zip(words, [*words[1:], ""]):
        if word in _KEPT:
            yield from (word, value)
        elif word.partition("=")[0] in _KEPT:
            yield word
