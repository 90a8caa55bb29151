"""Hashing a tree that lies on this host, in a thread, and saying meanwhile how far that is."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.task import LoopingCall

from .. import control
from ..errors import BadInput
from ..metainfo.values import Metainfo
from ..storage.creation import create_metainfo
from .report import INTERVAL
from .threads import in_thread


async def create_torrent(
    reactor: Any, request: control.Create, path: str, emit: Callable[[str, Mapping[str, Any]], None]
) -> Metainfo:
    """
    Return the torrent of what lies at *path*; *emit* is told every second `progress`, or `working` before it.

    Raises:
        BadInput: it is no file where *request* promises one.
        MurderError: as `create_metainfo`.
    """
    if request.path_is_file and not os.path.isfile(path):
        kind = "a directory" if os.path.isdir(path) else "not there"
        raise BadInput(f"{path} is {kind}, and --path-is-file says it is a file; no torrent was made")
    hashed = [(0, 0)]

    def note(done: int, total: int) -> None:  # called in the thread, read from the loop
        hashed[0] = (done, total)

    def look() -> None:
        done, total = hashed[0]
        if total:
            emit("progress", {"bytes": done, "length": total})
        else:  # still counting files, which may take longer than anybody would wait for a silent host
            emit(control.WORKING, {})

    ticker = LoopingCall(look)
    ticker.clock = reactor
    ticker.start(INTERVAL, now=False)
    try:
        return await in_thread(
            create_metainfo,
            path,
            request.announce,
            piece_length=request.piece_length,
            exclude=request.exclude,
            name=os.fsencode(request.title) if request.title is not None and os.path.isdir(path) else None,
            progress=note,
        )
    finally:
        ticker.stop()
