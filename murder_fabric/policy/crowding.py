"""Which addresses have a place in a swarm, and how much of it, so that no host can harm all others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

#: Connections of an address beside one for each host of the run that it has: some are made twice.
BESIDE_HOSTS = 8
#: Connections of an address where nobody said who takes part: half of all places.
OF_A_STRANGER = 30


class Crowding:
    """
    Decides whose connections are taken, and who is called.

    1. Where the run's hosts are known, nobody else is let in or called, and an address has a connection for
       each host that it stands for (a demonstration's hosts are all at 127.0.0.1), and `BESIDE_HOSTS` more.
    2. Where they are not, everybody is let in and called, and has `OF_A_STRANGER`.

    Args:
        hosts: the addresses of the run's hosts, one that several hosts have as often; None: not known.
    """

    def __init__(self, hosts: Iterable[str] | None) -> None:
        self._hosts = None if hosts is None else Counter(hosts)

    def admit(self, hosts: Iterable[str]) -> None:
        """Let *hosts* in too, some of whom may have been let in before."""
        if self._hosts is not None:
            self._hosts |= Counter(hosts)

    def takes_part(self, host: str) -> bool:
        """Return whether there may be a peer at the address *host* at all."""
        return self._hosts is None or host in self._hosts

    def hosts_at(self, host: str) -> int:
        """Return how many peers there may be at the address *host*, one at the least."""
        return OF_A_STRANGER if self._hosts is None else max(1, self._hosts[host])

    def has_room_for(self, host: str, standing: int) -> bool:
        """Return whether one more connection from *host* is taken, where *standing* are there."""
        if self._hosts is None:
            return standing < OF_A_STRANGER
        return self.takes_part(host) and standing < self._hosts[host] + BESIDE_HOSTS
