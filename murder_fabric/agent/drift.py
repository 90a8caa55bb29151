"""Reading a release again, long after it was verified: is it still what it was?"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from dataclasses import dataclass, field

from ..errors import BadInput, MetainfoError, StorageError
from ..metainfo.parsing import LONGEST_TORRENT, parse_metainfo
from ..metainfo.paths import shown
from ..metainfo.values import Metainfo
from ..storage.checking import digest_of, tree_faults
from ..storage.directories import Directories
from ..storage.failures import naming
from ..storage.mending import own_paths
from .destination import Destination
from .files import read_limited

#: Differences that are named; all of them are counted.
MOST_NAMED = 100


@dataclass(frozen=True)
class Drift:
    """What reading a release came to: its digest as it was verified, and what differs from that now."""

    digest: str
    #: Whether there is a torrent to compare with; without one the digest is of what is there.
    ours: bool
    faults: list[str]
    #: Those of `faults` that are about what belongs to the release, and not what lies there besides.
    damage: list[str] = field(default_factory=list)
    #: The paths in the others.
    strangers: list[str] = field(default_factory=list)


def drift_of(destination: Destination, tag: str, *, fast: bool = False) -> Drift:
    """
    Read the release *tag* and compare it with its torrent.

    Args:
        fast: a file is not read that has the size and the time that the torrent says.

    Raises:
        StorageError: it cannot be read, or its torrent is lost.
    """
    if not destination.is_verified(tag):
        return Drift(fingerprint(destination.release(tag)), False, [])
    metainfo, additions = kept_torrent(destination, tag)[0], destination.additions(tag)
    info, believed = metainfo.info, metainfo.mtimes if fast else None
    faults = tree_faults(info, destination.release(tag), additions, believed=believed)
    own = own_paths(info, additions)
    return Drift(
        info.digest.hex(),
        True,
        [f"{shown(path)} {fault}" for path, fault in faults],
        damage=[f"{shown(path)} {fault}" for path, fault in faults if path in own],
        strangers=[shown(path) for path, _ in faults if path not in own],
    )


def must_be_proven(destination: Destination, tag: str) -> None:
    """
    Read the release *tag* again where nothing says that it was verified here, and note that it is whole.

    What has been current here may be so again; what has no receipt is refused by `Destination.switch`.

    Raises:
        StorageError: it is not what its receipt says, or its torrent is lost.
    """
    receipts = destination.receipts
    bound = receipts.is_bound(tag) or destination.has_been_current(tag)
    if bound or not destination.is_verified(tag):
        return
    found = drift_of(destination, tag)
    if found.faults:
        raise StorageError(
            f"{destination.release(tag)}: its receipt does not say that it was verified here, and"
            f" {found.faults[0]}; {destination.path}/current stays as it is. Deploy the same tree under"
            " another --tag"
        )
    receipts.bind(tag)


def kept_torrent(destination: Destination, tag: str) -> tuple[Metainfo, bytes]:
    """
    Return the torrent of a verified release, as values and as bytes.

    Raises:
        StorageError: it is not verified, or the torrent is not there any more or another one.
    """
    receipt = destination.receipt(tag)
    if receipt is None:
        raise StorageError(f"{destination.release(tag)} is not there")
    path = os.path.join(destination.own, "torrents", tag)
    try:
        torrent = read_limited(path, LONGEST_TORRENT)
        metainfo = parse_metainfo(torrent)
        if metainfo.info.digest.hex() != receipt["digest"]:
            raise MetainfoError("it is another one's")
    except BadInput as error:
        raise StorageError(
            f"the torrent of {destination.release(tag)} is lost ({error}), so it cannot be compared with"
            " anything; deploy the same tree under another --tag"
        ) from None
    return metainfo, torrent


def fingerprint(root: str) -> str:
    """
    Return a digest (hex) of a tree that has no torrent: paths, modes, bytes and the texts of links.

    Raises:
        StorageError: something in it cannot be read.
    """
    directories, whole = Directories(root), hashlib.sha256()
    try:
        with naming(directories, ()):
            entries = sorted((path, status.st_mode) for path, status in directories.walk())
        for path, mode in entries:
            with naming(directories, path):
                what = _content(directories.open(path[:-1]), path[-1], mode)
            line = [stat.S_IFMT(mode), stat.S_IMODE(mode), os.fsdecode(b"/".join(path)), what]
            whole.update(json.dumps(line).encode() + b"\n")
    finally:
        directories.close()
    return whole.hexdigest()


def _content(parent: int, name: bytes, mode: int) -> str:
    if stat.S_ISLNK(mode):
        return os.fsdecode(os.readlink(name, dir_fd=parent))
    if not stat.S_ISREG(mode):
        return ""
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=parent)
    try:
        return digest_of(descriptor).hex()
    finally:
        os.close(descriptor)
