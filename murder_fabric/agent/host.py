"""What one agent runs on its host and does when asked: the requests of `control`, one method each."""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any

from twisted.internet.defer import CancelledError
from twisted.internet.task import LoopingCall

from .. import control
from ..errors import BadInput, ControlError, MurderError, NoRoomError, TrackerError, VerifyError
from ..metainfo.holdings import Holdings
from ..metainfo.parsing import parse_metainfo
from ..metainfo.values import Metainfo
from ..policy.stalling import Stall
from ..storage.checking import check
from ..storage.payload import Payload, root_of
from .addresses import address_of_interface
from .answer import Answer, Emit
from .destination import Destination, expand_source
from .errands import Errands
from .examining import Calls
from .hashing import create_torrent
from .holding import make_ready, take
from .kept import keep, recall
from .obtaining import obtain
from .own_tracker import OwnTracker, start_tracker
from .passing_on import PassingOn
from .release_duties import RELEASE_DUTIES
from .report import INTERVAL
from .staging import Staged, discard, stage, store, told, told_unfetched, verify_staged
from .torrent import Torrent, config_of
from .turns import Turns
from .working import Threads

#: Seconds in which what is at the disk must end once this agent is to end; it is asked for twice.
PATIENCE = 10.0


class Host:
    """
    Serves requests, and ends whatever it started when told to `stop`.

    Args:
        reactor: everything runs on it; blocking work goes to its threads.
        address: how the operator reached this host; where peers find it unless a request says otherwise.
            None where nobody knows.
        operator: where the operator came from; None where nobody knows.
    """

    def __init__(self, reactor: Any, address: str | None, operator: str | None = None) -> None:
        self._reactor = reactor
        self._address = address
        self._operator = operator
        #: Where peers find this host, as it was told.
        self._located: str | None = None
        self.tracker: OwnTracker | None = None
        self.torrents: dict[str, Torrent] = {}
        self._staged: dict[str, Staged] = {}
        self.destinations: dict[str, Destination] = {}
        self._runs: dict[str, str] = {}
        #: Paths hashed into a torrent by this process, by digest: their bytes need no second look.
        self._created: dict[str, str] = {}
        self._threads = Threads(reactor)
        self._turns = Turns(reactor, self._threads)
        self._errands = Errands(reactor, self._threads)
        self._calls = Calls(reactor)
        self._passing_on = PassingOn(reactor)
        self._ending = False
        #: What went wrong after the request that began it was answered.
        self._problems: list[str] = []

    @property
    def idle(self) -> bool:
        """Whether nothing is running here."""
        return self.tracker is None and not self.torrents

    async def do(self, request: control.Request, attached: bytes, emit: Emit) -> Answer:
        """
        Do what *request* asks.

        Raises:
            MurderError: it could not be done; says what was left unchanged.
        """
        if not isinstance(request, (control.Heartbeat, control.Finish)):
            self._must_go_on()
        if type(request) in RELEASE_DUTIES:
            return await self._turns.serve(request, emit)
        if isinstance(request, (control.RunCommands, control.CheckHealth)):
            return await self._errands.do(request, emit)
        if isinstance(request, (control.StandBy, control.Reach)):
            return await self._calls.do(request)
        return await _DUTIES[type(request)](self, request, attached, emit)

    async def stop(self) -> int:
        """
        End everything, keep releases on disk for a later resume; return the bytes that were uploaded.

        Nothing new is begun from now on. The lock goes last, once nothing writes any more; else this process
        keeps it until it ends.

        Raises:
            MurderError: something is still at the disk.
        """
        self._ending = True
        self._turns.end()
        self._errands.end()
        uploaded = 0
        for tag in list(self.torrents):
            uploaded += await self._stop_torrent(tag)
        await self._stop_tracker()
        await self._calls.end()
        await self._passing_on.end()
        if not await self._quiet():
            raise MurderError(
                f"the disk is still at work after {PATIENCE:g} s, and the lock stays until it is done or this"
                " agent has ended; wait a minute, then run the command again"
            )
        for staged in self._staged.values():
            staged.payload.close()
            await self._threads.run(_to_nobody, discard, staged)
        self._staged.clear()
        for path, destination in self.destinations.items():
            destination.clear_marks(self._runs[path])
            destination.unlock()
        self.destinations.clear()
        return uploaded

    # Duties ---------------------------------------------------------------------------------------------

    async def _heartbeat(self, request: control.Heartbeat, attached: bytes, emit: Emit) -> Answer:
        return Answer({})

    async def _read_clock(self, request: control.ReadClock, attached: bytes, emit: Emit) -> Answer:
        return Answer({"clock": self._reactor.seconds()})

    async def _prepare(self, request: control.Prepare, attached: bytes, emit: Emit) -> Answer:
        destination = Destination(request.destination)
        if request.tag is not None or destination.is_there():
            await self._take(destination, request, emit)
        fields: dict[str, Any] = {
            "destination": destination.path,
            "current": destination.current(),
            "python": platform.python_version(),
        }
        if request.tag is not None:
            room = await self._threads.run(emit, destination.room, request.tag)
            fields["free_bytes"], fields["free_inodes"] = room
        return Answer(fields)

    async def _take(self, destination: Destination, request: control.Prepare, emit: Emit) -> None:
        await self._threads.run(emit, make_ready, destination, request)
        if await self._threads.run(emit, take, destination, request):
            self.destinations[destination.path] = destination
            self._runs[destination.path] = request.run
        destination.leave_mark(request.run, request.nonce)

    async def _locate(self, request: control.Locate, attached: bytes, emit: Emit) -> Answer:
        self._located = self._address_on(request.interface)
        return Answer({"address": self._located, "operator": self._operator})

    async def _pass_on(self, request: control.PassOn, attached: bytes, emit: Emit) -> Answer:
        return await self._passing_on.begin(request, attached, self._address_on(request.interface))

    async def _pass_no_more(self, request: control.PassNoMore, attached: bytes, emit: Emit) -> Answer:
        await self._passing_on.end()
        return Answer({})

    async def _create(self, request: control.Create, attached: bytes, emit: Emit) -> Answer:
        path = expand_source(request.path)
        metainfo = await create_torrent(self._reactor, request, path, emit)
        info, raw = metainfo.info, metainfo.encode()
        self._created[info.digest.hex()] = path
        if request.tag is not None:
            keep(request.tag, raw, path, request.token)
        fields = {
            "info_hash": info.info_hash.hex(),
            "digest": info.digest.hex(),
            "length": info.geometry.length,
            "file_count": len(info.files),
        }
        return Answer(fields, raw)

    async def _recall(self, request: control.Recall, attached: bytes, emit: Emit) -> Answer:
        torrent, path, token = recall(request.tag)
        return Answer({"path": path, "token": token}, torrent)

    async def _start_tracker(self, request: control.StartTracker, attached: bytes, emit: Emit) -> Answer:
        if self.tracker is None:
            self.tracker = start_tracker(self._reactor, request)
        return self.tracker.facts()

    async def _tracker_facts(self, request: control.TrackerFacts, attached: bytes, emit: Emit) -> Answer:
        return self._running_tracker().facts()

    async def _track(self, request: control.Track, attached: bytes, emit: Emit) -> Answer:
        return self._running_tracker().track(request, attached)

    async def _stage(self, request: control.Stage, attached: bytes, emit: Emit) -> Answer:
        try:
            torrent = await obtain(self._reactor, request, attached, self._located)
        except TrackerError as error:
            return told_unfetched(str(error))
        self._must_go_on()

        def keep_staged() -> Staged:  # also where the operator has gone meanwhile: `stop` discards it
            self._staged[request.tag] = staged = stage(request, torrent)
            return staged

        staged = await self._threads.run(emit, keep_staged)
        return told(staged)

    async def _store_piece(self, request: control.StorePiece, attached: bytes, emit: Emit) -> Answer:
        staged = self._staged_as(request.tag)
        if not store(staged, request.index, attached):
            raise ControlError(
                f"piece {request.index} is wrong, in what the operator sent or in what was here of it;"
                " nothing was switched. Run the same command again"
            )
        return Answer({})

    async def _join(self, request: control.Join, attached: bytes, emit: Emit) -> Answer:
        staged = self._staged_as(request.tag)
        if request.tag in self.torrents and self.torrents[request.tag].out_of_room:
            await self._stop_torrent(request.tag)
        began = time.monotonic()
        torrent = self._run_torrent(request, staged.metainfo, staged.payload, staged.holdings)
        stall = Stall(now=self._reactor.seconds())

        def look() -> None:
            emit("progress", torrent.progress()._asdict())
            torrent.look_for_hope(stall)

        ticker = LoopingCall(look)
        ticker.clock = self._reactor
        ticker.start(INTERVAL, now=False)
        try:
            await torrent.complete
        except NoRoomError:  # others may need what is here until the run is over
            raise
        except (MurderError, CancelledError):  # cancelled: nobody is there any more to be told
            await self._stop_torrent(request.tag)
            raise
        finally:
            ticker.stop()
        emit("progress", torrent.progress()._asdict())
        return Answer({"seconds": round(time.monotonic() - began, 3), **torrent.account()})

    async def _seed(self, request: control.Seed, attached: bytes, emit: Emit) -> Answer:
        metainfo = parse_metainfo(attached)
        path = expand_source(request.path)
        payload = Payload(metainfo.info, root_of(metainfo.info, path))
        if self._created.get(metainfo.info.digest.hex()) != path:
            have = await self._threads.run(emit, check, metainfo.info, payload)
            if not have.complete:
                payload.close()
                raise VerifyError(
                    f"{path} is not what the torrent of {request.tag} describes: {len(have) - have.have}"
                    f" of {len(have)} pieces differ or are missing; nothing was changed. Create the torrent"
                    " again"
                )
        torrent = self._run_torrent(request, metainfo, payload, Holdings.all(metainfo.info))
        return Answer({"port": torrent.port})

    async def _admit(self, request: control.Admit, attached: bytes, emit: Emit) -> Answer:
        torrent = self.torrents.get(request.tag)
        if torrent is None:
            raise BadInput(f"nothing is running here for the tag {request.tag}")
        if torrent.info.digest.hex() != request.digest:
            raise BadInput(f"{request.tag} is being served here with other contents than its torrent has now")
        if all(request.announce not in tier for tier in torrent.trackers):
            raise BadInput(f"{request.tag} is being served here for another tracker than runs now")
        torrent.admit(request.hosts)
        return Answer({})

    async def _verify(self, request: control.Verify, attached: bytes, emit: Emit) -> Answer:
        staged = self._staged_as(request.tag)
        began = time.monotonic()
        await self._threads.run(emit, verify_staged, staged, request)
        return Answer({"seconds": round(time.monotonic() - began, 3)})

    async def _stop(self, request: control.Stop, attached: bytes, emit: Emit) -> Answer:
        if request.tag is None:
            self._running_tracker()
            await self._stop_tracker()
            return Answer({"bytes_uploaded": 0})
        if request.tag not in self.torrents:
            raise BadInput(f"nothing is running here for the tag {request.tag}")
        return Answer({"bytes_uploaded": await self._stop_torrent(request.tag)})

    async def _finish(self, request: control.Finish, attached: bytes, emit: Emit) -> Answer:
        uploaded = await self.stop()
        return Answer({"bytes_uploaded": uploaded, "problems": self._problems})

    # Inside ---------------------------------------------------------------------------------------------

    def _address_on(self, interface: str | None) -> str:
        address = self._address
        if interface:
            address = address_of_interface(interface, like=address)
        if address is None:
            raise BadInput(
                "nothing says by which address this host is reached (SSH_CONNECTION is not set here): name"
                " the interface by which the hosts reach each other in murder.interface, such as eth1"
            )
        return address

    def _run_torrent(
        self, request: control.Join | control.Seed, metainfo: Metainfo, payload: Payload, holdings: Holdings
    ) -> Torrent:
        self._must_go_on()
        if request.tag in self.torrents:
            raise BadInput(f"the tag {request.tag} is being served here already")
        config = config_of(request, metainfo, holdings)
        torrent = Torrent(self._reactor, metainfo.info, payload, holdings.pieces, config)
        torrent.on_broken = partial(self._broken, request.tag)
        torrent.start()
        self.torrents[request.tag] = torrent
        return torrent

    def _staged_as(self, tag: str) -> Staged:
        try:
            return self._staged[tag]
        except KeyError:
            raise ControlError(f"nothing is staged here for the tag {tag}") from None

    def _running_tracker(self) -> OwnTracker:
        if self.tracker is None:
            raise BadInput("no tracker is running here; start one with murder.start-tracker")
        return self.tracker

    async def _stop_torrent(self, tag: str) -> int:
        torrent = self.torrents.pop(tag, None)
        if torrent is None:  # the request that waited for it, and whoever ended it, both come here
            return 0
        await torrent.stop()
        return torrent.session.bytes_uploaded

    def _must_go_on(self) -> None:
        if self._ending:
            raise MurderError("this agent is ending and begins nothing new; run the command again")

    async def _quiet(self) -> bool:
        """Wait for what waits for its turn, and for every thread; False where that takes too long."""
        return await self._turns.all_taken(PATIENCE) and await self._threads.all_ended(PATIENCE)

    def _broken(self, tag: str, reason: str) -> None:
        """Remember for `Finish` what ended after it was complete; a detached agent has its log."""
        self._problems.append(f"{tag} is not served there any more: {reason}")
        print(self._problems[-1], file=sys.stderr, flush=True)

    async def _stop_tracker(self) -> None:
        tracker, self.tracker = self.tracker, None
        if tracker is not None:
            await tracker.port.stopListening()


def _to_nobody(event: str, fields: Mapping[str, Any]) -> None:
    """Nobody asked for what is under way."""


_DUTIES: dict[type, Callable[[Host, Any, bytes, Emit], Coroutine[Any, Any, Answer]]] = {
    control.Heartbeat: Host._heartbeat,
    control.ReadClock: Host._read_clock,
    control.Prepare: Host._prepare,
    control.Locate: Host._locate,
    control.PassOn: Host._pass_on,
    control.PassNoMore: Host._pass_no_more,
    control.Create: Host._create,
    control.Recall: Host._recall,
    control.StartTracker: Host._start_tracker,
    control.TrackerFacts: Host._tracker_facts,
    control.Track: Host._track,
    control.Stage: Host._stage,
    control.StorePiece: Host._store_piece,
    control.Join: Host._join,
    control.Seed: Host._seed,
    control.Admit: Host._admit,
    control.Verify: Host._verify,
    control.Stop: Host._stop,
    control.Finish: Host._finish,
}
