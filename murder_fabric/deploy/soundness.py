"""Whether a release that hosts have kept is what they verified, seen to before `current` leads there."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from .. import control
from ..units import counted
from .choosing import Listing, by_value
from .failures import HostFailure, printable
from .muster import PAYLOAD_TIMEOUT, SILENCE_LIMIT
from .outcome import HostState
from .ranges import fold
from .run import Run

#: Longest part of a sentence that says what is wrong.
_LONGEST = 200


def inspected(run: Run, hosts: Sequence[str], *, fast: bool = False) -> dict[str, Mapping[str, Any]]:
    """
    Have *hosts* compare their release with what they verified; return the answers, see `control.Inspect`.

    Args:
        fast: files are not read that have the size and the time that they should have.
    """
    tag = run.wanted.tag
    request = control.Inspect(run.wanted.destination, tag, fast)
    with run.view.stage("inspect") as said:
        answers = run.muster.ask(hosts, lambda _: request, PAYLOAD_TIMEOUT, silence=SILENCE_LIMIT)
        found: dict[str, Mapping[str, Any]] = {host: message.fields for host, message in answers.items()}
        damaged = damage_counts(found)
        whole = counted(len(found) - len(damaged), "host")
        said.append(f"{whole} with {tag} as it was verified" + ", by size and time" * fast)
        for count, those in by_value(damaged).items():
            said.append(f"{counted(count, 'path')} changed on {fold(those)}")
        if strange := [host for host in found if more_than_release(found[host])]:
            said.append(f"more than belongs to it on {fold(strange)}")
    return found


def damage_counts(found: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    """Return the hosts where something of the release changed, and how many paths, given their answers."""
    return {host: int(fields["damage_count"]) for host, fields in found.items() if fields["damage_count"]}


def more_than_release(fields: Mapping[str, Any]) -> int:
    """Return how many paths lie in a release that do not belong to it, given what its host answered."""
    return int(fields["drift_count"]) - int(fields["damage_count"])


def leave_out_changed(
    run: Run, listings: Mapping[str, Listing], among: Collection[str] | None = None, *, otherwise: str = ""
) -> None:
    """
    Let hosts be out where something of the release is not what they verified, before anybody is switched.

    By the setting `verify` they read all of it, or look at sizes and times. What lies there besides is left
    alone, as a program may have put it there; and nobody knows what a release of Capistrano's should be.

    Args:
        among: the hosts that are looked at, if not all; of others nothing is known.
        otherwise: what can be done in spite of it, for the end of the sentence.
    """
    tag, outcome = run.wanted.tag, run.outcome
    having = [host for host, one in listings.items() if one.digest(tag) and outcome.is_going(host)]
    hosts = [host for host in having if among is None or host in among]
    if not hosts:
        return
    found = inspected(run, hosts, fast=run.settings.verify == "fast")
    damaged = damage_counts(found)
    if damaged.keys() >= set(having):
        advice = "no host has it as it was: deploy the same tree again under another --tag"
    else:
        advice = f"murder.catch-up --mend --tag {tag} brings what it was from the others, and goes there"
    for host, count in damaged.items():
        first = printable(str(next(iter(found[host]["damage"]), "it has changed")), _LONGEST)
        more = f" (and {count - 1} more)" * (count > 1)
        reason = f"its {tag} is not as it was verified: {first}{more}; current stays as it is there. {advice}"
        outcome.failed(host, HostFailure("failed", reason + otherwise))
    for host in hosts:  # who could not tell
        if host not in found and outcome[host].state is HostState.FAILED:
            outcome.reached(host, HostState.FAILED, outcome[host].error + otherwise)
