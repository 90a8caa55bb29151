"""Asking hosts to make ready for the payload, where the torrent may come from one of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from ..control import Message
from .failures import HostFailure, printable
from .muster import PAYLOAD_TIMEOUT, SILENCE_LIMIT, Muster
from .ranges import fold
from .spreading import Offer


def ask_to_stage(
    muster: Muster, requests: Mapping[str, Message], offer: Offer | None
) -> tuple[dict[str, Message | HostFailure], dict[str, str]]:
    """
    Ask every host; one that cannot have the torrent by *offer* is sent it, without waiting for the others.

    Args:
        requests: `control.Stage` for each host, with the torrent attached.
        offer: where hosts get it, and not from here; None: nowhere else.

    Returns:
        What each answered in the end, and why some could not have it.
    """
    channels, counting = muster.channels, muster.counting()
    unfetched: dict[str, str] = {}
    later: list[Callable[[], Mapping[str, Message | HostFailure]]] = []

    def on_answer(host: str, answer: Message | HostFailure) -> None:
        why = answer.fields.get("unfetched") if isinstance(answer, Message) else None
        if why is None:
            counting(host, answer)
            return
        unfetched[host] = str(why)
        again = channels.begin({host: requests[host]})
        later.append(partial(again.wait, PAYLOAD_TIMEOUT, silence=SILENCE_LIMIT, on_answer=counting))

    first = requests
    if offer is not None:
        first = {host: Message({**one.fields, **offer.fields()}) for host, one in requests.items()}
    answers = channels.ask(first, PAYLOAD_TIMEOUT, silence=SILENCE_LIMIT, on_answer=on_answer)
    for wait in later:
        answers.update(wait())
    return answers, unfetched


def told_of_unfetched(unfetched: Mapping[str, str]) -> list[str]:
    """Say which hosts were sent the torrent all the same, and what the first of them said of why."""
    if not unfetched:
        return []
    why = printable(next(iter(unfetched.values())))
    return [f"{fold(unfetched)} took the torrent over SSH ({why})"]
