"""What is to be deployed; checked, and hashed if it lies here, before any host is touched."""

from __future__ import annotations

import getpass
import os
import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from ..control import check_depth, check_tag
from ..errors import BadInput, Interrupted
from ..metainfo.values import Metainfo
from ..storage.creation import create_metainfo
from .revision import NO_REVISION, Revision, revision_of
from .settings import Settings
from .trust import certificates


@dataclass(frozen=True)
class Wanted:
    """The release *tag* of *destination*, made of what lies at *files_path*."""

    tag: str
    destination: str
    #: On the operator's machine, or on the seeder where `metainfo` is None.
    files_path: str
    metainfo: Metainfo | None
    exclude: list[str] = field(default_factory=list)
    #: Where it comes from, for `revisions.log`; host and path.
    origin: str = ""
    #: The commit that is deployed, if it is one.
    revision: Revision = NO_REVISION
    #: Go on where somebody holds the destination.
    force: bool = False
    #: Whether seeders or web seeds that are no hosts of ours have the files; `files_path` is empty then.
    elsewhere: bool = False
    #: Whether the operator's machine seeds what lies at `files_path` itself, and nothing goes over SSH.
    seed_here: bool = False
    #: Hosts that have it, but not as it was verified: what is wrong there is replaced.
    damaged: frozenset[str] = frozenset()
    #: The digest that it must have, in hex, as hosts may have it already; empty where it may be any.
    digest: str = ""


def check_wanted(
    settings: Settings,
    on_seeder: bool,
    exclude: Iterable[str],
    *,
    seed_here: bool = False,
    force: bool = False,
) -> Wanted:
    """
    Return what *settings* ask for.

    Raises:
        BadInput: something is missing or cannot be deployed.
        Interrupted: Ctrl-C.
    """
    files_path, destination = settings.default_seeder_files_path, settings.default_destination_path
    if not files_path or not destination:
        missing = "--files-path" if not files_path else "--destination-path"
        raise BadInput(
            f"{missing} is missing: fab -H … murder.deploy --files-path ./build --destination-path /srv/app"
        )
    check_depth(destination)
    tag = check_tag(settings.default_tag or time.strftime("%Y%m%d%H%M%S", time.gmtime()))
    certificates(settings)  # what is wrong with them is to be said now
    patterns = patterns_of(settings, exclude)
    if on_seeder and seed_here:
        raise BadInput(
            "--on-seeder and --seed-here say different things of where the files lie: leave one out"
        )
    if on_seeder:
        origin = f"{files_path} on the seeder"
        return Wanted(tag, destination, files_path, None, patterns, origin, force=force)
    path = os.path.expanduser(files_path)
    # A single file is released under its own name.
    title = os.fsencode(title_of(destination)) if os.path.isdir(path) else None
    try:
        metainfo = create_metainfo(path, None, exclude=patterns, name=title)
    except KeyboardInterrupt:
        raise Interrupted("interrupted; no host was touched") from None
    origin, revision = f"{operator_name()}:{path}", revision_of(path)
    return Wanted(
        tag, destination, path, metainfo, patterns, origin, revision, force=force, seed_here=seed_here
    )


def patterns_of(settings: Settings, exclude: Iterable[str]) -> list[str]:
    """Return what of a tree is not deployed: what a release has a link for is none of its own."""
    return [*exclude, *(f"/{name}" for name in settings.linked())]


def operator_name() -> str:
    """Return who runs this and where, as others are told."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


def title_of(destination: str) -> str:
    """Return what torrents of a destination are called: the same, so that equal trees have equal digests."""
    return destination.rstrip("/").rpartition("/")[2]
