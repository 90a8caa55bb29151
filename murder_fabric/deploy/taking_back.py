"""When a switch is undone: `current` back where it was, and the mark that a release is bad."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from .. import control
from ..control import Message
from .failures import HostFailure
from .haste import Haste
from .hooks import run_hook
from .muster import PAYLOAD_TIMEOUT, SILENCE_LIMIT
from .outcome import HostState, grouped
from .run import Run

#: Seconds in which hosts go back: they are asked when something is wrong already.
BACK_TIMEOUT = 6.0


def take_back(
    run: Run, hosts: Sequence[str], current: Mapping[str, str | None], haste: Haste | None = None
) -> list[str]:
    """
    Point `current` back on *hosts*, where it was switched; return those that do not answer.

    The hooks of going back are run on all: `before_switch` may have done something where none was made. Hosts
    that failed come last, as their commands may well hang: those that are well do not wait for them. In haste
    all go at once, and nobody waits for anybody for long.

    Args:
        current: by host, what it was.
        haste: of whoever waits for it, if somebody does.
    """
    if haste is not None:
        return _take_back(run, hosts, current, haste)
    well = [host for host in hosts if run.outcome.is_going(host)]
    failed = [host for host in hosts if not run.outcome.is_going(host)]
    return [host for those in (well, failed) if those for host in _take_back(run, those, current)]


def _take_back(
    run: Run, hosts: Sequence[str], current: Mapping[str, str | None], haste: Haste | None = None
) -> list[str]:
    """Take *hosts* back, all at once; return those that do not answer."""
    wanted, outcome = run.wanted, run.outcome
    run_hook(run, "before_switch_back", hosts, current, haste)
    requests = {
        host: Message(
            control.SwitchBack(wanted.destination, wanted.tag, current[host], run.operator).fields()
        )
        for host in hosts
    }
    patience = BACK_TIMEOUT if haste is None else haste.part()
    unsure, unsaid = [], {}
    for host, answer in run.muster.channels.ask(requests, patience, insist=True).items():
        if isinstance(answer, HostFailure):
            unsure.append(host)
            reason = f"current may point at {wanted.tag} there: {answer.reason}"
            if host not in outcome.going:  # what made it fail stays its reason
                unsaid[host] = reason
            outcome.failed(host, HostFailure(answer.cause, reason))
        elif host in outcome.going:
            outcome.reached(host, HostState.VERIFIED)
    for line in grouped(unsaid):
        run.view.say(f"  {line}")
    answered = [host for host in hosts if host not in unsure]
    run_hook(run, "after_switch_back", answered, current, haste)
    return unsure


def mark_bad(run: Run, tag: str, hosts: Iterable[str], reason: str) -> None:
    """Mark *tag* bad on *hosts*; who did not do it is said, and one that hangs does it once it wakes."""
    request = Message(control.MarkBad(run.wanted.destination, tag, run.operator, reason).fields())
    requests, channels = dict.fromkeys(hosts, request), run.muster.channels
    channels.begin(dict.fromkeys(requests.keys() & channels.failures().keys(), request), insist=True)
    answers = channels.ask(requests, PAYLOAD_TIMEOUT, silence=SILENCE_LIMIT)
    failures = {host: one.reason for host, one in answers.items() if isinstance(one, HostFailure)}
    for line in grouped(failures):
        run.view.say(f"  {line}")
