"""When an HTTP origin is asked, for what, and when it is given up (BEP 19)."""

from __future__ import annotations

#: Seconds without a byte from peers after which the origin is asked for what they have, too.
STANDSTILL = 3.0
#: Seconds before the first, second and third attempt after a failure; after another one it is given up.
RETRY_AFTER = (1.0, 2.0, 4.0)


class OriginShare:
    """
    What of the work is an origin's.

    1. Pieces that nobody else who downloads has: it brings in what is missing, as a seeder does, and the
       hosts pass it on to each other. So it sends little more than one copy, however many hosts there are.
    2. Any piece, while peers send nothing: then it is all there is.
    """

    def __init__(self) -> None:
        self._moved_at = float("-inf")

    def peers_sent(self, *, now: float) -> None:
        """A part of a piece came from a peer."""
        self._moved_at = now

    def is_all_there_is(self, *, now: float) -> bool:
        """Return whether peers have sent nothing for so long that nothing is to be waited for."""
        return now - self._moved_at >= STANDSTILL


class OriginTrouble:
    """How often in a row an origin has failed."""

    def __init__(self) -> None:
        self._failures = 0

    def answered(self) -> None:
        """It sent what it was asked for."""
        self._failures = 0

    def failed(self) -> float | None:
        """Return the seconds until it is asked again; None to give it up."""
        self._failures += 1
        return RETRY_AFTER[self._failures - 1] if self._failures <= len(RETRY_AFTER) else None
