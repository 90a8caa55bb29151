"""When a peer that was asked and does not answer is given up: first its pieces, then the connection."""

from __future__ import annotations

from enum import Enum

#: Seconds without a byte of what was asked, after which others are asked (BitTornado: 30, Murder: 10) …
SNUB_AFTER = 3.0
#: … and after which the connection is closed.
STALL_AFTER = 10.0


class Patience(Enum):
    """What to do about a peer."""

    WAIT = "wait"
    #: Ask others for what it owes; if it comes after all, good.
    SNUB = "snub"
    #: Close the connection.
    GIVE_UP = "give up"


def patience_with(waiting_since: float, *, now: float) -> Patience:
    """Return what to do about a peer that owes us blocks and last sent a byte of one at *waiting_since*."""
    waited = now - waiting_since
    if waited >= STALL_AFTER:
        return Patience.GIVE_UP
    return Patience.SNUB if waited >= SNUB_AFTER else Patience.WAIT
