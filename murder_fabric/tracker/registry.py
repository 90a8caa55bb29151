"""Who is in which swarm: the state of a tracker."""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from ..errors import TrackerError
from .addresses import PeerAddress, canonical_host
from .announcing import AnnounceRequest, AnnounceResponse
from .handout import Pool, hand_out
from .scraping import ScrapeEntry
from .statistics import MemberStanding, SwarmStanding

#: Seconds between announces; Murder's.
INTERVAL = 15.0
#: Seconds without an announce after which a peer is gone; Murder's.
SILENCE = 120.0
#: Peers named in one answer. A full one stays below 1 KiB: 18 bytes each, or some 60 as dictionaries.
MOST_COMPACT, MOST_DICTIONARIES = 50, 15
#: Peers of one swarm that are remembered.
MAX_MEMBERS = 10_000
#: Of those, peers of one address beside one for each host there: who is started again may be another peer.
BESIDE_HOSTS = 8
#: Peers of one address where nobody said who takes part: a tenth, and more than run on one machine or behind
#: one router.
OF_A_STRANGER = 1_000
#: What strangers can make a tracker without an allow-list remember: swarms, and peers of all those together.
MAX_SWARMS, MAX_STRANGERS = 1_000, 20_000


@dataclass
class _Member:
    """A peer, as it last announced itself."""

    address: PeerAddress
    peer_id: bytes
    left: int
    downloaded: int
    uploaded: int
    seen: float

    @property
    def complete(self) -> bool:
        return self.left == 0


@dataclass
class _Swarm:
    """Everybody at one info hash, in the order they joined; `downloaded` counts who got complete."""

    members: dict[PeerAddress, _Member] = field(default_factory=dict)
    #: host -> peer id -> member.
    ids: dict[str, dict[bytes, _Member]] = field(default_factory=dict)
    seeders: Pool[_Member] = field(default_factory=Pool)
    leechers: Pool[_Member] = field(default_factory=Pool)
    downloaded: int = 0

    def add(self, member: _Member, most: int) -> None:
        """
        Put *member* in the place of whoever was at its address, and of itself at another port.

        Where its host has *most* members already, the one of them that has been silent longest goes.
        """
        host = member.address.host
        for former in (self.members.get(member.address), self.ids.get(host, {}).get(member.peer_id)):
            if former is not None:
                self.remove(former)
        there = self.ids.get(host, {})
        if len(there) >= most:
            self.remove(min(there.values(), key=lambda one: one.seen))
        self.members[member.address] = member
        self.ids.setdefault(host, {})[member.peer_id] = member
        self._pool(member).add(member)

    def renew(self, member: _Member, request: AnnounceRequest, now: float) -> None:
        """Note what *member* says of itself now."""
        if member.complete != (request.left == 0):
            self._pool(member).drop(member)
            member.left = request.left
            self._pool(member).add(member)
        member.left, member.seen = request.left, now
        member.downloaded, member.uploaded = request.downloaded, request.uploaded

    def remove(self, member: _Member) -> None:
        del self.members[member.address]
        there = self.ids[member.address.host]
        del there[member.peer_id]
        if not there:
            del self.ids[member.address.host]
        self._pool(member).drop(member)

    def entry(self) -> ScrapeEntry:
        return ScrapeEntry(len(self.seeders.members), self.downloaded, len(self.leechers.members))

    def _pool(self, member: _Member) -> Pool[_Member]:
        return self.seeders if member.complete else self.leechers


