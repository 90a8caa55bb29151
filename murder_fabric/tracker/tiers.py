"""In which order a torrent's trackers are asked (BEP 12)."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator


class Tiers:
    """
    Announce URLs in tiers: all of a tier before the next one, within a tier what answered last first.

    Args:
        tiers: as in `announce-list`; a torrent with `announce` alone is `[[announce]]`.
        rng: shuffles each tier once, so that a tier's trackers share the load.
    """

    def __init__(self, tiers: Iterable[Iterable[str]], rng: random.Random) -> None:
        self._tiers = [list(dict.fromkeys(tier)) for tier in tiers]
        for tier in self._tiers:
            rng.shuffle(tier)

    def __iter__(self) -> Iterator[str]:
        """Yield each URL in the order to try now, once."""
        yield from dict.fromkeys(url for tier in self._tiers for url in tier)

    def answered(self, url: str) -> None:
        """Ask *url* before the others of its tier from now on."""
        for tier in self._tiers:
            if url in tier:
                tier.remove(url)
                tier.insert(0, url)
