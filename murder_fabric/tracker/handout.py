"""Which peers the tracker names to one that asks."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Protocol, TypeVar


class Member(Protocol):
    """All that handing out needs to know of a peer."""

    @property
    def complete(self) -> bool: ...


M = TypeVar("M", bound=Member)

#: Complete members named to each who still lacks something: one would do, unless it just died.
SEEDERS = 4
#: Latest members named to each, so that a newcomer is soon known to others.
NEWCOMERS = 6


def hand_out(asker: Member, others: Sequence[M], count: int, rng: random.Random) -> list[M]:
    """
    Return at most *count* of *others* (in the order they joined, *asker* not among them) for *asker*.

    1. A complete member has no use for another: it is told of the incomplete ones.
    2. If all of them fit, all are named.
    3. Otherwise some complete ones and the latest newcomers are always among those named, so that
       everybody knows a source and the graph of who knows whom stays in one piece; the rest is chance,
       so that nobody is known to all.

    The result is in random order, because clients dial from the front.
    """
    candidates = [member for member in others if not (asker.complete and member.complete)]
    if len(candidates) > count:
        seeders = [member for member in candidates if member.complete]
        chosen = rng.sample(seeders, min(SEEDERS, len(seeders), count))
        taken = {id(member) for member in chosen}
        latest = [member for member in candidates[-NEWCOMERS:] if id(member) not in taken]
        chosen += latest[: count - len(chosen)]
        taken.update(map(id, latest))
        rest = [member for member in candidates if id(member) not in taken]
        candidates = chosen + rng.sample(rest, min(count - len(chosen), len(rest)))
    rng.shuffle(candidates)
    return candidates
