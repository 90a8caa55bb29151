"""From the operator's tree, or the seeder's, to a complete and verified copy on every host."""

from __future__ import annotations

import time
from typing import NamedTuple

from .. import control
from ..bitfield import Bitfield
from ..control import Message, Request
from ..errors import AllHostsFailed, BadInput
from ..metainfo.parsing import parse_metainfo
from ..metainfo.values import Metainfo
from ..storage.payload import root_of
from ..tracker.keys import announce_url, redacted
from ..units import counted, shown_size
from .channels import OnEvent
from .existing import tracker_of
from .failures import HostFailure
from .muster import PAYLOAD_TIMEOUT, PROMPT_TIMEOUT, SILENCE_LIMIT, TRACKER_PORTS
from .outcome import HostState
from .preflight import Ready
from .run import Run
from .uploading import upload_pieces
from .wanted import title_of

#: Seconds without any progress anywhere after which a swarm that has lost its seeder is given up.
ORPHANED_LIMIT = 15.0


class _Entry(NamedTuple):
    """How hosts get into the swarm; a seeder that is elsewhere knows no token and has any address."""

    announce: str
    token: str | None
    hosts: list[str] | None


class _Orphaned(Exception):
    """The seeder is gone and nothing moves any more."""


def create(run: Run) -> tuple[Metainfo, bytes]:
    """
    Return the torrent, made here before any host was touched, or on the seeder now.

    Raises:
        MurderError: the seeder could not make it.
    """
    wanted = run.wanted
    if wanted.metainfo is not None:
        return wanted.metainfo, wanted.metainfo.encode()
    request = control.Create(
        wanted.files_path, exclude=list(wanted.exclude), title=title_of(wanted.destination)
    )
    with run.view.stage("create") as said:
        hashing = run.muster.hashing()
        message = _need(run, run.seeder(), "seeder", request, PAYLOAD_TIMEOUT, on_event=hashing)
        files, length = message.fields["file_count"], message.fields["length"]
        said.append(f"{counted(files, 'file')}, {shown_size(length)}")
    return parse_metainfo(message.attached), message.attached


def swarm(run: Run, ready: Ready, metainfo: Metainfo, raw: bytes) -> None:
    """
    Bring the payload to the seeder and from there to everybody.

    Raises:
        MurderError: tracker or seeder failed, or everybody.
    """
    entry = _enter(run, ready, metainfo)
    staged = _stage(run, metainfo, raw)
    seeder = run.seeder()
    if run.wanted.metainfo is not None:
        if not run.wanted.elsewhere:
            _upload(run, seeder, metainfo, staged[seeder].attached)
    elif seeder not in run.outcome.going:
        first, last = run.settings.peer_port_range()
        request = control.Seed(
            run.wanted.tag,
            ready.addresses[seeder],
            first,
            last,
            *entry,
            path=run.wanted.files_path,
        )
        _need(run, seeder, "seeder", request, PAYLOAD_TIMEOUT, raw)
    with run.view.stage("swarm") as said:
        done = _join(run, ready, seeder, metainfo, entry)
        fetched = sum(message.fields["bytes_downloaded"] for message in done.values())
        complete = counted(len(run.outcome.going), "host")
        said.append(f"{complete} complete, {shown_size(fetched)} moved among them in all")
        said += run.muster.told_of_web_seeds(done)
    run.need_going()


def verify(run: Run) -> None:
    """
    Have every host read its release again.

    Raises:
        AllHostsFailed: no host has it whole.
    """
    with run.view.stage("verify") as said:
        revision = run.wanted.revision.commit if run.wanted.revision.is_tree else ""
        request = control.Verify(run.wanted.tag, run.settings.linked(), revision)
        verified = run.muster.ask(
            run.outcome.going, lambda _: request, PAYLOAD_TIMEOUT, silence=SILENCE_LIMIT
        )
        for host in verified:
            run.outcome.reached(host, HostState.VERIFIED)
        said.append(f"every byte read again on {counted(len(verified), 'host')}")
    run.need_going()


def _enter(run: Run, ready: Ready, metainfo: Metainfo) -> _Entry:
    elsewhere = run.wanted.elsewhere
    announce = run.settings.tracker_url or (tracker_of(metainfo) if elsewhere else "")
    if not announce:
        return _Entry(_start_tracker(run, ready, metainfo), run.token, ready.allowed())
    # Such a tracker may have a list of what it tracks: whoever keeps that needs the hash.
    run.view.say(f"  tracker  {redacted(announce)} must track {metainfo.info.info_hash.hex()}")
    if elsewhere:
        return _Entry(announce, None, None)
    return _Entry(announce, run.token, ready.allowed())


