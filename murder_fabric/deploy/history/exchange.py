"""Who sent to whom, small enough to keep and to look at: where there are many hosts, neighbours together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ..ranges import fold
from .record import MOST_ROWS, Exchange


def exchange_of(hosts: Sequence[str], received: Mapping[str, Mapping[str, int]]) -> Exchange:
    """
    Return the table of what moved among *hosts*.

    Args:
        hosts: in the order in which they were named, which is most often that of racks.
        received: bytes by receiver and then by sender; a sender that is none of *hosts* is elsewhere.
    """
    if not any(received.values()):
        return Exchange()
    size = math.ceil(len(hosts) / MOST_ROWS)
    groups = [hosts[start : start + size] for start in range(0, len(hosts), size)]
    row_of = {host: number for number, group in enumerate(groups) for host in group}
    elsewhere = len(groups)
    sent = [[0] * len(groups) for _ in range(elsewhere + 1)]
    for receiver, senders in received.items():
        if receiver in row_of:
            for sender, count in senders.items():
                sent[row_of.get(sender, elsewhere)][row_of[receiver]] += count
    if not any(sent[elsewhere]):
        del sent[elsewhere]
    return Exchange([fold(group) for group in groups], sent)
