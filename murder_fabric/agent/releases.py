"""The releases of one destination: what each is, the marks of bad ones, and taking old ones away."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import time
from datetime import datetime
from typing import Any

from ..control import check_tag
from ..errors import BadInput, StorageError
from .destination import Destination
from .files import move_directory, write_atomically
from .history import History
from .keeping import Release, surplus
from .leftovers import REMOVED
from .records import read_record
from .removal import remove_tree

_TIME = "%Y-%m-%d %H:%M:%S %z"


def list_releases(destination: Destination) -> list[Release]:
    """
    Return what is in `releases/`, newest first; nothing is read but records, and no link is followed.

    Raises:
        StorageError: `current` or `releases/` is not what it must be.
    """
    current = destination.current()
    switched = {entry.tag: (place, entry.at) for place, entry in enumerate(History(destination.own).order())}
    found = []
    for tag, at in _directories(os.path.join(destination.path, "releases")):
        place, switched_at = switched.get(tag, (None, 0.0))
        receipt = destination.receipts.find(tag)
        verified = str(receipt.get("verified", "")) if receipt else ""
        found.append(
            Release(
                tag,
                str(receipt["digest"]) if receipt else "",
                verified,
                _length(destination, tag, receipt),
                tag == current,
                place,
                _bad(destination, tag),
                max(_seconds(verified, "") or at, switched_at) if receipt else switched_at or at,
            )
        )
    return sorted(found, key=lambda release: (release.at, release.tag), reverse=True)


def mark_bad(destination: Destination, tag: str, operator: str, reason: str) -> None:
    """
    Note that nobody is to go back to *tag* by itself.

    Raises:
        BadInput: there is no such release.
    """
    if not os.path.isdir(destination.release(tag)):
        raise BadInput(f"{destination.release(tag)} is no release; nothing was changed")
    record = {"operator": operator, "reason": reason, "since": time.strftime(_TIME)}
    os.makedirs(os.path.join(destination.own, "bad"), mode=0o700, exist_ok=True)
    write_atomically(os.path.join(destination.own, "bad", tag), json.dumps(record).encode(), 0o600)


def unmark(destination: Destination, tag: str) -> None:
    """Take the mark of a bad release off, if there is one; until the next time it can be put on again."""
    mark, taken_off = _marks(destination, tag)
    with contextlib.suppress(OSError):
        os.replace(mark, taken_off)
        return
    with contextlib.suppress(OSError):
        os.unlink(taken_off)


def mark_again(destination: Destination, tag: str) -> None:
    """Put the mark on again that `unmark` took off, if it did: the switch was taken back."""
    mark, taken_off = _marks(destination, tag)
    with contextlib.suppress(OSError):
        os.replace(taken_off, mark)


def clean_up(destination: Destination, keep: int) -> list[str]:
    """
    Remove the releases that `surplus` names, and what runs begun before the last switch left unfinished.

    Whoever calls has the lock. A release leaves `releases/` in one step, before anything in it goes.

    Raises:
        StorageError: one cannot be removed; those before it are gone.
    """
    removed = []
    for tag in surplus(list_releases(destination), keep):
        _take_away(destination, tag)
        removed.append(tag)
    order = History(destination.own).order()
    staging = os.path.join(destination.own, "staging")
    for tag, changed in _directories(staging):
        if order and changed < order[-1].at:
            remove_tree(os.path.join(staging, tag))
    return removed


def _marks(destination: Destination, tag: str) -> tuple[str, str]:
    """Return where a bad release has its mark, and where one lies that was taken off."""
    bad = os.path.join(destination.own, "bad")
    return os.path.join(bad, check_tag(tag)), os.path.join(bad, f".off-{tag}")


def _take_away(destination: Destination, tag: str) -> None:
    release = destination.release(tag)
    gone = os.path.join(destination.own, "staging", f"{REMOVED}{tag}")
    if destination.current() == tag:
        raise StorageError(f"{release} has become current and stays; run murder.cleanup again")
    try:
        if os.path.lexists(gone):
            remove_tree(gone)
        move_directory(release, gone)
    except OSError as error:
        raise StorageError(f"{release} cannot be removed: {error.strerror}") from None
    records = [os.path.join(destination.own, directory, tag) for directory in ("receipts", "torrents")]
    for record in (*records, *_marks(destination, tag)):
        with contextlib.suppress(OSError):
            os.unlink(record)
    remove_tree(gone)


def _directories(path: str) -> list[tuple[str, float]]:
    """Return the name and the time of change of each directory in *path* that a tag may name."""
    found = []
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                with contextlib.suppress(BadInput):
                    if entry.is_dir(follow_symlinks=False):
                        found.append((check_tag(entry.name), entry.stat().st_mtime))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}") from None
    return sorted((tag, _seconds("", tag) or changed) for tag, changed in found)


def _seconds(verified: str, tag: str) -> float | None:
    """Return the Unix seconds that a receipt speaks of, or that are in a name as Capistrano's."""
    for text, pattern in ((verified, _TIME), (f"{tag} +0000", "%Y%m%d%H%M%S %z")):
        with contextlib.suppress(ValueError, OverflowError):
            return datetime.strptime(text, pattern).timestamp()  # noqa: DTZ007 (the pattern has %z)
    return None


def _bad(destination: Destination, tag: str) -> str:
    if not os.path.lexists(os.path.join(destination.own, "bad", tag)):
        return ""
    record = read_record(os.path.join(destination.own, "bad", tag))
    who, since = record.get("operator", "somebody"), record.get("since", "some time")
    return f"{record.get('reason', 'marked bad')} ({who}, {since})"


def _length(destination: Destination, tag: str, receipt: dict[str, Any] | None) -> int:
    """Return the bytes of a release: from its receipt, or counted."""
    if receipt is not None and isinstance(receipt.get("length"), int):
        return int(receipt["length"])
    total = 0
    for path, _, files in os.walk(destination.release(tag)):
        for name in files:
            with contextlib.suppress(OSError):
                status = os.lstat(os.path.join(path, name))
                total += status.st_size if stat.S_ISREG(status.st_mode) else 0
    return total
