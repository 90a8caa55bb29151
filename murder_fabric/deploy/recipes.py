"""
Murder's recipes: tracker, torrent, seeder and peers, each by itself, with agents that stay on the hosts.

Every step takes the `Muster` of its hosts first and returns the sentence that the task ends with. What a
later step must know is asked of the hosts: the tracker has its address and the secret, the seeder the
torrent, so that the next `fab` may run elsewhere.
"""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from .. import control, units
from ..control import Message
from ..errors import AllHostsFailed, BadInput, MurderError
from ..tracker.keys import announce_url
from .connecting.asking import GREET_TIMEOUT
from .failures import HostFailure
from .haste import STOP_WITHIN
from .inventory import counted
from .muster import PAYLOAD_TIMEOUT, SILENCE_LIMIT, Muster
from .outcome import HostState
from .roles import Roles
from .settings import Settings
from .standstill import Standstill
from .torrents import Torrent, kept_torrent
from .transfers import note_fetched, note_verified
from .trust import certificates

TRACKER = "tracker"
#: Seconds without a task after which tracker and seeder end by themselves.
LIFETIME = 3600.0


class Tracker(NamedTuple):
    """A tracker that runs; one not ours (`murder.tracker_url`) is told of nobody and keeps no token."""

    #: Empty where it is not ours.
    host: str
    #: The URL that peers ask.
    announce: str
    #: The secret of its swarms, in hex; empty where it is not ours.
    token: str


def distribute_files(muster: Muster) -> str:
    """Say who has an agent now: whoever was greeted."""
    must_have_some(muster)
    supplied = len(muster.supplied)
    had = len(muster.greeted) - supplied
    return f"the agent is on {counted(muster.greeted)}: {supplied} took it in, {had} had it"


def start_tracker(muster: Muster, host: str, settings: Settings) -> str:
    """
    Start the tracker, or find the one that runs.

    Raises:
        BadInput: the settings name one that is not ours to start.
    """
    if settings.tracker_url:
        raise BadInput("murder.tracker_url names a tracker that runs already; none was started")
    address = _address(muster, host, settings)
    first, last = settings.tracker_port_range()
    token = secrets.token_hex(16)
    with _staying(muster, host, TRACKER, LIFETIME) as started:
        request = control.StartTracker(address, first, last, token)
        facts = muster.ask_one(host, request, to=TRACKER).fields
    already = "" if started else "already "
    return f"the tracker {already}runs on {host}, address {facts['address']}, port {facts['port']}"


def stop_tracker(muster: Muster, host: str) -> str:
    """End the tracker."""
    muster.ask_one(host, control.Dismiss(TRACKER))
    return f"the tracker on {host} has ended"


def start_seeding(muster: Muster, roles: Roles, settings: Settings, tag: str) -> str:
    """
    Seed what the torrent of *tag* was made of, from where it lies on the seeders.

    Each checks its copy; one that fails is out, and the others seed.

    Raises:
        MurderError: no seeder does; what stood in the way of the last.
    """
    trusted = certificates(settings)
    tracker, torrent = _tracker(muster, roles.tracker, settings), kept_torrent(muster, roles.seeders, tag)
    said: list[str] = []
    for host in roles.seeders:
        try:
            said.append(_start_seeding(muster, host, settings, tag, tracker, torrent, trusted))
        except MurderError as error:
            if not said and host == roles.seeders[-1]:
                raise
            muster.drop(host, muster.refused.get(host, HostFailure("failed", str(error))))
    return "; ".join(said)


def _start_seeding(
    muster: Muster,
    host: str,
    settings: Settings,
    tag: str,
    tracker: Tracker,
    torrent: Torrent,
    trusted: str,
) -> str:
    agent = f"seeder-{tag}"
    path = kept_torrent(muster, [host], tag).path
    address = _address(muster, host, settings)
    with _staying(muster, host, agent, LIFETIME) as started:
        if not started:
            _admit(muster, host, tag, torrent, tracker, [address])
            return f"{tag} is being seeded on {host} already"
        _track(muster, tracker, torrent, [address])
        first, last = settings.peer_port_range()
        token = tracker.token or torrent.token
        request = control.Seed(
            tag,
            address,
            first,
            last,
            tracker.announce,
            token,
            [address],
            trusted,
            *settings.limits(),
            path=path,
        )
        with muster.view.stage("check"):
            done = muster.ask_one(
                host, request, PAYLOAD_TIMEOUT, torrent.raw, to=agent, silence=SILENCE_LIMIT
            )
    return f"{host} seeds {tag} at {address}, port {done.fields['port']}"


