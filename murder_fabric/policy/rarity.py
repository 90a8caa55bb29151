"""Piece indices sorted by how often something was seen, so that the rarest is found at once."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Callable

_NOWHERE = -1


class RarityBuckets:
    """
    A set of piece indices, each with a count; one bucket of indices per count.

    Every change costs the same however many pieces there are: within a bucket the last index takes the place
    of the one that leaves. Counts are kept for indices outside the set too.
    """

    def __init__(self, count: int, members: Iterable[int], rng: random.Random) -> None:
        self._rng = rng
        self._seen = [0] * count
        self._place = [_NOWHERE] * count
        self._buckets: list[list[int]] = [[]]
        self._size = 0
        for index in members:
            self.add(index)

    def __len__(self) -> int:
        return self._size

    def __contains__(self, index: int) -> bool:
        return self._place[index] != _NOWHERE

    def add(self, index: int) -> None:
        """Put *index* in; once more is no change."""
        if index not in self:
            self._put(index)
            self._size += 1

    def discard(self, index: int) -> None:
        """Take *index* out; once more is no change."""
        if index in self:
            self._pull(index)
            self._size -= 1

    def shift(self, index: int, step: int) -> None:
        """Change the count of *index* by *step*."""
        inside = self._place[index] != _NOWHERE
        if inside:
            self._pull(index)
        self._seen[index] += step
        if inside:
            self._put(index)

    def rarest(
        self, accept: Callable[[int], bool] | None = None, *, least: int = 0, most: int | None = None
    ) -> int | None:
        """Return an index that *accept* takes, of the lowest count from *least* to *most*, ties by chance."""
        for bucket in self._buckets[least : None if most is None else most + 1]:
            if not bucket:
                continue
            start = self._rng.randrange(len(bucket))
            for place in range(start - len(bucket), start):
                if accept is None or accept(bucket[place]):
                    return bucket[place]
        return None

    def _put(self, index: int) -> None:
        seen = self._seen[index]
        while len(self._buckets) <= seen:
            self._buckets.append([])
        self._place[index] = len(self._buckets[seen])
        self._buckets[seen].append(index)

    def _pull(self, index: int) -> None:
        bucket, place = self._buckets[self._seen[index]], self._place[index]
        last = bucket.pop()
        if last != index:
            bucket[place] = last
            self._place[last] = place
        self._place[index] = _NOWHERE
