"""What runs that were killed left at a destination, and releases that nobody goes on with."""

from __future__ import annotations

import contextlib
import os
import shutil
import time

from ..errors import StorageError
from .files import UNFINISHED
from .removal import remove_tree, untouched_since

#: What the new `current` is called before it takes the old one's place.
NEW_LINK = ".current-"
#: What a release that is being removed is called, where staging releases lie; no tag begins so.
REMOVED = ".removed-"
#: Seconds after which the next deploy of another tag removes a release that was never completed.
ABANDONED_AGE = 24 * 3600.0


def remove_leftovers(path: str, own: str, run: str) -> None:
    """
    Remove what killed runs left: their marks, and files that were never renamed.

    Args:
        path: the destination.
        own: its `.murder`.
        run: whose marks stay.
    """
    runs = os.path.join(own, "runs")
    for name in os.listdir(runs):
        if name != run:
            shutil.rmtree(os.path.join(runs, name), ignore_errors=True)
    staging = os.path.join(own, "staging")
    for name in os.listdir(staging):
        if name.startswith(REMOVED):
            with contextlib.suppress(StorageError):
                remove_tree(os.path.join(staging, name))
    for directory, prefix in (
        (path, NEW_LINK),
        (os.path.join(own, "torrents"), UNFINISHED),
        (os.path.join(own, "receipts"), UNFINISHED),
        (os.path.join(own, "bad"), UNFINISHED),
        (own, UNFINISHED),
    ):
        for name in os.listdir(directory):
            if name.startswith(prefix):
                with contextlib.suppress(OSError):
                    os.unlink(os.path.join(directory, name))


def remove_abandoned(own: str, tag: str) -> None:
    """Remove what lies half done in the `.murder` *own* of other tags than *tag*, since `ABANDONED_AGE`."""
    staging = os.path.join(own, "staging")
    for name in os.listdir(staging):
        tree = os.path.join(staging, name)
        if name != tag and untouched_since(tree, time.time() - ABANDONED_AGE):
            with contextlib.suppress(StorageError):
                remove_tree(tree)