def peer(
    muster: Muster, roles: Roles, settings: Settings, tag: str, destination: str, *, empty: bool = False
) -> str:
    """
    Fetch *tag* into *destination* on every peer, and leave those that have it seeding.

    Where it does not come to that, nothing of it stays: no agent, and no part of the payload. With *empty*,
    what lies in *destination* goes first, and does not come back.
    """
    trusted = certificates(settings)
    tracker = _tracker(muster, roles.tracker, settings)
    torrent = kept_torrent(muster, roles.seeders, tag)
    addresses = muster.locate(settings.interface)
    must_have_some(muster)
    hosts = sorted(addresses.values())
    _admit_everywhere(muster, roles.seeders, tag, torrent, tracker, hosts)
    _track(muster, tracker, torrent, hosts)
    agent = f"peer-{tag}"
    started: list[str] = []
    try:
        started += _detach(muster, agent, settings.seed_for)
        _stage(muster, agent, tag, torrent, destination, roles.seeders, empty)
        first, last = settings.peer_port_range()
        url, token = tracker.announce, tracker.token or torrent.token
        web_seeds, limits = settings.web_seeds.split(), settings.limits()
        _join(
            muster,
            agent,
            torrent.metainfo.info.geometry.length,
            lambda host: control.Join(
                tag, addresses[host], first, last, url, token, hosts, trusted, *limits, web_seeds=web_seeds
            ),
        )
        _verify(muster, agent, tag)
    finally:
        complete = muster.outcome.hosts(HostState.VERIFIED)
        _dismiss(muster, agent, [host for host in started if host not in complete])
    return (
        f"{counted(complete)} complete with {tag} in {destination}, and seeding until murder.stop-peering"
        f" or for {settings.seed_for} s"
    )


def _detach(muster: Muster, agent: str, lifetime: float) -> list[str]:
    """Leave *agent* running on every peer and return where; a peer that has one already is out."""
    answers = muster.ask(muster.outcome.going, lambda _: control.Detach(agent, lifetime), GREET_TIMEOUT)
    for host, done in answers.items():
        if not done.fields["started"]:
            reason = f"a {control.spoken(agent)} is running already; murder.stop-peering ends it"
            muster.outcome.failed(host, HostFailure("failed", reason))
    must_have_some(muster)
    return [host for host, done in answers.items() if done.fields["started"]]


def _stage(
    muster: Muster, agent: str, tag: str, torrent: Torrent, destination: str, seeders: list[str], empty: bool
) -> None:
    def request(host: str) -> control.Request:
        # A seeder's host has the files: they are copied there, not fetched over the network.
        source = torrent.path if host in seeders else None
        return control.Stage(tag, torrent.digest, destination, "plain", source, empty)

    with muster.view.stage("stage") as said:
        staged = muster.ask(
            muster.outcome.going, request, PAYLOAD_TIMEOUT, torrent.raw, to=agent, silence=SILENCE_LIMIT
        )
        removed = {host: one.fields["removed"] for host, one in staged.items() if one.fields.get("removed")}
        if removed:
            said.append(f"{sum(removed.values())} entries of {destination} deleted on {counted(removed)}")
        for host in staged.keys() & set(seeders):
            muster.outcome.noted(host, bytes_reused=torrent.metainfo.info.geometry.length)
    must_have_some(muster)


def _join(muster: Muster, agent: str, length: int, request: Callable[[str], control.Request]) -> None:
    hosts = muster.outcome.going

    def on_event(host: str, event: Message) -> None:
        muster.progress(host, event, length)
        standstill.heard(host, event.fields)

    with muster.view.stage("swarm") as said:
        requests = {host: Message({**request(host).fields(), "to": agent}) for host in hosts}
        muster.view.asked(requests)
        ask = muster.channels.begin(requests)
        standstill = Standstill(ask, length)
        done = muster.settle(ask.wait(None, on_event, SILENCE_LIMIT, muster.counting(), standstill.look))
        note_fetched(muster.outcome, done)
        moved = sum(message.fields["bytes_downloaded"] for message in done.values())
        complete = f"{len(done)} of {units.counted(len(hosts), 'host')} complete"
        said.append(f"{complete}, {units.shown_size(moved)} moved among them in all")
        said += muster.told_of_sources(done)
    must_have_some(muster)


