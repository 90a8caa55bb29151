"""How many bytes may move now, where somebody set a limit: a bucket that fills as time goes by."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import BadInput

#: Seconds of a limit that may move at once; SSH does not notice a link that is taken for so long.
BURST = 0.1
#: Bytes a connection moves at the least when it is its turn: a system call for less is not worth it.
LEAST_SHARE = 4096
#: Bytes a second that a peer we serve is to have. One that has next to nothing takes us for dead
#: (`policy.snubbing`), so with less to give we serve fewer at a time.
FED = 20_000
#: Seconds within which each connection is to be read from: the kernel of whoever sends ends one that takes
#: nothing for ten (`net.peer_protocol.USER_TIMEOUT`).
ROUND = 5.0


@dataclass(frozen=True)
class Limits:
    """What one swarm may take of the network; None: whatever is there."""

    #: Bytes a second, all connections together.
    upload: int | None = None
    download: int | None = None
    #: What routers are told of its packets (RFC 2474, 0 to 63); None: nothing.
    dscp: int | None = None

    def __post_init__(self) -> None:
        given = [value for value in (self.upload, self.download) if value is not None]
        if min(given, default=1) <= 0 or not (self.dscp is None or 0 <= self.dscp <= 63):
            raise BadInput(f"limits that cannot be meant: {self}")


NO_LIMITS = Limits()


class TokenBucket:
    """
    Counts what moved against what may.

    1. *burst* seconds of the limit may move at once, and from then on what comes in as time goes by.
    2. Whoever begins while anything is left may move more than that; it is made up for before the next may.

    Args:
        rate: bytes a second, or whatever else is counted, more than 0.
    """

    def __init__(self, rate: float, burst: float = BURST, *, now: float) -> None:
        self._rate = rate
        self._left = self._most = rate * burst
        self._since = now

    def moved(self, length: int, *, now: float) -> None:
        """*length* bytes have moved."""
        self._left = self.left(now=now) - length
        self._since = now

    def left(self, *, now: float) -> float:
        """Return how many bytes may move; what is to be made up for is negative."""
        return min(self._most, self._left + (now - self._since) * self._rate)

    def wait(self, length: int, *, now: float) -> float:
        """Return the seconds until *length* bytes may move, or as many as ever may."""
        return max(0.0, (min(length, self._most) - self.left(now=now)) / self._rate)

    def share(self, waiting: int) -> int:
        """Return the bytes that one of *waiting* connections moves when it is its turn."""
        return max(LEAST_SHARE, int(self._most / max(1, waiting)))


def connections_read(download: int | None, most: int) -> int:
    """Return how many connections to have with *download* bytes a second, *most* without a limit."""
    return most if download is None else max(2, min(most, int(download * ROUND / LEAST_SHARE)))


def slots_fed(upload: int | None, most: int) -> int:
    """Return how many peers to serve at a time with *upload* bytes a second, *most* without a limit."""
    return most if upload is None else max(1, min(most, upload // FED))
