"""Which peers the tracker names to one that asks."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import islice
from typing import Generic, Protocol, TypeVar


class Member(Protocol):
    """All that handing out needs to know of a peer."""

    @property
    def complete(self) -> bool: ...


M = TypeVar("M", bound=Member)

#: Complete members named to each who still lacks something: one would do, unless it just died.
SEEDERS = 4
#: Latest members named to each, so that a newcomer is soon known to others.
NEWCOMERS = 6


class Pool(Generic[M]):
    """Members that are drawn by their place in `members`, and dropped at once, however many there are."""

    def __init__(self) -> None:
        #: In any order; who is dropped leaves its place to the last one.
        self.members: list[M] = []
        #: id -> place, in the order in which they came.
        self._places: dict[int, int] = {}

    def add(self, member: M) -> None:
        """Take a member that is not here."""
        self._places[id(member)] = len(self.members)
        self.members.append(member)

    def drop(self, member: M) -> None:
        """Let go of a member that is here."""
        place, last = self._places.pop(id(member)), self.members.pop()
        if last is not member:
            self.members[place] = last
            self._places[id(last)] = place

    def latest(self) -> Iterator[int]:
        """Yield the places of the members, whoever came last first."""
        return reversed(self._places.values())

    def place(self, member: M) -> int | None:
        """Return where a member is, if it is here."""
        return self._places.get(id(member))


def hand_out(asker: M, seeders: Pool[M], leechers: Pool[M], count: int, rng: random.Random) -> list[M]:
    """
    Return at most *count* of *seeders*, who are complete, and *leechers*, who are not, for *asker*.

    1. A complete member has no use for another: it is told of the incomplete ones.
    2. If all of them fit, all are named; the asker itself, which may be among them, never is.
    3. Otherwise some complete ones and the latest newcomers are always among those named, so that
       everybody knows a source and the graph of who knows whom stays in one piece; the rest is chance,
       so that nobody is known to all.

    The result is in random order, because clients dial from the front.
    """
    sources = [] if asker.complete else seeders.members
    # Places of the leechers first, then those of the sources: numbers are what chance is quick with.
    leecher_count = len(leechers.members)
    total = leecher_count + len(sources)
    own = leechers.place(asker)
    if total - (own is not None) <= count:
        chosen = [place for place in range(total) if place != own]
        rng.shuffle(chosen)
    else:
        # A dictionary keeps the order and takes nobody twice; the asker stands at its front, and is left out.
        passed_over = () if own is None else (own,)
        taken = dict.fromkeys(passed_over)
        sure = min(SEEDERS, len(sources), count)
        _draw(sure, leecher_count, total, taken, rng)
        # One more is looked at, as the asker may be among them.
        latest = [place for place in islice(leechers.latest(), NEWCOMERS + 1) if place != own]
        latest = latest[: min(NEWCOMERS, count - sure)]
        taken.update(dict.fromkeys(latest))
        sure += len(latest)
        _draw(count - sure, 0, total, taken, rng)
        chosen = list(taken)[len(passed_over) :]
        # Chance has put the others in random order already.
        for at in range(sure):
            other = at + int(rng.random() * (count - at))
            chosen[at], chosen[other] = chosen[other], chosen[at]
    incomplete = leechers.members
    return [incomplete[at] if at < leecher_count else sources[at - leecher_count] for at in chosen]


def _draw(count: int, first: int, end: int, taken: dict[int, None], rng: random.Random) -> None:
    """Take *count* more numbers from *first* on and below *end*; as many there must not be *taken* yet."""
    chance, width, full = rng.random, end - first, len(taken) + count
    while len(taken) < full:
        taken[first + int(chance() * width)] = None
