"""How much a peer may say, beside the payload, before it is one that only wants to be listened to."""

from __future__ import annotations

#: Words at once, and how many more come with each second. To take in a word costs about 10 µs of CPU.
AT_ONCE, A_SECOND = 1000.0, 50.0
#: Payload for which one may say a word more: of 16 KiB each may be a piece that is wanted, asked for, and
#: then not wanted any more.
BYTES_A_WORD = 4096
#: Words of somebody who has not proven yet that it belongs to the run: a handshake needs ten.
UNPROVEN = 100.0
#: Addresses whose budgets are kept while nobody is connected there.
MOST_KEPT = 1000


class Chatter:
    """
    The budget of words of one connection.

    1. It begins with *most*.
    2. When that is spent it is filled up, to *most* at the most: with `A_SECOND` as time went by, and a word
       for each `BYTES_A_WORD` that moved between the two. Whoever takes part has to talk, and the more the
       faster it goes.
    3. Whoever says more than that has said too much.

    To count a word must cost next to nothing: hence the two steps.
    """

    __slots__ = ("_left", "_most", "_moved", "_since")

    def __init__(self, most: float, *, now: float) -> None:
        self._left = self._most = most
        self._moved = 0
        self._since = now

    def ended(self, moved: int, *, now: float) -> None:
        """The connection is gone, over which *moved* bytes went: the next has moved nothing yet."""
        self.filled(moved, now=now)
        self._moved = 0

    def left(self, *, now: float) -> float:
        """Return how many words may be said, if nothing moves."""
        return min(self._most, self._left + (now - self._since) * A_SECOND)

    def said(self, words: float) -> bool:
        """Count *words*; return whether that was within the budget. If not, it is to be `filled`."""
        self._left -= words
        return self._left >= 0

    def filled(self, moved: int, *, now: float) -> bool:
        """Fill the budget up; return whether that was enough. *moved*: payload bytes of the connection."""
        earned = (now - self._since) * A_SECOND + (moved - self._moved) / BYTES_A_WORD
        self._left = min(self._most, self._left + earned)
        self._moved, self._since = moved, now
        return self._left >= 0


class Chatters:
    """
    The budgets of all connections, of which each address has as many as it has connections at a time.

    Whoever hangs up and comes again finds the budget that it left behind, and none that is new.

    Args:
        pieces: of the torrent; news of each comes once.
        files: of the torrent; whoever holds some of them asks for what lies between, in small parts.
    """

    def __init__(self, pieces: int, files: int) -> None:
        self._most = AT_ONCE + 2 * pieces + files
        self._hosts: dict[Chatter, str] = {}
        self._idle: dict[str, list[Chatter]] = {}

    def joined(self, host: str, *, now: float) -> Chatter:
        """Return the budget of a new connection with *host*: the best of those left behind, or a new one."""
        idle = self._idle.get(host)
        if idle:
            chatter = max(idle, key=lambda one: one.left(now=now))
            idle.remove(chatter)
        else:
            chatter = Chatter(self._most, now=now)
        self._hosts[chatter] = host
        return chatter

    def left(self, chatter: Chatter, moved: int, *, now: float) -> None:
        """The connection with this budget is gone, *moved*: see `Chatter`; one not of here is passed over."""
        host = self._hosts.pop(chatter, None)
        if host is not None:
            chatter.ended(moved, now=now)
            self._idle.setdefault(host, []).append(chatter)
            if len(self._idle) > MOST_KEPT:
                del self._idle[next(iter(self._idle))]
