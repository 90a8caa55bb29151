"""One deploy from the first connection to the last: its stages in order, and the barrier between them."""

from __future__ import annotations

import getpass
import secrets
import socket
from dataclasses import dataclass, field

from .. import control
from ..bitfield import Bitfield
from ..control import Message, Request
from ..errors import AllHostsFailed, HostsFailed
from ..metainfo.parsing import parse_metainfo
from ..metainfo.values import Metainfo
from ..tracker.keys import announce_url
from .failures import HostFailure
from .fleet import Fleet
from .muster import PAYLOAD_TIMEOUT, PROMPT_TIMEOUT, TRACKER_PORTS, Muster
from .outcome import HostState, same_hosts
from .roles import Roles
from .settings import Settings
from .uploading import upload_pieces
from .view import View, megabytes

#: Bytes and inodes that must stay free beside the payload's.
SPARE_BYTES, SPARE_INODES = 16 << 20, 100


@dataclass(frozen=True)
class Wanted:
    """What is to be deployed; checked before any host is touched."""

    tag: str
    destination: str
    #: On the operator's machine, or on the seeder where `metainfo` is None.
    files_path: str
    metainfo: Metainfo | None
    exclude: list[str] = field(default_factory=list)


class Deployment:
    """
    The stages of one deploy; `run` goes through all of them.

    Args:
        fleet: an agent on every host of *roles*; closed by whoever opened it.
        view: told what happens.
    """

    def __init__(self, fleet: Fleet, roles: Roles, settings: Settings, wanted: Wanted, view: View) -> None:
        self._muster = Muster(fleet, roles.peers, view)
        self.outcome = self._muster.outcome
        self._fleet = fleet
        self._roles = roles
        self._settings = settings
        self._wanted = wanted
        self._view = view
        self._run = secrets.token_hex(8)
        self._token = secrets.token_hex(16)
        self._addresses: dict[str, str] = {}
        self._free: dict[str, tuple[int, int | None]] = {}
        self._previous: dict[str, str | None] = {}
        self._switched: list[str] = []

    def run(self) -> None:
        """
        Deploy.

        Raises:
            HostsFailed: some hosts failed; none is switched, unless `allow_failures` covers it.
            AllHostsFailed: all did.
        """
        try:
            self._greet()
            self._prepare()
            metainfo, raw = self._create()
            self._check_room(metainfo)
            self._swarm(metainfo, raw)
            self._verify()
            self._must_go_on()
            self._switch()
        except KeyboardInterrupt:
            self._view.say(f"stopping: {len(self._muster.greeted)} hosts are being cleaned up")
            self._switch_back()
            raise
        finally:
            self._finish()

    # Stages ---------------------------------------------------------------------------------------------

    def _greet(self) -> None:
        self._muster.greet()
        for host in (self._roles.tracker, self._roles.seeder):
            if host in self._muster.silent:
                self._need(host, self._muster.silent[host])

    def _prepare(self) -> None:
        with self._view.stage("prepare") as said:
            nonces = {host: secrets.token_hex(8) for host in self.outcome.going}
            operator = f"{getpass.getuser()}@{socket.gethostname()}"
            prepared = self._muster.ask(
                self.outcome.going,
                lambda host: control.Prepare(
                    self._wanted.destination, self._wanted.tag, self._run, nonces[host], operator
                ),
            )
            for host, message in prepared.items():
                self._free[host] = (message.fields["free_bytes"], message.fields["free_inodes"])
            self._drop_other_names(nonces)
            self._addresses = self._muster.locate(self._settings.interface)
            for host in (self._roles.tracker, self._roles.seeder):
                if host not in self._addresses:
                    self._need(host, HostFailure("lost", "it gave no address"))
            said.append(f"{len(self.outcome.going)} hosts ready")
        self._need_going()

    def _create(self) -> tuple[Metainfo, bytes]:
        """Return the torrent, made here before any host was touched, or on the seeder now."""
        wanted = self._wanted
        if wanted.metainfo is not None:
            return wanted.metainfo, wanted.metainfo.encode()
        with self._view.stage("create") as said:
            request = control.Create(
                wanted.files_path, exclude=list(wanted.exclude), title=title_of(wanted.destination)
            )
            message = self._ask_one(self._roles.seeder, request, PAYLOAD_TIMEOUT)
            said.append(f"{message.fields['file_count']} files, {megabytes(message.fields['length'])}")
        return parse_metainfo(message.attached), message.attached

    def _check_room(self, metainfo: Metainfo) -> None:
        """Refuse hosts without room before a byte is sent to them."""
        bytes_needed = metainfo.info.geometry.length + SPARE_BYTES
        inodes_needed = len(metainfo.info.files) + len(metainfo.info.directories) + SPARE_INODES
        for host in self.outcome.going:
            free_bytes, free_inodes = self._free[host]
            if free_bytes < bytes_needed:
                reason = (
                    f"no space left for {self._wanted.destination}: it needs {megabytes(bytes_needed)},"
                    f" {megabytes(free_bytes)} are free; nothing was written"
                )
                self.outcome.failed(host, HostFailure("failed", reason))
            elif free_inodes is not None and free_inodes < inodes_needed:
                reason = (
                    f"no inodes left for {self._wanted.destination}: it needs {inodes_needed},"
                    f" {free_inodes} are free; nothing was written"
                )
                self.outcome.failed(host, HostFailure("failed", reason))
        self._need_going()

    def _swarm(self, metainfo: Metainfo, raw: bytes) -> None:
        """Bring the payload to the seeder and from there to everybody."""
        announce = self._start_tracker(metainfo)
        staged = self._stage(metainfo, raw)
        seeder = self._roles.seeder
        if self._wanted.metainfo is not None:
            has = Bitfield.from_bytes(staged[seeder].attached, metainfo.info.geometry.piece_count)
            self._upload(metainfo, has)
        elif seeder not in self.outcome.going:
            self._ask_one(seeder, self._seed_request(announce), PAYLOAD_TIMEOUT, raw)
        with self._view.stage("swarm") as said:
            done = self._join(metainfo, announce)
            fetched = sum(message.fields["bytes_downloaded"] for message in done.values())
            said.append(f"{len(self.outcome.going)} hosts complete, {megabytes(fetched)} moved among them")
        self._need_going()

    def _verify(self) -> None:
        with self._view.stage("verify") as said:
            tag = self._wanted.tag
            for host in self._muster.ask(self.outcome.going, lambda _: control.Verify(tag), PAYLOAD_TIMEOUT):
                self.outcome.reached(host, HostState.VERIFIED)
            said.append(f"every byte read again on {len(self.outcome.hosts(HostState.VERIFIED))} hosts")

    def _must_go_on(self) -> None:
        """The barrier: nobody switches unless enough hosts are there to switch."""
        lost = len(self.outcome.lost)
        allowed = self._settings.failures_allowed(len(self._roles.peers))
        if not self.outcome.going:
            raise AllHostsFailed(f"all {lost} hosts failed; nothing was switched")
        if lost > allowed:
            raise HostsFailed(
                f"{lost} of {len(self._roles.peers)} hosts failed (allowed: {allowed}); nothing was switched."
                f" {len(self.outcome.going)} hosts verified {self._wanted.tag} and keep it for a next run"
            )

    def _switch(self) -> None:
        with self._view.stage("switch") as said:
            wanted = self._wanted
            going = self.outcome.going
            # Noted before they are asked: an answer may be lost after the switch was made.
            self._switched = list(going)
            done = self._muster.ask(going, lambda _: control.Switch(wanted.destination, wanted.tag))
            for host, message in done.items():
                self._previous[host] = message.fields["previous"]
                self.outcome.reached(host, HostState.SWITCHED)
            said.append(f"current -> releases/{wanted.tag} on {len(done)} hosts")
        if len(self.outcome.lost) > self._settings.failures_allowed(len(self._roles.peers)):
            self._switch_back()
            raise (HostsFailed if done else AllHostsFailed)(
                f"{len(going) - len(done)} hosts did not switch; those that had are back where they were"
            )

    def _switch_back(self) -> None:
        """Take exactly the hosts that switched back."""
        wanted, hosts = self._wanted, [host for host in self._switched if host in self._previous]
        self._switched = []
        requests = {
            host: Message(control.SwitchBack(wanted.destination, wanted.tag, self._previous[host]).fields())
            for host in hosts
        }
        for host, answer in self._fleet.ask(requests, PROMPT_TIMEOUT).items():
            if isinstance(answer, HostFailure):
                self.outcome.failed(host, answer)
            else:
                self.outcome.reached(host, HostState.VERIFIED)

    def _finish(self) -> None:
        """Stop everything everywhere; hosts that do not answer stop by themselves when we hang up."""
        requests = {host: Message(control.Finish().fields()) for host in self._muster.greeted}
        self._fleet.ask(requests, PROMPT_TIMEOUT)

    # Parts of stages ------------------------------------------------------------------------------------

    def _start_tracker(self, metainfo: Metainfo) -> str:
        tracker, first = self._roles.tracker, self._settings.tracker_port
        last = min(first + TRACKER_PORTS - 1, 65535)
        address = self._addresses[tracker]
        started = self._ask_one(tracker, control.StartTracker(address, first, last, self._token))
        track = control.Track(metainfo.info.info_hash.hex(), self._allowed())
        self._ask_one(tracker, track)
        return announce_url(address, int(started.fields["port"]), bytes.fromhex(self._token))

    def _stage(self, metainfo: Metainfo, raw: bytes) -> dict[str, Message]:
        wanted, seeder = self._wanted, self._roles.seeder
        digest = metainfo.info.digest.hex()

        def request(host: str) -> Request:
            if host not in self._roles.peers:
                return control.Stage(wanted.tag, digest, layout="temporary")
            source = wanted.files_path if host == seeder and wanted.metainfo is None else None
            return control.Stage(wanted.tag, digest, wanted.destination, source=source)

        hosts = self.outcome.going
        if seeder not in hosts and wanted.metainfo is not None:
            hosts = [*hosts, seeder]
        staged = self._muster.ask(hosts, request, PAYLOAD_TIMEOUT, raw)
        if seeder in hosts and seeder not in staged:
            self._must_have_seeder()
        return staged

    def _upload(self, metainfo: Metainfo, has: Bitfield) -> None:
        seeder, geometry = self._roles.seeder, metainfo.info.geometry
        total = sum(geometry.piece_size(index) for index in has.missing())
        if not total:
            return
        with self._view.stage("upload") as said:
            sent = 0

            def on_piece(length: int) -> None:
                nonlocal sent
                sent += length
                self._view.progress(f"{megabytes(sent)} of {megabytes(total)} to {seeder}")

            wanted = self._wanted
            failure = upload_pieces(
                self._fleet, seeder, wanted.tag, metainfo, root_of(metainfo, wanted.files_path), has, on_piece
            )
            if failure is not None:
                self.outcome.failed(seeder, failure)
                self._must_have_seeder(failure)
            said.append(f"{megabytes(total)} to {seeder}")

    def _join(self, metainfo: Metainfo, announce: str) -> dict[str, Message]:
        hosts = self.outcome.going
        if self._roles.seeder not in hosts and self._wanted.metainfo is not None:
            hosts = [self._roles.seeder, *hosts]
        on_event = self._muster.progress(hosts, metainfo.info.geometry.length)
        first, last = self._settings.peer_port_range()
        return self._muster.ask(
            hosts,
            lambda host: control.Join(
                self._wanted.tag, self._addresses[host], first, last, announce, self._token, self._allowed()
            ),
            None,
            on_event=on_event,
        )

    def _seed_request(self, announce: str) -> Request:
        first, last = self._settings.peer_port_range()
        address = self._addresses[self._roles.seeder]
        wanted = self._wanted
        return control.Seed(
            wanted.tag, wanted.files_path, address, first, last, announce, self._token, self._allowed()
        )

    def _allowed(self) -> list[str]:
        return sorted(set(self._addresses.values()))

    def _drop_other_names(self, nonces: dict[str, str]) -> None:
        request = control.Nonces(self._wanted.destination, self._run)
        marks = {
            host: message.fields["nonces"]
            for host, message in self._muster.ask(self.outcome.going, lambda _: request).items()
        }
        for host, first in same_hosts(marks, nonces).items():
            self.outcome.reached(host, HostState.SKIPPED, f"another name of {first}")
            self._view.say(f"  {host} is another name of {first}: deployed once")

    def _must_have_seeder(self, failure: HostFailure | None = None) -> None:
        seeder = self._roles.seeder
        reason = failure.reason if failure is not None else self._reason(seeder)
        for host in self.outcome.going:
            self.outcome.failed(host, HostFailure("failed", f"the seeder {seeder} failed"))
        raise AllHostsFailed(f"the seeder {seeder} failed: {reason}; nothing was switched")

    def _reason(self, host: str) -> str:
        return self.outcome[host].reason if host in self._roles.peers else "see above"

    # Asking ---------------------------------------------------------------------------------------------

    def _ask_one(
        self, host: str, request: Request, timeout: float = PROMPT_TIMEOUT, attached: bytes = b""
    ) -> Message:
        """Ask a host without which nothing goes on."""
        answer = self._fleet.ask({host: Message(request.fields(), attached)}, timeout)[host]
        return self._need(host, answer)

    def _need(self, host: str, answer: Message | HostFailure) -> Message:
        if isinstance(answer, HostFailure):
            self.outcome.failed(host, answer)
            for other in self.outcome.going:
                self.outcome.failed(other, HostFailure("failed", f"the run needs {host}, which failed"))
            raise AllHostsFailed(
                f"{host} is tracker or seeder and failed: {answer.reason}; nothing was switched"
            )
        return answer

    def _need_going(self) -> None:
        if not self.outcome.going:
            raise AllHostsFailed("no host is left to deploy to; nothing was switched")


def title_of(destination: str) -> str:
    """Return what torrents of a destination are called: the same, so that equal trees have equal digests."""
    return destination.rstrip("/").rpartition("/")[2]


def root_of(metainfo: Metainfo, files_path: str) -> str:
    """Return where `storage.Payload` finds the payload that lies at *files_path*."""
    return files_path.rstrip("/").rpartition("/")[0] or "/" if metainfo.info.single_file else files_path
