"""One torrent in the swarm: the session joined to its sockets, its files, its tracker and the clock."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import LoopingCall

from ..bitfield import Bitfield
from ..errors import NoRoomError, StorageError, SwarmError, TrackerError
from ..metainfo.holdings import Holdings
from ..metainfo.values import Info, Metainfo
from ..metainfo.web_seeds import shown_origin, web_seeds
from ..net.announcer import Announcer, Standing
from ..net.dialer import AcceptedFactory, TcpDialer
from ..net.pacing import Traffic
from ..net.peer_protocol import PeerProtocol
from ..net.ports import BACKLOG
from ..net.tracker_client import TrackerClient
from ..policy.crowding import Crowding
from ..policy.origins import HEAD_START
from ..policy.pacing import NO_LIMITS, Limits, connections_read, slots_fed
from ..policy.rates import RateMeter
from ..policy.sources import Sources, unavailable
from ..policy.stalling import Stall, never_began_sentence, orphaned_sentence, sentence
from ..storage.payload import Payload
from ..swarm.config import SwarmConfig
from ..swarm.ports import Address
from ..swarm.session import NEWS_INTERVAL, Session
from ..tracker.addresses import PeerAddress
from ..tracker.announcing import AnnounceRequest
from ..tracker.keys import redacted
from ..tracker.tiers import Tiers
from ..wire.extensions import peer_key
from .addresses import Listen, listen_on
from .disk_wait import TimedStorage
from .identity import new_peer_id, own_chance
from .limits import connections_allowed

if TYPE_CHECKING:
    from .. import control
    from ..net.web_seed import WebSeed

#: Seconds between two looks at the clock.
TICK = 0.25


class TorrentConfig(NamedTuple):
    """How to take part in one swarm."""

    listen: Listen
    #: Announce URLs, in tiers (BEP 12).
    trackers: Sequence[Sequence[str]]
    #: The run's secret; None is an open swarm.
    token: bytes | None = None
    #: The only addresses that may connect, or are called, one that several hosts have as often; None: any.
    hosts: Collection[str] | None = None
    #: Show pieces one by one.
    super_seed: bool = False
    #: HTTP origins that have the payload (BEP 19).
    web_seeds: Sequence[str] = ()
    #: CA certificates (PEM) of trackers and web seeds, beside those this host trusts.
    certificates: str = ""
    #: Files that are there whole, whatever is missing of the pieces that they have a part in.
    held: Collection[int] = frozenset()
    #: What it may take of the network.
    limits: Limits = NO_LIMITS


def config_of(request: control.Join | control.Seed, metainfo: Metainfo, holdings: Holdings) -> TorrentConfig:
    """Return how an operator's *request* has us take part in a swarm, given what we have of the payload."""
    from .. import control  # whoever starts a peer by hand never speaks it

    return TorrentConfig(
        Listen(request.address, request.first_port, request.last_port, "murder.peer_ports"),
        ((request.announce,),),
        token=None if request.token is None else bytes.fromhex(request.token),
        hosts=request.hosts,
        super_seed=holdings.pieces.complete,
        web_seeds=web_seeds(request.web_seeds, metainfo) if isinstance(request, control.Join) else (),
        certificates=request.certificates,
        held=frozenset(holdings.files),
        limits=Limits(request.upload_limit, request.download_limit, request.dscp),
    )


class Progress(NamedTuple):
    """How far a torrent has come: counts of pieces, bytes, bytes per second."""

    pieces: int
    piece_count: int
    bytes: int
    length: int
    rate: float
    upload_rate: float
    peers: int
    bytes_downloaded: int
    bytes_uploaded: int
    #: Seconds spent waiting for the disk, up to now.
    disk_seconds: float = 0.0
    #: Pieces missing that nobody who is connected shows, or else is known to have.
    unavailable: int = 0
    #: Of those downloaded, see `Session.bytes_gained`.
    bytes_gained: int = 0