def _verify(muster: Muster, agent: str, tag: str) -> None:
    with muster.view.stage("verify") as said:
        going, request = muster.outcome.going, control.Verify(tag)
        hosts = muster.ask(
            going,
            lambda _: request,
            PAYLOAD_TIMEOUT,
            to=agent,
            silence=SILENCE_LIMIT,
            reaching=HostState.VERIFIED,
        )
        note_verified(muster.outcome, hosts)
        said.append(f"every byte read again on {units.counted(len(hosts), 'host')}")
    must_have_some(muster)


@contextmanager
def _staying(muster: Muster, host: str, agent: str, lifetime: float) -> Iterator[bool]:
    """Leave *agent* running on *host*, unless the body fails that was to give it work; says if it is new."""
    started = bool(muster.ask_one(host, control.Detach(agent, lifetime), GREET_TIMEOUT).fields["started"])
    try:
        yield started
    except BaseException:
        if started:
            _dismiss(muster, agent, [host])
        raise


def _dismiss(muster: Muster, agent: str, hosts: Iterable[str]) -> None:
    """End an agent where it may not stay, be it after Ctrl-C; where it cannot be told, it ends by itself."""
    requests = dict.fromkeys(hosts, Message(control.Dismiss(agent).fields()))
    muster.channels.ask(requests, STOP_WITHIN, insist=True)


def _tracker(muster: Muster, host: str, settings: Settings) -> Tracker:
    if settings.tracker_url:
        return Tracker("", settings.tracker_url, "")
    try:
        facts = muster.ask_one(host, control.TrackerFacts(), to=TRACKER).fields
    except BadInput:
        raise BadInput(f"no tracker runs on {host}; murder.start-tracker starts it") from None
    token = str(facts["token"])
    url = announce_url(str(facts["address"]), int(facts["port"]), bytes.fromhex(token))
    return Tracker(host, url, token)


def _track(muster: Muster, tracker: Tracker, torrent: Torrent, hosts: list[str]) -> None:
    if tracker.host:
        request = control.Track(torrent.metainfo.info.info_hash.hex(), hosts)
        muster.ask_one(tracker.host, request, to=TRACKER)


def _admit_everywhere(
    muster: Muster, seeders: list[str], tag: str, torrent: Torrent, tracker: Tracker, hosts: list[str]
) -> None:
    """Have the seeders take connections of *hosts*; one that does not is out, unless it is the only one."""
    admitted = False
    for seeder in seeders:
        try:
            _admit(muster, seeder, tag, torrent, tracker, hosts)
            admitted = True
        except MurderError as error:
            if not admitted and seeder == seeders[-1]:
                raise
            muster.view.say(f"  {muster.refused[seeder].reason if seeder in muster.refused else error}")


def _admit(
    muster: Muster, seeder: str, tag: str, torrent: Torrent, tracker: Tracker, hosts: list[str]
) -> None:
    request = control.Admit(tag, torrent.digest, hosts, tracker.announce)
    try:
        muster.ask_one(seeder, request, to=f"seeder-{tag}")
    except BadInput:
        advice = f"murder.start-seeding --tag {tag} starts the seeder, after murder.stop-seeding if one runs"
        refusal = muster.refused[seeder]
        muster.refused[seeder] = dataclasses.replace(refusal, reason=f"{refusal.reason}; {advice}")
        raise BadInput(f"{seeder}: {muster.refused[seeder]}") from None


def _address(muster: Muster, host: str, settings: Settings) -> str:
    located = muster.ask_one(host, control.Locate(settings.interface or None))
    return str(located.fields["address"])


def must_have_some(muster: Muster) -> None:
    """
    Go on only while there is a host left.

    Raises:
        AllHostsFailed: there is none.
    """
    if not muster.outcome.going:
        raise AllHostsFailed(f"{units.every(len(muster.outcome.lost), 'host')} failed")
