"""
How far the clocks of hosts are from ours, measured over the control channels.

As in NTP: a host says what its clock shows, and that was some time between our question and its answer. So
the offset is what it showed less the middle of the two, and half of the round trip is how wrong that may be.
Both clocks are monotonic ones: what anybody does to the time of day does not matter.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

from .. import control
from ..control import Message
from .muster import PROMPT_TIMEOUT, Muster

#: Questions to each host at most; the one that was answered fastest counts.
ROUNDS = 5


class Offset(NamedTuple):
    """What a host's clock is ahead of ours, and how wrong that may be at most, in seconds."""

    seconds: float
    error: float


def offset_of(clock: float, asked_at: float, heard_at: float) -> Offset:
    """Return what one answer tells: *clock* was the host's, the others are ours."""
    return Offset(clock - (asked_at + heard_at) / 2, (heard_at - asked_at) / 2)


def measure(
    muster: Muster, hosts: Sequence[str], until: float, patience: float = PROMPT_TIMEOUT
) -> dict[str, Offset]:
    """
    Return the offsets of *hosts*; those that do not answer are out.

    Args:
        until: on our monotonic clock; no further question is asked after that.
        patience: seconds from now in which a host must have answered all it was asked.
    """
    request = Message(control.ReadClock().fields())
    best: dict[str, Offset] = {}
    going, deadline = list(hosts), time.monotonic() + patience
    for number in range(ROUNDS):
        if number and time.monotonic() > until:
            break
        ask = muster.channels.begin(dict.fromkeys(going, request))
        answers = muster.settle(ask.wait(max(0.0, deadline - time.monotonic())))
        for host, answer in answers.items():
            found = offset_of(float(answer.fields["clock"]), ask.asked_at[host], ask.heard_at[host])
            if host not in best or found.error < best[host].error:
                best[host] = found
        going = list(answers)
    return {host: best[host] for host in going}
