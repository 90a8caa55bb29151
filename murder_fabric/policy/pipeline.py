"""How much to keep asked for at one peer, so that its link never idles and it never hoards pieces."""

from __future__ import annotations

#: Seconds of a peer's rate that stay asked for, beside those that a question and its answer are on their way.
AHEAD = 0.1
#: The same for peers that serve blocks of 16 KiB only: Transmission looks at its requests twice a second.
STOCK_AHEAD = 1.0
#: Seconds that a question and its answer are believed to be on their way, at the most: what waits behind much
#: else takes longer.
LONGEST_WAY = 1.0
#: Blocks of 16 KiB kept asked for at the least, for peers that serve no longer ones …
FEWEST_BLOCKS = 16
#: … and whole pieces, for those that do.
FEWEST_PIECES = 2
#: Seconds that one block may take: while it is on its way, nothing else can be said over that connection.
BLOCK_SECONDS = 2.0
#: Bytes of a block of 16 KiB, and of the first ones asked of a peer, whose rate nobody knows yet.
SHORTEST, FIRST = 16 << 10, 64 << 10


def block_length(rate: float, piece_length: int) -> int:
    """
    Return the length of the blocks to ask for, of a peer that serves whole pieces.

    1. What comes in `BLOCK_SECONDS` at the measured *rate* (bytes per second): all of a piece, on most links.
    2. `FIRST` where there is no rate yet, and never less than `SHORTEST`, though even that takes seconds
       where thirty peers share a slow link.
    """
    wanted = FIRST if rate == 0 else int(rate * BLOCK_SECONDS) // SHORTEST * SHORTEST
    return min(piece_length, max(SHORTEST, wanted))


def bytes_ahead(rate: float, way: float, request_length: int, piece_length: int) -> int:
    """
    Return how many bytes to keep asked for.

    1. Twice what comes at the measured *rate* (bytes per second) while a question and its answer are on
       their *way* (seconds), so that it grows until the rate no longer does; and what comes in `AHEAD`
       seconds more, `STOCK_AHEAD` for stock clients.
    2. At least two requests of a whole piece, or sixteen of 16 KiB: one on its way, one being served.
    3. Never more than four pieces, or 4 MiB where those are smaller: what is asked of a peer that then fails
       has to be asked for again.
    """
    if request_length >= piece_length:
        fewest, seconds = FEWEST_PIECES * piece_length, AHEAD
    else:
        fewest, seconds = FEWEST_BLOCKS * request_length, STOCK_AHEAD
    most = max(4 * piece_length, 4 << 20)
    return max(fewest, min(most, int(rate * (seconds + 2 * min(way, LONGEST_WAY)))))
