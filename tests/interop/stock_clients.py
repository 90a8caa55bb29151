"""Stock clients and a stock tracker; a client seeds what it finds in its directory and fetches the rest."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from programs import Program, Programs, free_port, wait_until

from bench.clients import LIBTORRENT, Aria2, Libtorrent, missing_program, opentracker, transmission_settings
from murder_fabric.metainfo.parsing import parse_metainfo


def start_libtorrent(
    programs: Programs, address: str, torrent: Path, directory: Path, tracker: str
) -> Program:
    return programs.start(sys.executable, LIBTORRENT, "join", address, torrent, directory, tracker)


def start_aria2(programs: Programs, address: str, torrent: Path, directory: Path, tracker: str) -> Program:
    return programs.start(
        "aria2c",
        *Aria2.ALONE,
        *("--check-integrity=true", "--bt-hash-check-seed=true"),
        *(f"--interface={address}", f"--listen-port={free_port(address)}", f"--dir={directory}"),
        *("--bt-exclude-tracker=*", f"--bt-tracker={tracker}"),
        torrent,
    )


def start_transmission(
    programs: Programs, address: str, torrent: Path, directory: Path, tracker: str
) -> Program:
    home = directory.parent / f"{directory.name}.transmission"
    watched = home / "watched"
    watched.mkdir(parents=True)
    # It asks the trackers of the torrent and no others.
    announcing = parse_metainfo(torrent.read_bytes())._replace(announce=tracker)
    (watched / "it.torrent").write_bytes(announcing.encode())
    settings = transmission_settings(address, free_port(address), str(directory), watched)
    (home / "settings.json").write_text(json.dumps(settings))
    return programs.start("transmission-daemon", "--foreground", "--config-dir", home, "--log-debug")


def start_opentracker(programs: Programs, home: Path, info_hash: str) -> str:
    """Start opentracker for one info hash; return its announce URL."""
    home.mkdir()
    port = free_port("127.0.0.1")
    programs.start(*opentracker(home, port, info_hash), cwd=home)
    wait_until(lambda: _listens(port), "opentracker listens")
    return f"http://127.0.0.1:{port}/announce"


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class StockClient(NamedTuple):
    """
    One client: what it is called, what keeps it from running here, how it joins a swarm, and what it cannot.

    Transmission 3 dials nobody on the loopback and waits for the others to come; it makes no empty files.
    `hybrid` says why it is of no use in the swarm of a torrent that is of version 1 and 2.
    """

    name: str
    missing: str
    start: Callable[[Programs, str, Path, Path, str], Program]
    waits: bool = False
    makes_empty_files: bool = True
    hybrid: str = ""

    def __str__(self) -> str:
        return self.name


libtorrent = StockClient("libtorrent", Libtorrent().missing(), start_libtorrent)
aria2 = StockClient(
    "aria2",
    missing_program("aria2c", "aria2"),
    start_aria2,
    hybrid="aria2 1.36 takes another info hash for it: its own encoding loses empty keys",
)
transmission = StockClient(
    "transmission",
    missing_program("transmission-daemon", "transmission-daemon")
    or missing_program("transmission-create", "transmission-cli"),
    start_transmission,
    waits=True,
    makes_empty_files=False,
    hybrid="Transmission 3 refuses it",
)
CLIENTS = (libtorrent, aria2, transmission)
OPENTRACKER_MISSING = missing_program("opentracker", "opentracker")
