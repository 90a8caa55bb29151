"""Putting a host back as it was: ending agents of a kind, removing what a tag left, emptying a directory."""

from __future__ import annotations

import os
import shutil
from typing import Any

from twisted.internet.defer import Deferred, gatherResults

from ..control import check_tag
from ..errors import BadInput, MurderError, StorageError
from .detached import dismiss, paths_of, running_pid
from .kept import forget
from .ownership import must_be_trusted
from .removal import remove_all_in
from .state import murder_path, state_directory

#: What a detached agent of a tag is called, before the tag.
KINDS = ("seeder", "peer")


async def dismiss_all(reactor: Any, kind: str) -> list[str]:
    """
    End every detached agent of *kind* that runs here; return their names.

    Raises:
        BadInput: there is no such kind.
        MurderError: one of them does not go; the others are gone.
    """
    if kind not in KINDS:
        raise BadInput(f"agents that stay with a tag are {' or '.join(KINDS)}, not {kind!r:.60}")
    names = _agents_here(kind)
    # All at once: of one that hangs that is known after twenty seconds, and there may be several.
    outcomes = await gatherResults([Deferred.fromCoroutine(_dismissed(reactor, name)) for name in names])
    troubles = [one for one in outcomes if isinstance(one, MurderError)]
    if troubles:
        raise MurderError("; ".join(map(str, troubles)))
    return [name for name, is_ended in zip(names, outcomes) if is_ended]


async def _dismissed(reactor: Any, name: str) -> bool | MurderError:
    """End an agent; return whether it ended now, or why it does not."""
    try:
        await dismiss(reactor, name)
    except BadInput:  # it went by itself meanwhile
        return False
    except MurderError as error:
        return error
    return True


def clean(tag: str) -> tuple[list[str], list[str]]:
    """
    Remove what *tag* left in our state directory; return the paths that went, and the agents that still run.

    What a running agent works with stays: its own files, and for a seeder the torrent that peers ask it for.

    Raises:
        StorageError: something cannot be removed.
    """
    names = [f"{kind}-{check_tag(tag)}" for kind in KINDS]
    running = [name for name in names if running_pid(name) is not None]
    removed: list[str] = []
    for name in names:
        if name not in running:
            removed += [path for path in paths_of(name) if _unlinked(path)]
    if f"seeder-{tag}" not in running:
        removed += forget(tag)
    return removed + _clear_seeds(tag), running


def empty(root: str, keep: str | None = None) -> int:
    """
    Remove all that is in the directory *root*, and not *root* itself; return how many entries that was.

    Args:
        root: as `destination.expand` returned it, so at least two levels deep.
        keep: a payload that is still needed, if any.

    Raises:
        StorageError: it is no directory, is reached through a link, can be changed by others, or holds what
            must stay.
    """
    if not os.path.lexists(root):
        return 0
    if os.path.realpath(root) != root:
        raise StorageError(
            f"{root} is reached through a link, to {os.path.realpath(root)}; nothing was deleted."
            " Name the directory itself"
        )
    if not os.path.isdir(root):
        raise StorageError(f"{root} is no directory; nothing was deleted")
    for precious, what in ((murder_path(), "our own files"), (keep, "what is being seeded")):
        if precious is not None and _overlap(root, os.path.realpath(precious)):
            raise StorageError(f"{root} holds {what}, {precious}; nothing was deleted")
    try:
        must_be_trusted(root)
        directory = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        raise StorageError(f"{error.filename or root}: {error.strerror}; nothing was deleted") from None
    try:
        # From here on its name means nothing: whoever may rename above it can have given it to another one.
        if os.readlink(f"/proc/self/fd/{directory}") != root:
            raise StorageError(f"{root} was replaced while we looked at it; nothing was deleted")
        return remove_all_in(directory)
    except OSError as error:
        at_fault = os.path.join(root, error.filename or "")
        raise StorageError(f"{at_fault}: {error.strerror}; not all of it was deleted") from None
    finally:
        os.close(directory)


def _overlap(root: str, precious: str) -> bool:
    return os.path.commonpath([root, precious]) in (root, precious)


def _agents_here(kind: str) -> list[str]:
    """Return the names of agents of *kind* that run here; `peer-foo.json` is the state file of one."""
    stems = [name[: -len(".json")] for name in os.listdir(state_directory()) if name.endswith(".json")]
    return sorted(name for name in stems if name.startswith(f"{kind}-") and _runs(name))


def _runs(name: str) -> bool:
    try:
        return running_pid(name) is not None
    except BadInput:  # somebody's file that is not called as an agent is
        return False


def _clear_seeds(tag: str) -> list[str]:
    """Remove what processes that were killed had only to seed; those that live remove theirs."""
    seeds = os.path.join(state_directory(), "seeds")
    removed = []
    for name in os.listdir(seeds) if os.path.isdir(seeds) else ():
        pid, _, its_tag = name.partition("-")
        if its_tag == tag and pid.isdigit() and not os.path.exists(f"/proc/{pid}"):
            shutil.rmtree(os.path.join(seeds, name), ignore_errors=True)
            removed.append(os.path.join(seeds, name))
    return removed


def _unlinked(path: str) -> bool:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}") from None
    return True
