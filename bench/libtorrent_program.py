"""libtorrent as a client and as a maker of torrents, for measurements and tests: it is a module only."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Callable

import libtorrent

#: Which kinds of torrents it makes: flags of `create_torrent`.
KINDS = {"v1": libtorrent.create_torrent.v1_only, "hybrid": 0}
#: Seconds between two looks at how far it is.
INTERVAL = 0.05


def make(kind: str, source: str, torrent: str) -> None:
    """Make a torrent of a tree; one that also is version 2 has padding between its files."""
    files = libtorrent.list_files(source)
    made = libtorrent.create_torrent(files, piece_size=32 * 1024, flags=KINDS[kind])
    libtorrent.set_piece_hashes(made, os.path.dirname(source))
    with open(torrent, "wb") as file:
        file.write(libtorrent.bencode(made.generate()))


def join(address: str, torrent: str, directory: str, tracker: str, trust: str = "") -> None:
    """
    Take part in a swarm until killed, one JSON line a state.

    *address* may name a port, `192.0.2.1:6881`; with *trust*, what is there is not checked.
    """
    host, _, port = address.partition(":")
    session = libtorrent.session(
        {
            "listen_interfaces": f"{host}:{port or 0}",
            "outgoing_interfaces": host,
            "enable_dht": False,
            "enable_lsd": False,
            "enable_upnp": False,
            "enable_natpmp": False,
            "enable_incoming_utp": False,
            "enable_outgoing_utp": False,
            "allow_multiple_connections_per_ip": True,
        }
    )
    added = libtorrent.load_torrent_file(torrent)
    added.save_path = directory
    added.trackers = [tracker]
    if trust:
        added.flags |= libtorrent.torrent_flags.seed_mode
    handle = session.add_torrent(added)
    while True:
        status = handle.status()
        errors = status.errc.message() if status.errc.value() else ""
        state = {"state": str(status.state), "seeding": status.is_seeding, "error": errors}
        print(json.dumps({"event": "state", **state}), flush=True)
        time.sleep(INTERVAL)


if __name__ == "__main__":
    made_to: dict[str, Callable[..., None]] = {"make": make, "join": join}
    made_to[sys.argv[1]](*sys.argv[2:])
