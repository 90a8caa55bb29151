"""`seed` and `peer`: one torrent, served and fetched by hand."""

from __future__ import annotations

import argparse
import os
import time
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.task import LoopingCall

from ..bitfield import Bitfield
from ..errors import BadInput, StorageError, VerifyError
from ..metainfo.holdings import Holdings
from ..metainfo.parsing import LONGEST_TORRENT, parse_metainfo
from ..metainfo.values import Info, Metainfo
from ..metainfo.web_seeds import web_seeds
from ..policy.pacing import Limits
from ..policy.stalling import Stall
from ..storage.checking import check
from ..storage.payload import Payload
from ..storage.reuse import reuse
from ..tracker.keys import with_passkey
from ..units import shown_size
from .addresses import Listen
from .files import read_certificates, read_limited, read_token
from .report import INTERVAL, Report
from .running import run
from .threads import in_thread
from .torrent import Progress, Torrent, TorrentConfig

_DOING = {"seed": "seeding", "peer": "fetching"}


def seed(options: argparse.Namespace) -> int:
    """Serve a payload until stopped."""
    report = Report(json=options.json)
    metainfo = _read_torrent(options.torrent)
    info = metainfo.info
    root = os.path.dirname(os.path.abspath(options.path)) if info.single_file else options.path
    _check_single_name(info, options.path)
    config = _torrent_config(options, metainfo, super_seed=not options.plain)

    async def main(reactor: Any) -> int:
        payload = Payload(info, root)
        try:
            have = Bitfield.full(info.geometry.piece_count)
            if not options.trust:
                have = await in_thread(check, info, payload)
            if not have.complete:
                missing = len(have) - have.have
                raise VerifyError(
                    f"{options.path} is not what {options.torrent} describes: {missing} of {len(have)} pieces"
                    " differ or are missing; nothing was changed"
                )
            torrent = Torrent(reactor, info, payload, have, config)
            await _serve(reactor, torrent, report, info, options, seconds=None)
        finally:
            payload.close()
        return 0

    return run(main)


def peer(options: argparse.Namespace) -> int:
    """Fetch a torrent and serve it for a while."""
    report = Report(json=options.json)
    if not options.seed_for >= 0:
        raise BadInput(f"--seed-for {options.seed_for}: seconds, 0 or more")
    metainfo = _read_torrent(options.torrent)
    info = metainfo.info
    root = os.fsencode(options.destination)
    if not info.single_file:
        root = os.path.join(root, info.name)
    config = _torrent_config(options, metainfo, super_seed=False)

    async def main(reactor: Any) -> int:
        payload = Payload(info, root)
        try:
            payload.prepare()
            holdings = await in_thread(_look, metainfo, root, payload)
            held = config._replace(held=frozenset(holdings.files))
            torrent = Torrent(reactor, info, payload, holdings.pieces, held)
            torrent.complete.addCallback(lambda _: payload.finish(metainfo.mtimes))
            await _serve(reactor, torrent, report, info, options, seconds=options.seed_for)
        finally:
            payload.close()
        return 0

    return run(main)


def _look(metainfo: Metainfo, root: bytes, payload: Payload) -> Holdings:
    """Return what is there of a payload that is to be fetched."""
    holdings = Holdings.none(metainfo.info)._replace(pieces=check(metainfo.info, payload))
    payload.close()
    reuse(metainfo, root, holdings, ())
    return holdings


async def _serve(
    reactor: Any,
    torrent: Torrent,
    report: Report,
    info: Info,
    options: argparse.Namespace,
    seconds: float | None,
) -> None:
    """
    Take part in the swarm until *seconds* after completion, or for ever; report as it goes.

    Raises:
        StorageError: the disk failed, before or after completion.
        SwarmError: there was no hope of completion.
    """
    served: Deferred[None] = Deferred()  # for ever, unless the disk fails
    torrent.on_broken = lambda reason: served.errback(StorageError(f"{reason}; it is not served any more"))
    began = time.monotonic()
    port = torrent.start()
    listen = options.listen._replace(first_port=port, last_port=port)
    _report_started(report, info, options, listen)
    stall = Stall(now=reactor.seconds())

    def tick() -> None:
        _report_progress(torrent, report)
        torrent.look_for_hope(stall)
        torrent.look_for_source(stall)

    ticker = LoopingCall(tick)
    ticker.clock = reactor
    ticker.start(INTERVAL, now=False)
    complete = False
    try:
        await torrent.complete
        complete = True
        took = time.monotonic() - began
        _report_completed(report, torrent.progress(), took, torrent.bytes_of_origins)
        await (served if seconds is None else served.addTimeout(seconds, reactor))
    except TimeoutError:
        pass
    except CancelledError:
        if not complete:
            raise
    finally:
        ticker.stop()
        await torrent.stop()
    final = torrent.progress()
    moved = {"bytes_downloaded": final.bytes_downloaded, "bytes_uploaded": final.bytes_uploaded}
    report.event("stopped", "", **moved)


def _report_started(report: Report, info: Info, options: argparse.Namespace, listen: Listen) -> None:
    name = info.name.decode("utf-8", "replace")
    report.event(
        "started",
        f"{_DOING[options.command]} {name}, {shown_size(info.geometry.length)}, on {listen}",
        port=listen.first_port,
        address=listen.address,
        info_hash=info.info_hash.hex(),
    )


def _report_completed(report: Report, progress: Progress, seconds: float, bytes_of_web_seeds: int) -> None:
    text = f"complete after {seconds:.1f} s: {shown_size(progress.bytes_downloaded)} fetched"
    report.event(
        "completed",
        f"{text}, {shown_size(progress.bytes_uploaded)} served" if progress.bytes_downloaded else "complete",
        seconds=round(seconds, 3),
        bytes_downloaded=progress.bytes_downloaded,
        bytes_uploaded=progress.bytes_uploaded,
        bytes_of_web_seeds=bytes_of_web_seeds,
    )


def _report_progress(torrent: Torrent, report: Report) -> None:
    report.progress(torrent.progress(), torrent.tracker_problem)


def _torrent_config(options: argparse.Namespace, metainfo: Metainfo, *, super_seed: bool) -> TorrentConfig:
    trackers = metainfo.announce_list or ((metainfo.announce,),) if metainfo.announce else ()
    if options.announce is not None:
        trackers = ((options.announce,),)
    origins = web_seeds(options.web_seed, metainfo) if options.command == "peer" else ()
    if not trackers and not origins:
        raise BadInput(f"{options.torrent} names no tracker: give one with --announce URL")
    token = read_token(options.token_file)
    trackers = tuple(tuple(with_passkey(url, token) for url in tier) for tier in trackers)
    return TorrentConfig(
        options.listen,
        trackers,
        token=token,
        super_seed=super_seed,
        web_seeds=origins,
        certificates=read_certificates(options.ca_file),
        limits=Limits(options.upload_limit, options.download_limit, options.dscp),
    )


def _read_torrent(path: str) -> Metainfo:
    data = read_limited(path, LONGEST_TORRENT)
    try:
        return parse_metainfo(data)
    except BadInput as error:
        raise type(error)(f"{path}: {error}") from None


def _check_single_name(info: Info, path: str) -> None:
    name = os.path.basename(os.fsencode(path))
    if info.single_file and name != info.name:
        raise BadInput(f"{path}: the torrent's file is called {info.name.decode('utf-8', 'replace')}")