class Torrent:
    """
    Takes part in a swarm from `start` to `stop`.

    `complete` fires when every piece is on disk and right; it fails with StorageError when the disk does
    (with NoRoomError what is there is served until `stop`), and with SwarmError when the wait is given up, or
    ended by `stop`.
    """

    def __init__(
        self, reactor: Any, info: Info, payload: Payload, have: Bitfield, config: TorrentConfig
    ) -> None:
        self.complete: Deferred[None] = Deferred()
        #: Told why nothing is served any more, where that comes after completion.
        self.on_broken: Callable[[str], None] = lambda reason: None
        #: Why the last announce failed; None since one was answered.
        self.tracker_problem: str | None = None
        self.tracker_answered = False
        #: Whether it takes nothing more, and serves what it has.
        self.out_of_room = False
        #: Why web seeds were given up, by their URL as it may be shown.
        self.origin_problems: dict[str, str] = {}
        self._origins: dict[str, WebSeed] = {}
        self._starts: list[Any] = []
        self._reactor = reactor
        #: What is served, and where it is announced.
        self.info, self.trackers = info, config.trackers
        self._payload = payload
        self._disk = TimedStorage(payload)
        self._have = have
        self._config = config
        self._rng = own_chance(config.listen.address)
        self._download, self._upload = RateMeter(), RateMeter()
        self._bytes = sum(info.geometry.piece_size(index) for index in have)
        self._listening: Any = None
        self._crowding = Crowding(config.hosts)
        self._traffic = Traffic(reactor, config.limits)
        self._sources = Sources()
        #: Where peers reach us, once started.
        self.port = 0
        self._tickers = [LoopingCall(self._tick), LoopingCall(lambda: self.session.tell_news())]

    def start(self) -> int:
        """
        Listen, announce, connect; return the port.

        Raises:
            ListenError: no port asked for is free.
        """
        accepted = AcceptedFactory(self._build_protocol, self._may_come)
        self._listening = listen_on(self._reactor, self._config.listen, accepted, BACKLOG)
        self.port = port = int(self._listening.getHost().port)
        listening = self._config.listen.address
        bind = None if listening in ("0.0.0.0", "::") else listening
        dialer = TcpDialer(self._reactor, self._build_protocol, self._dial_failed, bind)
        limits, most = self._config.limits, connections_allowed(SwarmConfig.max_connections)
        connections = connections_read(limits.download, most)
        config = SwarmConfig(
            peer_id=new_peer_id(self._rng),
            port=port,
            key=None if self._config.token is None else peer_key(self._config.token),
            super_seed=self._config.super_seed,
            slots=slots_fed(limits.upload, SwarmConfig.slots),
            max_connections=connections,
            dial_below=connections // 2,
            hosts_at=self._crowding.hosts_at,
        )
        self._max_block = config.max_block
        self._peer_id = config.peer_id
        self.session = Session(
            self.info,
            self._have,
            config,
            self._disk,
            dialer,
            self,
            self._rng,
            os.urandom,
            self._config.held,
        )
        self._start_announcing(bind)
        self._start_web_seeds()
        for ticker, interval in zip(self._tickers, (TICK, NEWS_INTERVAL)):
            ticker.clock = self._reactor
            ticker.start(interval, now=False)
        if self._have.complete:
            self.complete.callback(None)
        return port

    async def stop(self) -> None:
        """Leave the swarm: say so to the tracker, close every connection, free the port."""
        for ticker in self._tickers:
            if ticker.running:
                ticker.stop()
        for start in self._starts:
            if start.active():
                start.cancel()
        self.session.stop("leaving")
        await self._listening.stopListening()
        self._announcing.cancel()
        await self._announcing
        self.gave_up("it was stopped before everything was there; what is there is kept")
        self.complete.addErrback(lambda _: None)  # nobody need wait for it

    def admit(self, hosts: Collection[str]) -> None:
        """Take connections from the addresses *hosts* too, where only some are taken."""
        self._crowding.admit(hosts)

    def progress(self) -> Progress:
        """Return how far we are, now."""
        now = self._reactor.seconds()
        self._download.add_spread(self.session.bytes_downloaded - self._download.total, now=now)
        self._upload.add_spread(self.session.bytes_uploaded - self._upload.total, now=now)
        peers = self.session.trusted_peers
        return Progress(
            pieces=self._have.have,
            piece_count=len(self._have),
            bytes=self._bytes,
            length=self.info.geometry.length,
            rate=self._download.rate(now=now) if self._bytes < self.info.geometry.length else 0.0,
            upload_rate=self._upload.rate(now=now),
            peers=len(peers),
            bytes_downloaded=self.session.bytes_downloaded,
            bytes_uploaded=self.session.bytes_uploaded,
            disk_seconds=round(self._disk.seconds, 3),
            unavailable=unavailable(self._have, peers),
            bytes_gained=self.session.bytes_gained,
        )

    def account(self) -> dict[str, Any]:
        """Return what came from whom, and went, as the answer to `control.Join` has it."""
        session = self.session
        return {
            "port": self.port,
            "bytes_downloaded": session.bytes_downloaded,
            "bytes_uploaded": session.bytes_uploaded,
            "bytes_of_web_seeds": self.bytes_of_origins,
            "web_seed_problems": self.origin_problems,
            "tracker_problem": self.tracker_silence,
            "senders": [[*address, count] for address, count in session.received_from().items()],
        }

    @property
    def tracker_silence(self) -> str | None:
        """Why no tracker has ever answered; None where one has, or nothing had to be fetched."""
        url = next((url for tier in self.trackers for url in tier), None)
        fetched = self.session.bytes_downloaded + self.bytes_of_origins
        if self.tracker_answered or url is None or not fetched:  # who has all may be told before any answer
            return None
        return self.tracker_problem or f"{redacted(url)}: no answer yet"

    @property
    def bytes_of_origins(self) -> int:
        """Bytes that came from web seeds."""
        return sum(origin.received for origin in self._origins.values())

    def look_for_hope(self, stall: Stall) -> None:
        """
        Give up where nothing was ever reached, or nothing comes any more; whoever is complete needs nobody.

        Args:
            stall: of this download; asked now and then.
        """
        progress, now = self.progress(), self._reactor.seconds()
        missing = progress.piece_count - progress.pieces
        if not missing:
            return
        if stall.never_began(self.tracker_answered or progress.peers > 0, now=now):
            self.gave_up(never_began_sentence(self.tracker_problem))
        elif stall.is_over(progress.bytes_gained, now=now):
            peers = [peer.address[0] for peer in self.session.trusted_peers]
            came = stall.came()
            self.gave_up(sentence(missing, progress.piece_count, came, peers, self.tracker_problem))

    def look_for_source(self, stall: Stall) -> None:
        """Give up soon where whoever had the rest has left (fault row 4); for who has nobody to tell them."""
        progress, now = self.progress(), self._reactor.seconds()
        missing = progress.piece_count - progress.pieces
        has_source = self._sources.suffice(self._have, self.session.trusted_peers)
        if missing and stall.is_orphaned(progress.bytes_gained, has_source=has_source, now=now):
            self.gave_up(orphaned_sentence(missing, progress.piece_count, progress.peers))

    def gave_up(self, reason: str) -> None:
        """Tell whoever waits that nothing will come any more."""
        if not self.complete.called:
            problems = [
                f"; the web seed {url} was given up: {why}" for url, why in self.origin_problems.items()
            ]
            self.complete.errback(SwarmError(reason + "".join(problems)))

    # What the session observes --------------------------------------------------------------------------

    def piece_verified(self, index: int) -> None:
        """Count it."""
        self._bytes += self.info.geometry.piece_size(index)

    def completed(self) -> None:
        """Tell the tracker and whoever waits."""
        self._announcer.completed()
        self.complete.callback(None)

    def ran_out_of_room(self, reason: str) -> None:
        """Tell whoever waits for completion; until `stop` others get what is there."""
        self.out_of_room = True
        if not self.complete.called:
            self.complete.errback(NoRoomError(reason))

    def failed(self, reason: str) -> None:
        """Tell whoever waits for completion, or who is to hear of what comes later."""
        if not self.complete.called:
            self.complete.errback(StorageError(reason))
        else:
            self.on_broken(reason)

    # Inside ---------------------------------------------------------------------------------------------

    def _start_web_seeds(self) -> None:
        if self._have.complete or not self._config.web_seeds:
            return
        from ..net.web_seed import WebSeed  # few have any

        for url in self._config.web_seeds:
            told = partial(self._origin_dropped, url)
            self._origins[url] = WebSeed(
                self._reactor, self.session, self.info, url, told, self._config.certificates, self._traffic
            )
            head_start = HEAD_START if any(self.trackers) else 0.0
            self._starts.append(self._reactor.callLater(head_start, self._origins[url].start))

    def _origin_dropped(self, url: str, reason: str) -> None:
        if not self._have.complete:
            self.origin_problems[shown_origin(url)] = reason

    def _build_protocol(self, address: Address | None) -> PeerProtocol:
        block, traffic = self._max_block, self._traffic
        return PeerProtocol(self.session, self.info, self._payload, self._reactor, block, address, traffic)

    def _may_come(self, host: str) -> bool:
        standing = sum(not peer.dialed and peer.address[0] == host for peer in self.session.peers)
        return self._crowding.has_room_for(host, standing)

    def _dial_failed(self, address: Address) -> None:
        self.session.dial_failed(address, now=self._reactor.seconds())

    def _tick(self) -> None:
        self.session.tick(now=self._reactor.seconds())
        self._sources.connected(len(self.session.trusted_peers))

    def _start_announcing(self, bind: str | None) -> None:
        client = TrackerClient(
            self._reactor,
            Tiers(self.trackers, self._rng),
            bind_address=bind,
            certificates=self._config.certificates,
        )
        self._announcer = Announcer(
            self._reactor,
            client.announce,
            self._standing,
            self._peers_learned,
            self._rng,
            self._tracker_failed,
        )
        self._announcing = Deferred.fromCoroutine(self._announce())

    async def _announce(self) -> None:
        with contextlib.suppress(CancelledError):
            await self._announcer.run()

    def _standing(self) -> Standing:
        session = self.session
        request = AnnounceRequest(
            info_hash=self.info.info_hash,
            peer_id=self._peer_id,
            port=self.port,
            uploaded=session.bytes_uploaded,
            downloaded=session.bytes_downloaded,
            left=self.info.geometry.length - self._bytes,
        )
        return Standing(request, len(session.trusted_peers))

    def _peers_learned(self, peers: Sequence[PeerAddress]) -> None:
        self.tracker_problem = None
        self.tracker_answered = True
        addresses = [(peer.host, peer.port) for peer in peers if self._crowding.takes_part(peer.host)]
        self.session.addresses_learned(addresses, now=self._reactor.seconds())

    def _tracker_failed(self, error: TrackerError) -> None:
        self.tracker_problem = str(error)
