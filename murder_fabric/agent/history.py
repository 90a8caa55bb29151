"""
What has been current in a destination, and in which order; for the agent, and for people.

For the agent it is `.murder/history`. For people it is `revisions.log` in the destination, which Capistrano
writes too: a line begins as one of Capistrano's, so that what reads those reads ours.
"""

from __future__ import annotations

import json
import math
import os
import time
from typing import Any, NamedTuple

from ..errors import StorageError
from .files import write_atomically
from .records import read_record

_MAX_HISTORY = 1 << 20
#: More than anybody keeps; what is older is no way back any more.
_MOST = 1000


class Switched(NamedTuple):
    """A release that became current, and when (Unix seconds)."""

    tag: str
    at: float


class History:
    """The history in *own*, a destination's `.murder`; a damaged one is an empty one."""

    def __init__(self, own: str) -> None:
        self._path = os.path.join(own, "history")

    def order(self) -> list[Switched]:
        """Return what has been current, each release once, the last one last."""
        return self._read("order")

    def switched(self, tag: str, previous: str | None, *, now: float) -> None:
        """
        *tag* is current now, *previous* was before; that one may be new to us.

        Where both are the same nothing is noted, unless a crash had kept that from being noted.
        """
        before = self.order()
        if previous == tag and before and before[-1].tag == tag:
            return
        known = {entry.tag for entry in before}
        if previous not in (None, tag) and previous not in known:
            before.append(Switched(previous, now))
        order = [entry for entry in before if entry.tag != tag]
        self._write(order=[*order, Switched(tag, now)], before=before)

    def taken_back(self, tag: str) -> None:
        """The switch to *tag* was taken back: it is as if it had never been made."""
        order = self.order()
        if order and order[-1].tag == tag:
            self._write(order=self._read("before"), before=[])

    def _read(self, name: str) -> list[Switched]:
        return parse_order(read_record(self._path, _MAX_HISTORY).get(name))

    def _write(self, **lists: list[Switched]) -> None:
        kept = {name: entries[-_MOST:] for name, entries in lists.items()}
        write_atomically(self._path, json.dumps(kept).encode(), 0o600)


def parse_order(entries: Any) -> list[Switched]:
    """Return what has been current, as a history tells it; nothing where these are no entries of one."""
    if not isinstance(entries, list) or not all(isinstance(entry, list) for entry in entries):
        return []
    try:
        order = [Switched(tag, float(at)) for tag, at in entries]
    except (ValueError, TypeError, OverflowError):
        return []
    # Times are sorted by, which those that are no number would spoil.
    sound = all(isinstance(entry.tag, str) and math.isfinite(entry.at) for entry in order)
    return order if sound else []


def deployed_line(
    tag: str,
    digest: str,
    operator: str,
    *,
    revision: str = "",
    branch: str = "",
    origin: str = "",
    now: float,
) -> str:
    """Return the line of a release that was deployed, begun as Capistrano's."""
    what = f"Branch {branch or 'HEAD'} (at {revision})" if revision else f"Tree (at {digest[:12]})"
    return f"{what} deployed as release {tag} by {operator}{_more(digest, origin, now)}"


def rolled_back_line(tag: str, digest: str, operator: str, previous: str | None, *, now: float) -> str:
    """Return the line of a switch to a release that was there before, begun as Capistrano's."""
    return f"{operator} rolled back to release {tag}{_more(digest, previous or 'nothing', now)}"


def append_line(destination: str, line: str) -> None:
    """
    Add *line* to `revisions.log`, which is made where it is missing and never rewritten.

    Raises:
        StorageError: it cannot be written.
    """
    path = os.path.join(destination, "revisions.log")
    text = "".join(character if character.isprintable() else "?" for character in line)
    try:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        descriptor = os.open(path, flags, 0o644)
        try:
            os.write(descriptor, text.encode("utf-8", "replace") + b"\n")
        finally:
            os.close(descriptor)
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}") from None


def _more(digest: str, origin: str, now: float) -> str:
    when = time.strftime("%Y-%m-%d %H:%M:%S +0000", time.gmtime(now))
    known = f", digest {digest}" if digest else ""
    return f" at {when}{known}" + f", from {origin}" * bool(origin)
