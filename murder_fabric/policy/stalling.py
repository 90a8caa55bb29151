"""When a download that gets nothing any more is given up, so that whoever waits for it is told."""

from __future__ import annotations

from collections.abc import Sequence

from .snubbing import ANSWER, STALL_AFTER

#: Seconds without a byte of payload. Snubbing and new announces have long been tried by then (10 s, 15 s).
GIVE_UP_AFTER = 60.0
#: Bytes a second from all peers together that are no progress: one of them that brought less would be hung up
#: on, and would bring a few bytes more each time it is connected to again.
TRICKLE = ANSWER / STALL_AFTER
#: Seconds without a byte once who had the missing pieces has left; time for that one to come back.
ORPHANED_AFTER = 25.0
#: Seconds in which a tracker or a peer must have answered at all; they may be started some seconds later.
REACH_WITHIN = 30.0
#: Seconds of silence that count between two looks, which are a second apart: in the rest it was us who slept.
LONGEST_LOOK = 5.0
#: Peers that a sentence names.
NAMED = 3


class Stall:
    """
    Notes when bytes last came; one download, from its first second on.

    It counts the seconds in which we were awake: in the others nobody can have kept us waiting.

    Args:
        most: seconds of patience, at the start and at any time.
    """

    def __init__(self, *, now: float, most: float = GIVE_UP_AFTER) -> None:
        self._most = most
        self._looked_at = now
        self._awake = 0.0
        self._bytes = 0
        self._reached = False
        self._moved_at = self._source_at = 0.0
        #: Seconds that are left without another byte, and until when they were reckoned.
        self._patience, self._reckoned_at = most, 0.0
        #: When none of them had been spent last, and the bytes that had come until then.
        self._well_at, self._well_with = 0.0, 0

    def never_began(self, reached: bool, *, now: float) -> bool:
        """Return whether to give up since nobody answers; *reached*: a tracker or a peer has, or does now."""
        self._look(now=now)
        self._reached = self._reached or reached
        return not self._reached and self._awake >= REACH_WITHIN

    def is_over(self, byte_count: int, *, now: float) -> bool:
        """
        Return whether it is time to give up.

        There is patience for so many seconds, and each byte buys what it may take at the rate of a `TRICKLE`:
        what comes more slowly puts the end off by a few seconds, and not for ever.

        Args:
            byte_count: payload that came of pieces that are right, or not yet whole: a slow link is no stall,
                however long a piece takes on it. What was wrong, or is begun anew, leaves it again, and only
                more than there ever was buys patience: no peer can sell the same piece twice.
        """
        self._note(byte_count, now=now)
        return self._patience <= 0

    def is_orphaned(self, byte_count: int, *, has_source: bool, now: float) -> bool:
        """
        Return whether to give up since whoever had the rest has left, and has not come back.

        Args:
            byte_count: as in `is_over`.
            has_source: whether all that is missing may still come from somewhere.
        """
        self._note(byte_count, now=now)
        if has_source:
            self._source_at = self._awake
        return self._awake - max(self._source_at, self._moved_at) >= ORPHANED_AFTER

    def came(self) -> str:
        """Return what came while patience was lost, until the last look, for people."""
        count = self._bytes - self._well_with
        if not count:
            return f"nothing new came for {self._most:g} s"
        return f"only {count} new bytes came in {self._awake - self._well_at:.0f} s"

    def _look(self, *, now: float) -> None:
        self._awake += min(now - self._looked_at, LONGEST_LOOK)
        self._looked_at = now

    def _note(self, byte_count: int, *, now: float) -> None:
        self._look(now=now)
        new = max(0, byte_count - self._bytes)
        self._patience += new / TRICKLE - (self._awake - self._reckoned_at)
        self._reckoned_at = self._awake
        if new:
            self._bytes = byte_count
            self._moved_at = self._awake
        if self._patience >= self._most:
            self._patience = self._most
            self._well_at, self._well_with = self._awake, self._bytes


def sentence(
    missing: int, piece_count: int, came: str, peers: Sequence[str], tracker_problem: str | None
) -> str:
    """
    Return why a download is given up, and what to do about it.

    Args:
        came: what `Stall.came` says.
        peers: the addresses of all that are connected.
    """
    lack = f"{missing} of {piece_count} pieces are missing and {came}"
    if tracker_problem is not None:
        return f"{lack}: {tracker_problem}; what is there is kept. Start the tracker again, then the same run"
    more = f" and {len(peers) - NAMED} more" if len(peers) > NAMED else ""
    named = f"from {len(peers)} connected peer{'s' * (len(peers) != 1)} ({', '.join(peers[:NAMED])}{more})"
    among = named if peers else "as no peer is connected"
    return f"{lack} {among}; what is there is kept. Start the seeder again, then the same run"


def orphaned_sentence(missing: int, piece_count: int, peers: int) -> str:
    """Return why a download is given up whose source has left, and what to do about it."""
    left = f"none of the {peers} connected peers has them all" if peers > 1 else "no connected peer has them"
    return (
        f"{missing} of {piece_count} pieces are missing, {left}, and nothing came for {ORPHANED_AFTER:g} s;"
        " what is there is kept. Start the seeder again, then the same run"
    )


def never_began_sentence(tracker_problem: str | None) -> str:
    """Return why a download is given up that has reached neither tracker nor peer."""
    why = "it did not answer" if tracker_problem is None else tracker_problem
    return f"no tracker could be asked for {REACH_WITHIN:g} s: {why}; start the tracker, then the same again"
