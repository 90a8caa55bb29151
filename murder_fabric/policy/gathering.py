"""How much of a block to let come before anybody looks: a look costs more CPU than a packet's bytes do."""

from __future__ import annotations

#: Seconds of a peer's rate that may gather. A piece is of no use before it is whole, so that nobody waits for
#: what gathers; but whoever slows down must be seen to send something, long before it is taken for gone.
GATHERED = 0.1
#: Bytes that may gather. A peer that was fast and now sends less than this in three seconds is slow enough
#: to be asked for nothing more (`policy.snubbing`).
MOST_GATHERED = 32 * 1024


def bytes_to_gather(missing: int, rate: float) -> int:
    """
    Return how many bytes to wait for.

    1. Never more than are *missing* of the block that has begun: with its last byte it is to be looked at.
    2. As many as come in `GATHERED` seconds at the measured *rate* (bytes per second), and at the most
       `MOST_GATHERED`.
    3. Between two blocks, where *missing* is 0, any: what comes next may be as short as a message is.
    """
    return max(1, min(missing, MOST_GATHERED, int(rate * GATHERED)))
