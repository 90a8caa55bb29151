"""From the operator's tree, or the seeder's, to a complete and verified copy on every host."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Callable

from .. import control
from ..control import Message, Request
from ..errors import BadInput
from ..metainfo.holdings import Holdings
from ..metainfo.values import Metainfo
from ..tracker.keys import announce_url, redacted
from ..units import counted, shown_size
from .connecting.asking import Answer, OnEvent
from .connecting.attachments import with_holdings, with_torrents
from .existing import tracker_of
from .failures import HostFailure
from .hope import Hope
from .inventory import listed
from .muster import PAYLOAD_TIMEOUT, PROMPT_TIMEOUT, SILENCE_LIMIT
from .outcome import HostState
from .preflight import Ready
from .ranges import fold
from .run import Entry, Run
from .seeding import seed_in_place, upload
from .spreading import Offer, offer_of_torrent, pays
from .staging import ask_to_stage, told_of_unfetched
from .standstill import Standstill
from .transfers import note_fetched, note_senders, note_staged, note_verified
from .trust import certificates
from .wanted import title_of


class _Orphaned(Exception):
    """The seeders are gone, and what they had is nowhere else."""


def create(run: Run) -> tuple[Metainfo, bytes]:
    """
    Return the torrent, made here before any host was touched, or on the seeder now.

    Raises:
        BadInput: it is another one than hosts may have under this tag.
        MurderError: the seeder could not make it.
    """
    wanted = run.wanted
    if wanted.metainfo is not None:
        return wanted.metainfo, wanted.metainfo.encode()
    request = control.Create(
        wanted.files_path, exclude=list(wanted.exclude), title=title_of(wanted.destination)
    )
    torrents: dict[bytes, Metainfo] = {}

    def look(answers: Mapping[str, Answer]) -> Mapping[str, Answer]:
        looked_at, found = with_torrents(request.name, answers)
        torrents.update(found)
        return looked_at

    with run.stage("create") as said:
        hashing = run.muster.hashing()
        seeders = run.seeders()
        message = _first(run, seeders, "seeder", request, PAYLOAD_TIMEOUT, on_event=hashing, look=look)
        if message is None:
            raise run.lost(seeders, "seeder")
        files, length = message.fields["file_count"], message.fields["length"]
        said.append(f"{counted(files, 'file')}, {shown_size(length)}")
    metainfo = torrents[message.attached]
    if wanted.digest and metainfo.info.digest.hex() != wanted.digest:
        raise BadInput(
            f"what lies at {wanted.files_path} on the seeder differs from the {wanted.tag} that hosts may"
            " have; give it another --tag. Nothing was changed"
        )
    return metainfo, message.attached


def swarm(run: Run, ready: Ready, metainfo: Metainfo, raw: bytes) -> None:
    """
    Bring the payload to the seeders and from there to everybody.

    Raises:
        MurderError: tracker or seeders failed, or everybody.
    """
    entry, offer = _enter(run, ready, metainfo, raw)
    staged = _stage(run, metainfo, raw, offer)
    sources: list[str] | None = None
    if run.in_place:
        sources = seed_in_place(run, ready.addresses, entry, raw)
    elif not run.wanted.elsewhere:
        sources = upload(run, metainfo, staged)
    run.outcome.seeders = list(sources or ())
    with run.stage("swarm") as said:
        done = _join(run, ready, list(staged), sources, metainfo, entry)
        note_fetched(run.outcome, done)
        note_senders(run.outcome, done, ready.addresses)
        fetched = sum(message.fields["bytes_downloaded"] for message in done.values())
        complete = counted(len(run.outcome.going), "host")
        said.append(f"{complete} complete, {shown_size(fetched)} moved among them in all")
        said += run.muster.told_of_sources(done)
    run.need_going()


def verify(run: Run, hosts: Collection[str] | None = None) -> None:
    """
    Have every host read its release again, or those of *hosts*: the others only gave it.

    Raises:
        AllHostsFailed: no host has it whole.
    """
    with run.stage("verify") as said:
        revision = run.wanted.revision.commit if run.wanted.revision.is_tree else ""
        request = control.Verify(run.wanted.tag, run.settings.linked(), revision)
        verified = run.muster.ask(
            [host for host in run.outcome.going if hosts is None or host in hosts],
            lambda _: request,
            PAYLOAD_TIMEOUT,
            silence=SILENCE_LIMIT,
            reaching=HostState.VERIFIED,
        )
        note_verified(run.outcome, verified)
        said.append(f"every byte read again on {counted(len(verified), 'host')}")
    run.need_going()


def _enter(run: Run, ready: Ready, metainfo: Metainfo, raw: bytes) -> tuple[Entry, Offer | None]:
    """Return how hosts get into the swarm, and how to the torrent *raw* where its tracker has it for them."""
    elsewhere, trusted = run.wanted.elsewhere, certificates(run.settings)
    announce = run.settings.tracker_url or (tracker_of(metainfo) if elsewhere else "")
    if not announce:
        announce, offer = _start_tracker(run, ready, metainfo, raw)
        return Entry(announce, run.token, ready.allowed(), trusted), offer
    # Such a tracker may have a list of what it tracks: whoever keeps that needs the hash.
    run.view.say(f"  tracker  {redacted(announce)} must track {metainfo.info.info_hash.hex()}")
    if elsewhere:
        return Entry(announce, None, None, trusted), None
    return Entry(announce, run.token, ready.allowed(), trusted), None


def _start_tracker(run: Run, ready: Ready, metainfo: Metainfo, raw: bytes) -> tuple[str, Offer | None]:
    """Start the tracker; where nobody named one, and it fails, the next host takes its place."""
    info_hash, token = metainfo.info.info_hash, bytes.fromhex(run.token)
    track = control.Track(info_hash.hex(), ready.allowed())
    while True:
        tracker, count = run.tracker(), len(run.outcome.going)
        address, spread = ready.addresses[tracker], pays(count, len(raw))
        start = control.StartTracker(address, *run.settings.tracker_port_range(), run.token)
        started = _first(run, [tracker], "tracker", start)
        attached = raw if spread else b""
        if started and _first(run, [tracker], "tracker", track, PAYLOAD_TIMEOUT, attached=attached):
            port = int(started.fields["port"])
            offer = offer_of_torrent(raw, info_hash, count, address, port, token) if spread else None
            return announce_url(address, port, token), offer


def _stage(run: Run, metainfo: Metainfo, raw: bytes, offer: Offer | None) -> dict[str, Message]:
    """Have hosts make ready to take the payload in, seeders too that are to get it and are no peers."""
    wanted, seeders, going = run.wanted, run.seeders(), run.outcome.going
    digest = metainfo.info.digest.hex()

    def request(host: str) -> Request:
        if host not in going:
            return control.Stage(wanted.tag, digest, layout="temporary")
        source = (wanted.files_path or None) if host in seeders and wanted.metainfo is None else None
        # What a seeder took over goes to everybody: it is read, however old releases look.
        verify = "full" if host in seeders else run.settings.verify
        mend = host in wanted.damaged
        return control.Stage(wanted.tag, digest, wanted.destination, source=source, verify=verify, mend=mend)

    brought = not (run.in_place or wanted.elsewhere)
    aside = [seeder for seeder in seeders if brought and seeder not in going]
    requests = {host: Message(request(host).fields(), raw) for host in [*going, *aside]}
    with run.stage("stage") as said:
        run.view.asked(requests, "have looked at what they have")
        answers, unfetched = ask_to_stage(run.muster, requests, offer)
        staged = run.muster.settle(with_holdings(metainfo.info, answers))
        note_staged(run.outcome, metainfo.info, staged)
        said += _told_of_staging(metainfo, staged) + told_of_unfetched(unfetched)
    run.need_going()
    return staged


def _told_of_staging(metainfo: Metainfo, staged: Mapping[str, Message]) -> list[str]:
    """Say how much is there before anything moves, and where it came from."""
    if not staged:
        return ["no host took it"]
    count = metainfo.info.geometry.piece_count
    had = sum(Holdings.from_bytes(metainfo.info, one.attached).pieces.have for one in staged.values())
    reused: Counter[str] = Counter()
    for one in staged.values():
        reused.update(one.fields["bytes_reused"])
    pieces = f"{had} of {count * len(staged)} pieces are there already, all hosts together"
    said = [pieces] if had else ["nothing is there already"] * (not reused)
    if reused:
        said.append(f"{shown_size(sum(reused.values()))} reused from {listed(reused)}")
    changed = {
        host: one.fields["files_changed"] for host, one in staged.items() if one.fields["files_changed"]
    }
    if changed:
        files = counted(sum(changed.values()), "file")
        said.append(f"{files} of former releases not as they were on {fold(list(changed))}, so not reused")
    return said


def _join(
    run: Run,
    ready: Ready,
    staged: list[str],
    sources: list[str] | None,
    metainfo: Metainfo,
    entry: Entry,
) -> dict[str, Message]:
    """
    Return what the hosts said that have everything; a swarm that can never finish is given up.

    Only `murder.swarm_timeout` says by when it must be over, as links may be slow. But each host that gets
    nothing ends: its agent says so, or it is silent, or it stands still.

    Args:
        staged: who joins, as far as nothing happened to it since.
        sources: who has everything to begin with; None where that is nobody of ours.
    """
    channels = run.muster.channels
    hosts = [host for host in staged if run.failure_of(host) is None]
    run.view.asked(hosts)
    hope = Hope(sources or (), now=time.monotonic())

    def on_event(host: str, event: Message) -> None:
        run.muster.progress(host, event, length)
        standstill.heard(host, event.fields)
        now = time.monotonic()
        hope.heard(host, event.fields, now=now)
        if sources is not None and hope.is_quiet(now=now):
            complete = [one for one, answer in ask.answers.items() if isinstance(answer, Message)]
            if hope.is_over(complete, ask.waiting(), channels.failures(), now=now):
                raise _Orphaned

    def on_answer(host: str, answer: Answer) -> None:
        if isinstance(answer, HostFailure):  # it may be long until the others have everything
            run.outcome.failed(host, answer)
            run.forewarn()

    requests = {host: Message(_join_request(run, ready.addresses[host], entry).fields()) for host in hosts}
    ask, length = channels.begin(requests), metainfo.info.geometry.length
    standstill = Standstill(ask, length, run.settings.swarm_timeout or None)
    try:
        answers = ask.wait(None, on_event, SILENCE_LIMIT, on_answer, standstill.look)
    except _Orphaned:
        lacking = HostFailure("failed", hope.sentence(ask.waiting()))
        answers = {host: ask.answers.get(host, lacking) for host in hosts}
    return run.muster.settle(answers)


def _join_request(run: Run, address: str, entry: Entry) -> Request:
    first, last = run.settings.peer_port_range()
    web_seeds = run.settings.web_seeds.split()
    limits = run.settings.limits()
    return control.Join(run.wanted.tag, address, first, last, *entry, *limits, web_seeds=web_seeds)


def _first(
    run: Run,
    hosts: list[str],
    role: str,
    request: Request,
    timeout: float = PROMPT_TIMEOUT,
    on_event: OnEvent | None = None,
    attached: bytes = b"",
    *,
    look: Callable[[Mapping[str, Answer]], Mapping[str, Answer]] | None = None,
) -> Message | None:
    """Have the first of *hosts* do it that can; None if none does. *look* finds faults in answers."""
    message = Message(request.fields(), attached)
    for host in hosts:
        answers = run.muster.channels.ask({host: message}, timeout, on_event, SILENCE_LIMIT)
        answer = (look(answers) if look is not None else answers)[host]
        if isinstance(answer, Message):
            return answer
        run.muster.drop(host, answer)
        if answer.exit_code == BadInput.exit_code:
            run.lost([host], role)
            raise BadInput(f"{host}: {answer.reason}")
    return None
