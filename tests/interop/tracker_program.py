"""Our tracker and our tracker client as programs, for tests against other people's."""

from __future__ import annotations

import json
import random
import sys

from twisted.internet import reactor
from twisted.internet.defer import Deferred

from murder_fabric.net.ports import BACKLOG
from murder_fabric.net.tracker_client import TrackerClient
from murder_fabric.net.tracker_site import TrackerSite
from murder_fabric.tracker.announcing import AnnounceRequest
from murder_fabric.tracker.keys import announce_url
from murder_fabric.tracker.registry import Registry
from murder_fabric.tracker.tiers import Tiers


def serve(info_hash, token):
    """Serve until killed; the first line printed is the announce URL."""
    secret = bytes.fromhex(token)
    registry = Registry([bytes.fromhex(info_hash)], rng=random.Random(1), interval=5.0)
    site = TrackerSite(registry, reactor, secret)
    port = reactor.listenTCP(0, site, backlog=BACKLOG, interface="127.0.0.1")
    print(announce_url("127.0.0.1", port.getHost().port, secret), flush=True)


def announce(url, info_hash, *announces):
    """Announce each of *announces*, which are JSON objects of fields; print each answer, then a scrape."""
    running = Deferred.fromCoroutine(_announce(url, bytes.fromhex(info_hash), announces))
    running.addErrback(lambda failure: print(json.dumps({"error": failure.getErrorMessage()})))
    running.addBoth(lambda _: reactor.stop())


async def _announce(url, info_hash, announces):
    client = TrackerClient(reactor, Tiers([[url]], random.Random(1)))
    for fields in announces:
        request = {"port": 6881, "uploaded": 0, "downloaded": 0, "left": 9, **json.loads(fields)}
        answer = await client.announce(AnnounceRequest(info_hash, b"p%019d" % request["port"], **request))
        print(json.dumps(answer._asdict()), flush=True)
    print(json.dumps(await client.scrape(url, info_hash)), flush=True)


if __name__ == "__main__":
    {"serve": serve, "announce": announce}[sys.argv[1]](*sys.argv[2:])
    reactor.run()
