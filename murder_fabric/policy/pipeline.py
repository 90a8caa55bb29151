"""How much to keep asked for at one peer, so that its link never idles and it never hoards pieces."""

from __future__ import annotations

#: Seconds of a peer's rate that stay asked for: well above a round trip inside a data centre.
AHEAD = 0.1
#: The same for peers that serve blocks of 16 KiB only: Transmission looks at its requests twice a second.
STOCK_AHEAD = 1.0
#: Blocks of 16 KiB kept asked for at the least, for peers that serve no longer ones …
FEWEST_BLOCKS = 16
#: … and whole pieces, for those that do.
FEWEST_PIECES = 2


def bytes_ahead(rate: float, request_length: int, piece_length: int) -> int:
    """
    Return how many bytes to keep asked for.

    1. Enough for `AHEAD` seconds at the measured *rate* (bytes per second), `STOCK_AHEAD` for stock clients.
    2. At least two requests of a whole piece, or sixteen of 16 KiB: one on its way, one being served.
    3. Never more than four pieces, or 4 MiB where those are smaller: what is asked of a peer that then fails
       has to be asked for again.
    """
    if request_length >= piece_length:
        fewest, seconds = FEWEST_PIECES * piece_length, AHEAD
    else:
        fewest, seconds = FEWEST_BLOCKS * request_length, STOCK_AHEAD
    most = max(4 * piece_length, 4 << 20)
    return max(fewest, min(most, int(rate * seconds)))
