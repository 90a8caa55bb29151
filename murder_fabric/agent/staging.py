"""Payloads on their way to becoming releases: where they lie, how much is there, when they are whole."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field

from .. import control
from ..errors import ControlError, StorageError, UnfitError, VerifyError
from ..metainfo.holdings import Holdings
from ..metainfo.parsing import parse_metainfo
from ..metainfo.paths import shown
from ..metainfo.values import Info, Metainfo
from ..storage.additions import Additions
from ..storage.checking import NOTHING_MORE, check, shape_faults, tree_faults, verify_tree
from ..storage.clearing import remove_strangers
from ..storage.finishing import directory_modes
from ..storage.mending import mend, own_paths
from ..storage.payload import Payload, root_of
from ..storage.reuse import Reused, reuse
from ..units import shown_size
from .answer import Answer
from .cleaning import empty
from .destination import Destination, expand, expand_source
from .files import close_moved, nearest
from .formers import formers
from .ownership import must_be_trusted
from .removal import remove_known, remove_tree
from .state import state_directory


@dataclass
class Staged:
    """A payload that is being put together, or is there already."""

    metainfo: Metainfo
    raw: bytes
    root: str
    payload: Payload
    holdings: Holdings
    layout: str
    #: Where it becomes a release; None where it does not.
    destination: Destination | None
    #: It is verified and stays.
    released: bool
    #: `root` was not there before.
    made: bool
    #: Entries of it that went because the operator wanted it empty.
    removed: int = 0
    #: It is a release already, of which somebody has changed files: what is wrong there is replaced by these.
    mends: bool = False
    #: Which directory `root` is, where it is no release; None until it was seen to be for us alone.
    known: os.stat_result | None = None
    #: What came from former releases.
    reused: Reused = field(default_factory=Reused)


def stage(request: control.Stage, raw: bytes) -> Staged:
    """
    Make ready to take in the payload of the torrent *raw*; reads what of it is there, and former releases.

    Raises:
        ControlError: it is another torrent than *request* announces.
        StorageError: there is no place for it, or what is there under that tag is something else.
        VerifyError: the payload to copy from is not the torrent's (any more).
    """
    metainfo = parse_metainfo(raw)
    if metainfo.info.digest.hex() != request.digest:
        raise ControlError("the torrent that came is not the one that was announced; nothing was changed")
    removed = _make_empty(request)
    root, destination, released = _place(request)
    mends = request.mend and destination is not None and destination.is_verified(request.tag)
    payload, nothing = Payload(metainfo.info, root), Holdings.none(metainfo.info)
    made = not os.path.lexists(root)
    staged = Staged(
        metainfo, raw, root, payload, nothing, request.layout, destination, released, made, removed, mends
    )
    try:
        if request.layout != "release":
            staged.known = _take(staged)
        if not released:
            if not made and request.layout == "release":
                # A run that did not come to its end left this, perhaps with another tree under the same tag.
                remove_strangers(metainfo.info, root)
            payload.prepare()
        have = check(metainfo.info, payload)
        staged.holdings = nothing._replace(pieces=have)
        if released and not have.complete:
            raise StorageError(
                f"{root} was changed since it was verified: {len(have) - have.have} of {len(have)} pieces"
                " differ; nothing was changed. murder.catch-up --mend brings what it was from other hosts,"
                " or choose another --tag"
            )
        if destination is not None and not have.complete:
            payload.close()  # some of its files may be replaced
            # Of what somebody has changed nothing is believed.
            fast = request.verify == "fast" and not mends
            former = formers(destination, request.tag)
            staged.reused = reuse(metainfo, root, staged.holdings, former, fast=fast)
        if request.source is not None and not have.complete:
            _copy_pieces(staged, expand_source(request.source))
    except BaseException:
        payload.close()
        discard(staged)
        raise
    return staged


def told(staged: Staged) -> Answer:
    """Return what the operator is told of what was staged; see `control.Stage`."""
    fields = {
        "released": staged.released,
        "removed": staged.removed,
        "bytes_reused": staged.reused.bytes_of,
        "files_changed": staged.reused.changed,
    }
    return Answer(fields, staged.holdings.to_bytes())


def told_unfetched(why: str) -> Answer:
    """Return what the operator is told where nothing was staged, as there was no torrent."""
    nothing = {"released": False, "removed": 0, "bytes_reused": {}, "files_changed": 0}
    return Answer({**nothing, "unfetched": why})


def store(staged: Staged, index: int, data: bytes) -> bool:
    """Write what a piece lacked, and did not come from the swarm, if that makes it what it must be."""
    info, holdings = staged.metainfo.info, staged.holdings
    if not 0 <= index < info.geometry.piece_count:
        return False
    lacking = holdings.lacking(index)
    if len(data) != sum(run.length for run in lacking):
        return False
    parts, at = [], 0
    for run in lacking:
        parts.append((run.begin, data[at : at + run.length]))
        at += run.length
    hasher = info.hasher()
    held = [(run.begin, staged.payload.read(index, *run)) for run in holdings.held(index)]
    for _, part in sorted([*parts, *held]):
        hasher.update(part)
    if hasher.digest() != info.piece_hash(index):
        return False
    for begin, part in parts:
        staged.payload.write(index, begin, part)
    holdings.pieces.add(index)
    return True


def verify_staged(staged: Staged, request: control.Verify) -> None:
    """
    Finish what was staged and read it again; what is to be a release becomes one.

    Raises:
        VerifyError: it is not what its torrent says.
        StorageError: the disk refuses, or it is a release already, with other links.
    """
    destination = staged.destination
    if destination is None:
        finish_and_verify(staged)
    elif staged.mends:
        _mend(staged, destination, request.tag)
        destination.receipts.bind(request.tag)
    elif staged.released:
        additions = destination.additions(request.tag)
        if additions.links != destination.wanted_additions(request.linked, "").links:
            raise StorageError(
                f"{staged.root} is there already with other links to what is shared (murder.linked_dirs,"
                " murder.linked_files); nothing was switched. Choose another --tag"
            )
        _close(staged)
        finish_and_verify(staged, additions)
        destination.receipts.bind(request.tag)
    else:
        info = staged.metainfo.info
        finish_and_verify(staged, destination.wanted_additions(request.linked, request.revision))
        destination.commit(
            request.tag,
            info.digest.hex(),
            staged.raw,
            length=info.geometry.length,
            linked=request.linked,
            revision=request.revision,
        )
    staged.released = True


def _mend(staged: Staged, destination: Destination, tag: str) -> None:
    """Replace what is wrong with a release by what was staged anew, and see that nothing is any more."""
    info, additions, release = staged.metainfo.info, destination.additions(tag), destination.release(tag)
    finish_and_verify(staged, additions)
    own = own_paths(info, additions)
    wrong = [path for path, _ in tree_faults(info, release, additions) if path in own]
    mend(info, release, staged.root, wrong)
    left = [fault for fault in shape_faults(info, release, additions) if fault[0] in own]
    if left:
        raise VerifyError(f"{release}: {shown(left[0][0])} {left[0][1]}, though it was replaced just now")


def finish_and_verify(staged: Staged, additions: Additions = NOTHING_MORE) -> None:
    """Give the tree its final shape and read it again; beside the swarm, which goes on serving from it."""
    metainfo = staged.metainfo
    if not staged.released:
        payload = Payload(metainfo.info, staged.root)
        try:
            payload.finish(metainfo.mtimes)
            additions.make(metainfo.info, staged.root)
            payload.sync()
        finally:
            payload.close()
    verify_tree(metainfo.info, staged.root, additions=additions)


def _close(staged: Staged) -> None:
    """Close a release to writing, if a run was killed between moving it there and that."""
    mode = directory_modes(staged.metainfo.info).get(())
    if mode is None:
        return
    try:
        close_moved(staged.root, mode)
    except OSError as error:
        raise StorageError(f"{staged.root}: {error.strerror}; nothing was switched") from None


def discard(staged: Staged) -> None:
    """
    Remove what nobody will come back for: payloads only to be seeded, and plain ones that were not verified.

    A plain payload had its directory for itself (`_take` takes no other), so all that is in it is ours. What
    a release was mended with was kept to be served.
    """
    if staged.mends and staged.released:
        with contextlib.suppress(StorageError):
            remove_tree(staged.root)
    if staged.released or staged.known is None:
        return
    with contextlib.suppress(OSError, StorageError):
        remove_known(staged.root, staged.known, itself=staged.made)


def _make_empty(request: control.Stage) -> int:
    """Remove what lies in a plain destination, where that was asked for; return how many entries that was."""
    if not request.empty or request.layout != "plain":
        return 0
    source = None if request.source is None else expand_source(request.source)
    return empty(expand(request.destination), source)


def _place(request: control.Stage) -> tuple[str, Destination | None, bool]:
    """Return where the payload goes, the destination it becomes a release of, and whether it is one."""
    control.check_tag(request.tag)
    if request.layout == "temporary":
        return _temporary(request.tag), None, False
    if request.layout == "plain":
        root = expand(request.destination)
        if os.path.lexists(root) and (not os.path.isdir(root) or os.listdir(root)):
            raise StorageError(
                f"{root} is there already and not empty; nothing was changed. Choose another"
                " --destination-path, or have it emptied first: --unsafe-please-delete"
            )
        with _saying(root):
            must_be_trusted(root)
        return root, None, False
    destination = Destination(request.destination)
    receipt = destination.receipt(request.tag)
    if receipt is None:
        return destination.staging(request.tag), destination, False
    if request.mend and receipt["digest"] == request.digest:
        return destination.staging(request.tag), destination, False
    if receipt["digest"] != request.digest:
        raise UnfitError(
            f"{destination.release(request.tag)} is there already with other contents, and a tag never"
            " changes; nothing was changed. Choose another --tag"
        )
    return destination.release(request.tag), destination, True


def _take(staged: Staged) -> os.stat_result:
    """
    Make the directory of what is no release, if it is missing; return which one its payload goes to.

    `_place` looked at a name: whoever may make it, or rename above it, can have given it to another one.
    """
    root = staged.root
    _must_have_room(root, staged.metainfo.info)
    opened = staged.payload.make_root()
    known = os.fstat(opened)
    with _saying(root):
        must_be_trusted(root)
        if os.path.samestat(known, os.stat(root)) and not os.listdir(opened):
            return known
    raise StorageError(f"{root} was empty, or not there, and is no more; nothing was written or deleted")


@contextlib.contextmanager
def _saying(root: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(f"{error.filename or root}: {error.strerror}; nothing was changed") from None


def _must_have_room(root: str, info: Info) -> None:
    """Refuse a payload where it does not fit; a destination of releases was looked at before."""
    found = os.statvfs(nearest(root))
    length, free = info.geometry.length, found.f_bavail * found.f_frsize
    if free < length:
        raise StorageError(
            f"no space left for {root}: it needs {shown_size(length)}, {shown_size(free)} are free; nothing"
            " was written"
        )
    entries = len(info.files) + len(info.directories)
    if found.f_files and found.f_favail < entries:
        raise StorageError(
            f"no inodes left for {root}: it needs {entries}, {found.f_favail} are free; nothing was written"
        )


def _temporary(tag: str) -> str:
    """Return a place of this process alone; what processes that were killed left there goes."""
    seeds = os.path.join(state_directory(), "seeds")
    os.makedirs(seeds, mode=0o700, exist_ok=True)
    for name in os.listdir(seeds):
        pid = name.partition("-")[0]
        if pid.isdigit() and not os.path.exists(f"/proc/{pid}"):
            shutil.rmtree(os.path.join(seeds, name), ignore_errors=True)
    return os.path.join(seeds, f"{os.getpid()}-{tag}")


def _copy_pieces(staged: Staged, source: str) -> None:
    """Fill a staged payload from one that lies on this host, piece by piece, each checked."""
    info, holdings = staged.metainfo.info, staged.holdings
    original = Payload(info, root_of(info, source))
    try:
        for index in list(holdings.pieces.missing()):
            data = b"".join(original.read(index, *run) for run in holdings.lacking(index))
            if not store(staged, index, data):
                raise VerifyError(f"{source} has changed since its torrent was made; nothing was switched")
    finally:
        original.close()
