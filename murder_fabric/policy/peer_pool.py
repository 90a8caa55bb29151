"""Which addresses to connect to, and when to try one again."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from .crowding import BESIDE_HOSTS

#: Host and port.
Address = tuple[str, int]

#: Seconds before the first, second, third and every later attempt after a failure, each with jitter.
BACKOFF = (1.0, 2.0, 4.0, 8.0)


@dataclass
class _Known:
    """What we know of one address."""

    failures: int = 0
    not_before: float = 0.0
    #: Being dialed, or connected (by us or by them).
    busy: bool = False


class PeerPool:
    """
    The addresses a tracker named, and how each has behaved.

    An address that fails is tried again after 1, 2, 4, then every 8 seconds: a host that restarts or a link
    that heals is found again, and a dead one costs one packet now and then. A connection that stands is no
    success yet: whoever has run out of descriptors takes it and closes it at once.

    Of one host as many addresses are known as peers may be there, and `BESIDE_HOSTS` more: thousands of ports
    that a tracker names crowd out no other host. Where there is no room for another address, those that have
    failed after each of the waits make it.

    Args:
        hosts_at: how many peers there may be at a host.
        most: addresses that are known.
    """

    def __init__(self, rng: random.Random, hosts_at: Callable[[str], int], most: int = 1000) -> None:
        self._rng = rng
        self._hosts_at = hosts_at
        self._most = most
        self._known: dict[Address, _Known] = {}
        self._known_of: Counter[str] = Counter()
        self._shunned: set[Address] = set()

    def __len__(self) -> int:
        return len(self._known)

    def learned(self, addresses: Iterable[Address]) -> None:
        """Somebody told us of *addresses*; those shunned, and those beyond the limits, are passed over."""
        for address in addresses:
            self._meet(address)

    def shunned(self, address: Address) -> None:
        """
        *address* is of no use to us, however often we are told of it: ourselves, or somebody we banned.

        opentracker hands every peer its own address.
        """
        self._forget(address)
        if len(self._shunned) < self._most:
            self._shunned.add(address)

    def due(self, count: int, *, now: float) -> list[Address]:
        """Return at most *count* addresses to dial now, by chance; they count as busy from here on."""
        ready = [a for a, known in self._known.items() if not known.busy and known.not_before <= now]
        chosen = self._rng.sample(ready, min(max(count, 0), len(ready)))
        for address in chosen:
            self._known[address].busy = True
        return chosen

    def connected(self, address: Address) -> None:
        """A connection with *address* stands."""
        known = self._meet(address)
        if known is not None:
            known.busy = True

    def failed(self, address: Address, *, useful: bool = False, now: float) -> None:
        """
        Dialing *address* failed, or the connection with it was lost.

        After one that was *useful* the seconds are counted from the first step again.
        """
        known = self._known.get(address)
        if known is None:
            return
        if useful:
            known.failures = 0
        delay = BACKOFF[min(known.failures, len(BACKOFF) - 1)]
        known.failures += 1
        known.busy = False
        known.not_before = now + delay * self._rng.uniform(0.75, 1.25)
        if known.failures > len(BACKOFF) and not self._has_room_for(address[0]):
            self._forget(address)

    def _meet(self, address: Address) -> _Known | None:
        known = self._known.get(address)
        if known is None and address not in self._shunned and self._has_room_for(address[0]):
            known = self._known[address] = _Known()
            self._known_of[address[0]] += 1
        return known

    def _has_room_for(self, host: str) -> bool:
        share = self._hosts_at(host) + BESIDE_HOSTS
        return len(self._known) < self._most and self._known_of[host] < share

    def _forget(self, address: Address) -> None:
        if self._known.pop(address, None) is not None:
            self._known_of[address[0]] -= 1
            if not self._known_of[address[0]]:
                del self._known_of[address[0]]
