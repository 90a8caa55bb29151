"""`tracker`: tells peers of each other until stopped."""

from __future__ import annotations

import argparse
import os
import random
from typing import Any

from twisted.internet.defer import CancelledError, Deferred

from ..errors import BadInput
from ..net.ports import BACKLOG
from ..net.tracker_site import MOST_WAITING, TrackerSite
from ..tracker.keys import announce_url
from ..tracker.registry import Registry
from .addresses import listen_on
from .files import read_token
from .limits import connections_allowed
from .report import Report
from .running import run


def tracker(options: argparse.Namespace) -> int:
    """Serve announces until stopped."""
    report = Report(json=options.json)
    allowed = None if options.allow is None else [_parse_info_hash(text) for text in options.allow]
    token = read_token(options.token_file)

    async def main(reactor: Any) -> int:
        registry = Registry(allowed, rng=random.Random(os.urandom(16)))
        site = TrackerSite(registry, reactor, token, connections_allowed(MOST_WAITING))
        port = listen_on(reactor, options.listen, site, BACKLOG)
        number = port.getHost().port
        url = announce_url(options.listen.address, number)
        report.event("started", f"tracking at {url}", port=number, address=options.listen.address)
        try:
            await Deferred()
        except CancelledError:
            await port.stopListening()
        return 0

    return run(main)


def _parse_info_hash(text: str) -> bytes:
    try:
        info_hash = bytes.fromhex(text)
    except ValueError:
        info_hash = b""
    if len(info_hash) != 20:
        raise BadInput(f"--allow {text}: an info hash is 40 hex digits")
    return info_hash
