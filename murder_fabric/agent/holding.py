"""The lock that stays: somebody wants nobody to deploy here, whatever the reason, until they let go."""

from __future__ import annotations

import contextlib
import json
import os
import time
from typing import Any

from .. import control
from ..errors import MurderError, StorageError, UnfitError
from .destination import Destination
from .records import read_record


def holder(destination: Destination) -> dict[str, Any] | None:
    """Return who holds the destination, since when, why and by which run; None where nobody does."""
    path = _path(destination)
    if not os.path.lexists(path):
        return None
    fields = read_record(path)
    told = {name: str(fields.get(name, "?")) for name in ("operator", "since", "reason")}
    return {**told, "run": str(fields.get("run", ""))}


def must_be_free(destination: Destination, *, force: bool) -> None:
    """
    Go on only where nobody holds the destination, or with *force*.

    Raises:
        MurderError: somebody does; says who, since when and why.
    """
    held = None if force else holder(destination)
    if held is not None:
        raise MurderError(
            f"locked: {destination.path} is held by {held['operator']} since {held['since']}:"
            f" {held['reason']}; nothing was changed. murder.unlock gives it free; --force goes on anyhow"
        )


def make_ready(destination: Destination, request: control.Prepare) -> None:
    """
    Make what a run needs at the destination, if nobody holds it.

    Raises:
        MurderError: somebody does, or what is there is not ours to change, or a shared file is missing.
        UnfitError: what has the name of the release that is to come is none of ours.
    """
    destination.prepare()
    must_be_free(destination, force=request.force)
    if request.tag is not None:
        try:
            destination.receipt(request.tag)
        except StorageError as error:  # nothing is fetched for a release that could not be put there
            raise UnfitError(str(error)) from None
    destination.share(request.linked_dirs, request.linked_files)


def take(destination: Destination, request: control.Prepare) -> bool:
    """
    Take the lock of the run that *request* is of, as `Destination.lock` does; `make_ready` went before.

    Raises:
        MurderError: another run has it; or somebody holds the destination since then, who was told of no run
            that is under way.
    """
    is_taken = destination.lock(request.run, request.operator, request.tag)
    try:
        must_be_free(destination, force=request.force)
    except MurderError:
        destination.unlock()
        raise
    return is_taken


def hold(destination: Destination, operator: str, reason: str, run: str = "") -> None:
    """
    Hold the destination.

    Args:
        run: what the operator's records call the run that did it.

    Raises:
        MurderError: somebody does already.
        StorageError: it cannot be noted.
    """
    since = time.strftime("%Y-%m-%d %H:%M:%S %z")
    record = {"operator": operator, "since": since, "reason": reason, "run": run}
    path = _path(destination)
    temporary = f"{path}-{os.getpid()}"
    try:
        with open(temporary, "w", opener=_private) as file:
            json.dump(record, file)
        # A link, unlike a rename, replaces nothing; and nobody sees half a record.
        os.link(temporary, path)
    except FileExistsError:
        must_be_free(destination, force=False)
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}; nothing is locked there") from None
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)


def let_go(destination: Destination, operator: str, *, force: bool) -> dict[str, Any] | None:
    """
    Give the destination free; return who held it, as `holder` does.

    Raises:
        MurderError: somebody else holds it, and there is no *force*.
    """
    held = holder(destination)
    if held is None:
        return None
    if held["operator"] != operator and not force:
        raise MurderError(
            f"{destination.path} is held by {held['operator']} since {held['since']}: {held['reason']};"
            " --force takes another's lock off"
        )
    with contextlib.suppress(FileNotFoundError):
        os.unlink(_path(destination))
    return held


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)


def _path(destination: Destination) -> str:
    return os.path.join(destination.own, "held")
