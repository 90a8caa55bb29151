"""The tracker that an operator has an agent run on its host."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from typing import Any

from .. import control
from ..net.ports import BACKLOG
from ..net.tracker_site import MOST_WAITING, TrackerSite
from ..tracker.registry import Registry
from .addresses import Listen, listen_on
from .answer import Answer
from .limits import connections_allowed


@dataclass(frozen=True)
class OwnTracker:
    """A tracker that listens, from `start_tracker` on."""

    registry: Registry
    site: TrackerSite
    port: Any
    address: str
    #: The run's secret (hex); None for an open tracker.
    token: str | None

    def facts(self) -> Answer:
        """Return what is told of it; see `control.TrackerFacts`."""
        port = self.port.getHost().port
        return Answer({"address": self.address, "port": port, "token": self.token})

    def track(self, request: control.Track, torrent: bytes) -> Answer:
        """
        Let it know a torrent, and give that to others if *torrent* is not empty; see `control.Track`.

        Raises:
            TrackerError: it is open, and gives nobody a torrent.
        """
        info_hash = bytes.fromhex(request.info_hash)
        if torrent:
            self.site.serve_torrent(info_hash, torrent)
        # Before anybody can ask for it: nothing is answered until we return.
        self.registry.allow(info_hash, request.hosts)
        return Answer({})


def start_tracker(reactor: Any, request: control.StartTracker) -> OwnTracker:
    """
    Listen where *request* says.

    Raises:
        ListenError: no port asked for is free.
    """
    token = None if request.token is None else bytes.fromhex(request.token)
    registry = Registry((), rng=random.Random(os.urandom(16)))
    site = TrackerSite(registry, reactor, token, connections_allowed(MOST_WAITING))
    listen = Listen(request.address, request.first_port, request.last_port, "murder.tracker_port")
    port = listen_on(reactor, listen, site, BACKLOG)
    return OwnTracker(registry, site, port, request.address, request.token)
