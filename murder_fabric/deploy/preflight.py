"""Before a byte of the payload moves: which hosts are ready, which are the same one, and who has room."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .. import control
from ..control import Message
from ..metainfo.values import Metainfo
from ..units import counted, shown_size
from .failures import HostFailure
from .muster import PAYLOAD_TIMEOUT, PROMPT_TIMEOUT
from .outcome import HostState, same_hosts
from .roles import HERE
from .run import Run
from .seeding_here import find_here
from .settings import split_paths

#: Bytes and inodes that must stay free beside the payload's.
SPARE_BYTES, SPARE_INODES = 16 << 20, 100


@dataclass(frozen=True)
class Ready:
    """What the hosts said of themselves, by host."""

    #: Where the others find it; tracker and seeder too, where they are not among the peers.
    addresses: Mapping[str, str]
    #: Bytes and inodes that the release may take; None: as many as it needs.
    room: Mapping[str, tuple[int, int | None]]
    #: The tag that `current` points at; None where there is none.
    current: Mapping[str, str | None]

    def allowed(self) -> list[str]:
        """Return the only addresses that may join the swarm, each as often as hosts have it."""
        return sorted(self.addresses.values())


def prepare(run: Run) -> Ready:
    """
    Take the destination on every host, and hear what is there, and where the others find each.

    Raises:
        BadInput: hosts cannot be told apart by address.
        AllHostsFailed: no host is left, or tracker or seeder failed.
    """
    with run.stage("prepare") as said:
        fields = take(run, run.wanted.tag)
        addresses = run.muster.locate(run.settings.interface)
        said.append(f"{counted(len(run.outcome.going), 'host')} ready")
    run.need_going()
    if run.wanted.seed_here:
        addresses = {**addresses, HERE: find_here(run, addresses)}
    for host in (run.tracker(), *run.seeders()):
        if host not in addresses:
            run.muster.drop(host, HostFailure("failed", "it did not say where peers find it"))
    run.tracker()
    run.seeders()  # there must be some left
    return Ready(
        addresses,
        {host: (one.get("free_bytes", 0), one.get("free_inodes")) for host, one in fields.items()},
        {host: one["current"] for host, one in fields.items()},
    )


def take(run: Run, tag: str | None) -> Mapping[str, Mapping[str, Any]]:
    """
    Take the destination on every host that is left, and drop hosts that are in the run under another name.

    Args:
        tag: what is about to come there; None where nothing is.

    Returns:
        By host, what it said; see `control.Prepare`.

    Raises:
        AllHostsFailed: no host is left.
    """
    muster, outcome, wanted, settings = run.muster, run.outcome, run.wanted, run.settings
    run.need_going()
    nonces = {host: secrets.token_hex(8) for host in outcome.going}
    dirs = [] if tag is None else split_paths(settings.linked_dirs)
    files = [] if tag is None else split_paths(settings.linked_files)

    def request_of(host: str) -> control.Request:
        return control.Prepare(
            wanted.destination, tag, run.id, nonces[host], run.operator, wanted.force, dirs, files
        )

    def ask(hosts: list[str]) -> dict[str, Message]:
        # What a run left unfinished that was cut off is removed first: that may be a million files.
        return muster.ask(hosts, request_of, PAYLOAD_TIMEOUT, silence=PROMPT_TIMEOUT)

    # One alone, by its name: of two runs that begin at once one has every host then, and not each some.
    first = min(outcome.going)
    prepared = ask([first])
    _leave_to_another_run(run, first)
    others = [host for host in outcome.going if host != first]
    if others:
        prepared.update(ask(others))
    _drop_other_names(run, nonces)
    run.need_going()
    return {host: prepared[host].fields for host in prepared if host in outcome.going}


def check_room(run: Run, ready: Ready, metainfo: Metainfo) -> None:
    """
    Refuse hosts without room for the release.

    Raises:
        AllHostsFailed: no host has any.
    """
    info = metainfo.info
    length, entries = info.geometry.length, len(info.files) + len(info.directories)
    for host in run.outcome.going:
        if lack := lack_of_room(run.wanted.destination, ready.room[host], length, entries):
            run.outcome.failed(host, HostFailure("failed", lack))
    run.need_going()
    run.forewarn()


def lack_of_room(destination: str, room: tuple[int, int | None], length: int, entries: int) -> str:
    """
    Say why a release does not fit where it is to go; empty where it does.

    Args:
        room: bytes and inodes that it may take; None: as many as it needs.
        length: its bytes.
        entries: its files, links and directories.
    """
    free_bytes, free_inodes = room
    bytes_needed, inodes_needed = length + SPARE_BYTES, entries + SPARE_INODES
    if free_bytes < bytes_needed:
        lack = f"no space left for {destination}: it needs {shown_size(bytes_needed)}"
        return f"{lack}, {shown_size(free_bytes)} are free; nothing was written"
    if free_inodes is not None and free_inodes < inodes_needed:
        lack = f"no inodes left for {destination}: it needs {inodes_needed}"
        return f"{lack}, {free_inodes} are free; nothing was written"
    return ""


def _leave_to_another_run(run: Run, first: str) -> None:
    """Let all hosts be out where *first* is another run's, and none may be: it is about to take them too."""
    outcome = run.outcome
    if outcome[first].error.startswith("busy: ") and not run.settings.failures_allowed(len(run.roles.peers)):
        for host in outcome.going:
            outcome.failed(host, HostFailure("failed", f"not taken, as {first} is busy; nothing was changed"))


def _drop_other_names(run: Run, nonces: Mapping[str, str]) -> None:
    request = control.Nonces(run.wanted.destination, run.id)
    answers = run.muster.ask(run.outcome.going, lambda _: request)
    marks = {host: message.fields["nonces"] for host, message in answers.items()}
    for host, first in same_hosts(marks, nonces).items():
        run.outcome.reached(host, HostState.SKIPPED, f"another name of {first}")
        run.view.say(f"  {host} is another name of {first}: deployed once")