def _start_tracker(run: Run, ready: Ready, metainfo: Metainfo) -> str:
    tracker, first = run.tracker(), run.settings.tracker_port
    last = min(first + TRACKER_PORTS - 1, 65535)
    address = ready.addresses[tracker]
    started = _need(run, tracker, "tracker", control.StartTracker(address, first, last, run.token))
    _need(run, tracker, "tracker", control.Track(metainfo.info.info_hash.hex(), ready.allowed()))
    return announce_url(address, int(started.fields["port"]), bytes.fromhex(run.token))


def _stage(run: Run, metainfo: Metainfo, raw: bytes) -> dict[str, Message]:
    wanted, seeder, going = run.wanted, run.seeder(), run.outcome.going
    digest = metainfo.info.digest.hex()

    def request(host: str) -> Request:
        if host not in going:
            return control.Stage(wanted.tag, digest, layout="temporary")
        source = (wanted.files_path or None) if host == seeder and wanted.metainfo is None else None
        return control.Stage(wanted.tag, digest, wanted.destination, source=source)

    hosts = going if seeder in going or wanted.metainfo is None or wanted.elsewhere else [*going, seeder]
    requests = {host: Message(request(host).fields(), raw) for host in hosts}
    with run.view.stage("stage") as said:
        answers = run.muster.channels.ask(requests, PAYLOAD_TIMEOUT, silence=SILENCE_LIMIT)
        staged = run.muster.settle(answers)
        count = metainfo.info.geometry.piece_count
        had = sum(Bitfield.from_bytes(one.attached, count).have for one in staged.values())
        said.append(f"{had} of {count * len(staged)} pieces are there already (summed over hosts)")
    failure = answers.get(seeder)
    if seeder not in going and isinstance(failure, HostFailure):
        raise run.lost(seeder, "seeder", failure)
    run.need_going()
    return staged


def _upload(run: Run, seeder: str, metainfo: Metainfo, bits: bytes) -> None:
    geometry, wanted = metainfo.info.geometry, run.wanted
    has = Bitfield.from_bytes(bits, geometry.piece_count)
    total = sum(geometry.piece_size(index) for index in has.missing())
    if not total:
        return
    if not wanted.files_path:
        raise AllHostsFailed(f"no host that had {wanted.tag} can give it any more; nothing was switched")
    with run.view.stage("upload") as said:
        sent = 0

        def on_piece(length: int) -> None:
            nonlocal sent
            sent += length
            run.view.progress(f"{shown_size(sent)} of {shown_size(total)} to {seeder}")

        root = root_of(metainfo.info, wanted.files_path)
        failure = upload_pieces(run.muster.channels, seeder, wanted.tag, metainfo, root, has, on_piece)
        if failure is not None:
            raise run.lost(seeder, "seeder", failure)
        said.append(f"{shown_size(total)} to {seeder}")


def _join(run: Run, ready: Ready, seeder: str, metainfo: Metainfo, entry: _Entry) -> dict[str, Message]:
    """Return what the hosts said that have everything; a swarm that can never finish is given up."""
    hosts, channels = run.outcome.going, run.muster.channels
    if seeder not in hosts and run.wanted.metainfo is not None and not run.wanted.elsewhere:
        hosts = [seeder, *hosts]
    show = run.muster.progress(hosts, metainfo.info.geometry.length)
    bytes_of: dict[str, int] = {}
    moved_at = time.monotonic()

    def on_event(host: str, event: Message) -> None:
        nonlocal moved_at
        show(host, event)
        downloaded, now = int(event.fields.get("bytes_downloaded", 0)), time.monotonic()
        if bytes_of.get(host) != downloaded:
            bytes_of[host], moved_at = downloaded, now
        orphaned = seeder in channels.failures() and not run.wanted.elsewhere
        if now - moved_at > ORPHANED_LIMIT and orphaned:
            raise _Orphaned

    first, last = run.settings.peer_port_range()
    requests = {
        host: Message(
            control.Join(
                run.wanted.tag,
                ready.addresses[host],
                first,
                last,
                *entry,
                run.settings.web_seeds.split(),
            ).fields()
        )
        for host in hosts
    }
    ask = channels.begin(requests)
    try:
        answers = ask.wait(None, on_event, silence=SILENCE_LIMIT)
    except _Orphaned:
        lacking = HostFailure(
            "failed",
            f"the seeder {seeder} was lost before all pieces had left it; what is here is kept."
            " Run the same command again",
        )
        answers = {host: ask.answers.get(host, lacking) for host in hosts}
    return run.muster.settle(answers)


def _need(
    run: Run,
    host: str,
    role: str,
    request: Request,
    timeout: float = PROMPT_TIMEOUT,
    attached: bytes = b"",
    on_event: OnEvent | None = None,
) -> Message:
    """Ask a host without which nothing goes on."""
    requests = {host: Message(request.fields(), attached)}
    answer = run.muster.channels.ask(requests, timeout, on_event, SILENCE_LIMIT)[host]
    if isinstance(answer, HostFailure):
        error = run.lost(host, role, answer)
        raise error if answer.exit_code != BadInput.exit_code else BadInput(f"{host}: {answer.reason}")
    return answer
