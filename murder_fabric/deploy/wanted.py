"""What is to be deployed; checked, and hashed if it lies here, before any host is touched."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from ..control import check_tag
from ..errors import BadInput, Interrupted
from ..metainfo.values import Metainfo
from ..storage.creation import create_metainfo
from .settings import Settings


@dataclass(frozen=True)
class Wanted:
    """The release *tag* of *destination*, made of what lies at *files_path*."""

    tag: str
    destination: str
    #: On the operator's machine, or on the seeder where `metainfo` is None.
    files_path: str
    metainfo: Metainfo | None
    exclude: list[str] = field(default_factory=list)


def check_wanted(settings: Settings, on_seeder: bool, exclude: Iterable[str]) -> Wanted:
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
    tag = check_tag(settings.default_tag or time.strftime("%Y%m%d%H%M%S", time.gmtime()))
    patterns = list(exclude)
    if on_seeder:
        return Wanted(tag, destination, files_path, None, patterns)
    path = os.path.expanduser(files_path)
    # A single file is released under its own name.
    title = os.fsencode(title_of(destination)) if os.path.isdir(path) else None
    try:
        metainfo = create_metainfo(path, None, exclude=patterns, name=title)
    except KeyboardInterrupt:
        raise Interrupted("interrupted; no host was touched") from None
    return Wanted(tag, destination, path, metainfo, patterns)


def absolute(files_path: str | None, on_seeder: bool) -> str | None:
    """Return a path of this machine as its setting must be; one of the seeder's is left as it is."""
    return files_path if not files_path or on_seeder else os.path.abspath(os.path.expanduser(files_path))


def title_of(destination: str) -> str:
    """Return what torrents of a destination are called: the same, so that equal trees have equal digests."""
    return destination.rstrip("/").rpartition("/")[2]


def root_of(metainfo: Metainfo, files_path: str) -> str:
    """Return where `storage.Payload` finds the payload that lies at *files_path*."""
    return os.path.dirname(os.path.realpath(files_path)) if metainfo.info.single_file else files_path
