"""What moved to each host and what was there already, noted from what the hosts say of it."""

from __future__ import annotations

from collections.abc import Mapping

from ..control import Message
from ..metainfo.holdings import Holdings
from ..metainfo.values import Info
from .failures import HostFailure
from .outcome import Outcome


def note_staged(outcome: Outcome, info: Info, staged: Mapping[str, Message]) -> None:
    """Note what hosts have before anything moves, given what they said to `control.Stage`."""
    reused: dict[bytes, int] = {}
    for host, message in staged.items():
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


def note_senders(outcome: Outcome, joined: Mapping[str, Message], addresses: Mapping[str, str]) -> None:
    """
    Note who sent what to whom, given what hosts that are complete said to `control.Join`.

    Args:
        addresses: where each host is; several may be at one, and are told apart by their ports then.
    """
    by_port = {(addresses.get(host), one.fields.get("port")): host for host, one in joined.items()}
    at: dict[str, list[str]] = {}
    for host, address in addresses.items():
        at.setdefault(address, []).append(host)
    for host, message in joined.items():
        received = outcome.received.setdefault(host, {})
        for address, port, count in message.fields.get("senders", ()):
            alone = at[address][0] if len(at.get(address, ())) == 1 else ""
            sender = by_port.get((address, port)) or alone
            received[sender] = received.get(sender, 0) + count


def note_uploads(outcome: Outcome, finished: Mapping[str, Message | HostFailure]) -> None:
    """Note what each agent sent, given what they said to `control.Finish`."""
    for host, answer in finished.items():
        if isinstance(answer, Message):
            outcome.uploads[host] = answer.fields.get("bytes_uploaded", 0)


def note_verified(outcome: Outcome, verified: Mapping[str, Message]) -> None:
    """Note how long hosts read, given what they said to `control.Verify`."""
    for host, message in verified.items():
        outcome.noted(host, seconds=message.fields.get("seconds", 0.0))
