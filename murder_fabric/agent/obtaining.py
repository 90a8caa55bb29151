"""The torrent of what is to be staged, from another host that has it already."""

from __future__ import annotations

import hashlib
from typing import Any, cast

from twisted.internet.task import deferLater

from .. import control
from ..errors import TrackerBusy, TrackerError
from ..net.http_client import get
from ..net.ports import Reactor
from ..tracker.keys import redacted

#: Seconds until a host is asked again that gives it to as many others as it can, or hung up.
AGAIN_AFTER = 1.0


async def obtain(
    reactor: Reactor, request: control.Stage, attached: bytes, bind_address: str | None = None
) -> bytes:
    """
    Return the torrent of *request*: what was *attached*, or else what lies at its URL.

    It is asked for from *bind_address*, by which the tracker knows this host.

    Raises:
        TrackerError: it was not to be had in time, or is another one than the operator means.
    """
    url = request.torrent_url
    if url is None:
        return attached
    end = reactor.seconds() + request.patience
    while True:
        try:
            torrent = await get(
                reactor,
                url,
                timeout=end - reactor.seconds(),
                max_length=request.torrent_length,
                bind_address=bind_address,
            )
            break
        except TrackerBusy:
            if end - reactor.seconds() <= AGAIN_AFTER:
                raise
            await deferLater(cast(Any, reactor), AGAIN_AFTER)
    if hashlib.sha256(torrent).hexdigest() != request.torrent_sha256:
        raise TrackerError(f"{redacted(url)}: what lies there is not what the operator means")
    return torrent
