"""Stock clients and a stock tracker; a client seeds what it finds in its directory and fetches the rest."""

from __future__ import annotations

import json
import shutil
import socket
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from programs import Program, Programs, free_port, wait_until

from murder_fabric.metainfo.parsing import parse_metainfo

LIBTORRENT = Path(__file__).with_name("libtorrent_program.py")


def start_libtorrent(
    programs: Programs, address: str, torrent: Path, directory: Path, tracker: str
) -> Program:
    return programs.start(sys.executable, LIBTORRENT, "join", address, torrent, directory, tracker)


def start_aria2(programs: Programs, address: str, torrent: Path, directory: Path, tracker: str) -> Program:
    return programs.start(
        "aria2c",
        *(
            "--no-conf",
            "--disable-ipv6=true",
            "--enable-dht=false",
            "--enable-dht6=false",
            "--bt-enable-lpd=false",
        ),
        *("--enable-peer-exchange=false", "--file-allocation=none", "--seed-ratio=0.0"),
        *("--check-integrity=true", "--allow-overwrite=true", "--bt-hash-check-seed=true"),
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
    announcing = replace(parse_metainfo(torrent.read_bytes()), announce=tracker)
    (watched / "it.torrent").write_bytes(announcing.encode())
    settings = {
        "bind-address-ipv4": address,
        "peer-port": free_port(address),
        "download-dir": str(directory),
        "watch-dir": str(watched),
        "watch-dir-enabled": True,
        "rename-partial-files": False,
        "dht-enabled": False,
        "lpd-enabled": False,
        "pex-enabled": False,
        "utp-enabled": False,
        "port-forwarding-enabled": False,
        "ratio-limit-enabled": False,
        "rpc-enabled": False,
        "preallocation": 0,
    }
    (home / "settings.json").write_text(json.dumps(settings))
    return programs.start("transmission-daemon", "--foreground", "--config-dir", home, "--log-debug")


def start_opentracker(programs: Programs, home: Path, info_hash: str) -> str:
    """Start opentracker for one info hash; return its announce URL."""
    home.mkdir()
    home.chmod(0o755)  # as root it gives its rights up before it reads the list
    (home / "allowed").write_text(info_hash + "\n")
    port = free_port("127.0.0.1")
    where = ("-i", "127.0.0.1", "-p", str(port))
    programs.start("opentracker", *where, "-d", home, "-w", "allowed", cwd=home)
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


def _missing(program: str, package: str) -> str:
    return "" if shutil.which(program) else f"{program} is not installed (Debian: {package})"


def _libtorrent_missing() -> str:
    try:
        import libtorrent  # noqa: F401
    except ImportError:
        return "libtorrent is not installed (PyPI: libtorrent)"
    return ""


libtorrent = StockClient("libtorrent", _libtorrent_missing(), start_libtorrent)
aria2 = StockClient(
    "aria2",
    _missing("aria2c", "aria2"),
    start_aria2,
    hybrid="aria2 1.36 takes another info hash for it: its own encoding loses empty keys",
)
transmission = StockClient(
    "transmission",
    _missing("transmission-daemon", "transmission-daemon")
    or _missing("transmission-create", "transmission-cli"),
    start_transmission,
    waits=True,
    makes_empty_files=False,
    hybrid="Transmission 3 refuses it",
)
CLIENTS = (libtorrent, aria2, transmission)
OPENTRACKER_MISSING = _missing("opentracker", "opentracker")