class Registry:
    """
    Takes announces and answers them.

    Each address has a share of a swarm's members, so that none can fill it with peers that do not exist: who
    announces more pushes out its own.

    Args:
        allowed: the info hashes it tracks; none: whatever is announced.
        rng: chooses whom to name to whom.
        interval: seconds it asks peers to wait between announces.
    """

    def __init__(
        self, allowed: Collection[bytes] | None, *, rng: random.Random, interval: float = INTERVAL
    ) -> None:
        self._open = allowed is None
        self._hosts: dict[bytes, Counter[str] | None] = dict.fromkeys(allowed or ())
        self._rng = rng
        self._interval = interval
        self._swarms: dict[bytes, _Swarm] = {}
        #: Announces that were answered, since the start.
        self.announce_count = 0

    def allow(self, info_hash: bytes, hosts: Collection[str] | None = None) -> None:
        """
        Track *info_hash* from now on, for *hosts* beside those named before; none: for everybody.

        An address that several hosts have is named as often.

        Raises:
            ValueError: a host that is no IP address.
        """
        if hosts is None:
            self._hosts[info_hash] = None
            return
        known = self._hosts.get(info_hash) or Counter[str]()
        self._hosts[info_hash] = known | Counter(map(canonical_host, hosts))

    def is_for(self, info_hash: bytes, host: str) -> bool:
        """Say whether *host* may hear of *info_hash*, which may be for some hosts only."""
        return self.hosts_at(info_hash, host) != 0

    def hosts_at(self, info_hash: bytes, host: str) -> int | None:
        """Return how many hosts of *info_hash* have the address *host*; None where it is for everybody."""
        hosts = self._hosts.get(info_hash)
        return None if hosts is None else hosts[canonical_host(host)]

    def announce(self, request: AnnounceRequest, host: str, *, now: float) -> AnnounceResponse:
        """
        Remember the peer that made *request* from *host*, and name it others.

        Raises:
            TrackerError: the info hash is not tracked here, or not for that host; nothing was remembered.
        """
        host = canonical_host(host)
        swarm = self._swarm(request.info_hash, host)
        address = PeerAddress(host, request.port)
        member = swarm.members.get(address)
        if member is not None and member.peer_id != request.peer_id:
            member = None
        if address not in swarm.members:
            self._must_have_room(request.info_hash, swarm)
        self.announce_count += 1
        # Also on leaving: who does not stay to seed may say `stopped` alone, with nothing left.
        if request.left == 0 and (request.event == "completed" if member is None else not member.complete):
            swarm.downloaded += 1
        if request.event == "stopped":
            if member is not None:
                swarm.remove(member)
            return self._answer(request.info_hash, swarm, [])
        if member is None:
            member = _Member(address, request.peer_id, request.left, 0, 0, now)
            swarm.add(member, self._share(request.info_hash, host))
            self._swarms[request.info_hash] = swarm
        swarm.renew(member, request, now)
        count = min(request.num_want, MOST_COMPACT if request.compact else MOST_DICTIONARIES)
        named = hand_out(member, swarm.seeders, swarm.leechers, count, self._rng)
        return self._answer(request.info_hash, swarm, named)

    def scrape(self, info_hashes: Iterable[bytes]) -> dict[bytes, ScrapeEntry]:
        """Return the numbers of each of *info_hashes* that has a swarm, or may have one."""
        nobody = _Swarm()
        return {
            info_hash: self._swarms.get(info_hash, nobody).entry()
            for info_hash in info_hashes
            if info_hash in self._swarms or info_hash in self._hosts
        }

    def totals(self) -> ScrapeEntry:
        """Return the numbers of all swarms together."""
        entries = [swarm.entry() for swarm in self._swarms.values()]
        return ScrapeEntry(*map(sum, zip(*entries))) if entries else ScrapeEntry(0, 0, 0)

    @property
    def swarm_count(self) -> int:
        """How many swarms there are."""
        return len(self._swarms)

    def standing(self, most: int, *, now: float) -> list[SwarmStanding]:
        """
        Return *most* swarms at most with those in them, as they last announced themselves.

        Those that were allowed come before those of strangers, and then those that many are in.
        """

        def weight(item: tuple[bytes, _Swarm]) -> tuple[bool, int]:
            return item[0] in self._hosts, len(item[1].members)

        return [
            SwarmStanding(
                info_hash,
                swarm.entry(),
                [
                    MemberStanding(one.address, one.left, one.downloaded, one.uploaded, now - one.seen)
                    for one in swarm.members.values()
                ],
            )
            for info_hash, swarm in heapq.nlargest(most, self._swarms.items(), key=weight)
        ]

    def expire(self, *, now: float) -> None:
        """Forget who has been silent for `SILENCE` seconds; swarms of strangers end with their last peer."""
        for info_hash, swarm in list(self._swarms.items()):
            for member in [m for m in swarm.members.values() if now - m.seen >= SILENCE]:
                swarm.remove(member)
            self._drop_if_empty(info_hash, swarm)

    def _swarm(self, info_hash: bytes, host: str) -> _Swarm:
        """Return the swarm that *host* may announce to, a new one if need be; nothing is remembered yet."""
        if info_hash in self._hosts:
            if not self.is_for(info_hash, host):
                raise TrackerError("this torrent is not for your address")
        elif not self._open:
            raise TrackerError("this torrent is not tracked here")
        elif info_hash not in self._swarms and len(self._swarms) >= MAX_SWARMS:
            raise TrackerError(f"this tracker already has {MAX_SWARMS} swarms")
        return self._swarms.get(info_hash) or _Swarm()

    def _share(self, info_hash: bytes, host: str) -> int:
        """Return how many peers of *host* are remembered in one swarm."""
        hosts = self.hosts_at(info_hash, host)
        return OF_A_STRANGER if hosts is None else hosts + BESIDE_HOSTS

    def _must_have_room(self, info_hash: bytes, swarm: _Swarm) -> None:
        """Raise `TrackerError` where no further peer of *swarm* is remembered."""
        if len(swarm.members) >= MAX_MEMBERS:
            raise TrackerError(f"this swarm already has {MAX_MEMBERS} peers")
        if info_hash not in self._hosts:
            strangers = sum(len(one.members) for key, one in self._swarms.items() if key not in self._hosts)
            if strangers >= MAX_STRANGERS:
                raise TrackerError(f"this tracker already has {MAX_STRANGERS} peers")

    def _answer(self, info_hash: bytes, swarm: _Swarm, named: list[_Member]) -> AnnounceResponse:
        self._drop_if_empty(info_hash, swarm)
        entry = swarm.entry()
        peers = tuple([member.address for member in named])
        return AnnounceResponse(self._interval, entry.complete, entry.incomplete, peers)

    def _drop_if_empty(self, info_hash: bytes, swarm: _Swarm) -> None:
        # The count of completions is kept where the info hash is expected to be asked about again.
        if not swarm.members and info_hash not in self._hosts:
            self._swarms.pop(info_hash, None)
