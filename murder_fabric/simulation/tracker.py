"""The simulated tracker: the production registry and its bytes, with a life of its own."""

from __future__ import annotations

import random

from ..errors import TrackerError
from ..tracker.announcing import encode_response, parse_announce
from ..tracker.registry import Registry

#: What rules of the network call it.
TRACKER = "tracker"


class Tracker:
    """Answers announces while it is up; what it knows it forgets when it restarts."""

    def __init__(self, info_hash: bytes, rng: random.Random) -> None:
        self.up = True
        self._info_hash = info_hash
        self._rng = rng
        self._hosts: list[str] = []
        self.restart()

    def allow(self, host: str) -> None:
        """Let *host* join."""
        self._hosts.append(host)
        self._registry.allow(self._info_hash, (host,))

    def restart(self) -> None:
        """Come up, and know nobody."""
        self.up = True
        self._registry = Registry((), rng=self._rng)
        self._registry.allow(self._info_hash, self._hosts)

    def answer(self, query: bytes, host: str, *, now: float) -> bytes:
        """
        Return the answer to the announce *query* from *host*.

        Raises:
            TrackerError: it is not up, or refuses.
        """
        if not self.up:
            raise TrackerError("connection refused")
        self._registry.expire(now=now)
        return encode_response(self._registry.announce(parse_announce(query), host, now=now), True)
