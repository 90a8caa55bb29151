"""What moved to each host and what was there already, noted from what the hosts say of it."""

from __future__ import annotations

from collections.abc import Mapping

from ..control import Message
from ..metainfo.holdings import Holdings
from ..metainfo.values import Info
from .outcome import Outcome


def note_staged(outcome: Outcome, info: Info, staged: Mapping[str, Message]) -> None:
    """Note what hosts have before anything moves, given what they said to `control.Stage`."""
    reused: dict[bytes, int] = {}
    for host, message in staged.items():
        # Most hosts have the same: all of it, or nothing.
        if message.attached not in reused:
            lacking = Holdings.from_bytes(info, message.attached).bytes_lacking
            reused[message.attached] = info.geometry.length - lacking
        outcome.noted(host, bytes_reused=reused[message.attached])


def note_fetched(outcome: Outcome, joined: Mapping[str, Message]) -> None:
    """Note what hosts fetched that are complete, given what they said to `control.Join`."""
    for host, message in joined.items():
        moved, seconds = message.fields["bytes_downloaded"], message.fields.get("seconds", 0.0)
        outcome.noted(host, bytes_moved=moved, seconds=seconds)
        if problem := message.fields.get("tracker_problem"):
            outcome.noted(host, tracker_problem=problem)


def note_verified(outcome: Outcome, verified: Mapping[str, Message]) -> None:
    """Note how long hosts read, given what they said to `control.Verify`."""
    for host, message in verified.items():
        outcome.noted(host, seconds=message.fields.get("seconds", 0.0))
