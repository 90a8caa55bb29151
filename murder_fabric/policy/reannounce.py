"""When to announce again."""

from __future__ import annotations

import random

#: Fewer peers than this, and a leecher is short of them.
ENOUGH_PEERS = 4
#: Seconds to wait after the first, second, ... announce in a row that did not help; the last one stays. With
#: `JITTER` and what it takes to connect, a host begins within five seconds of its tracker.
LADDER = (1.0, 2.0, 4.0)
#: Share of a delay that is added or taken by chance, so that hosts started together drift apart.
JITTER = 0.1


def next_announce(
    interval: float, *, failures: int, fruitless: int, left: int, peers: int, rng: random.Random
) -> float:
    """
    Return the seconds to wait until the next announce.

    1. While the tracker is down, the ladder: it may be about to start.
    2. While we lack bytes and peers to get them from, the ladder too, though never slower than
       *interval*: a tracker restarted empty, or started before the seeder, fills within seconds.
    3. Otherwise what the tracker asked for.

    Args:
        interval: seconds, as the tracker asked the last time it answered.
        failures: announces in a row that failed.
        fruitless: announces in a row that were answered while we were short of peers.
        left: bytes we lack.
        peers: connections we could download from.
        rng: jitter.
    """
    if failures:
        delay = _rung(failures)
    elif left and peers < ENOUGH_PEERS:
        delay = min(_rung(fruitless), interval)
    else:
        delay = interval
    return delay * rng.uniform(1 - JITTER, 1 + JITTER)


def _rung(times: int) -> float:
    return LADDER[min(max(times, 1), len(LADDER)) - 1]
