"""Those that are measured as programs: our agent, and the clients a user would pick instead."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any, Protocol

from lab.rig import REPOSITORY

from .results import OURS

TRACKER_PORT, PEER_PORT = 8998, 6881
LIBTORRENT = Path(__file__).with_name("libtorrent_program.py")


class Client(Protocol):
    """A program that seeds and fetches; `seed` and `peer` return argument lists."""

    name: str
    #: Where its seeder listens; None where nobody can choose that.
    port: int | None

    def missing(self) -> str:
        """Say what keeps it from running here; nothing if it can."""

    def seed(self, torrent: Path, payload: Path, address: str) -> list[str]:
        """Serve the payload at *address* until stopped."""

    def peer(self, torrent: Path, destination: str, address: str) -> list[str]:
        """Fetch into *destination* and go on serving."""

    def complete(self, output: IO[bytes] | None) -> None:
        """Return when the program, whose output that is, says that it has everything."""

    def directories(self) -> Sequence[Path]:
        """Return where it is installed, if that may be below the user's home, which hosts do not see."""


def agent(*arguments: object) -> list[str]:
    """Return our own command line."""
    return [sys.executable, "-m", "murder_fabric", *map(str, arguments)]


def environment() -> dict[str, str]:
    """Return the environment in which our agent is found, on whatever host."""
    return {**os.environ, "PYTHONPATH": str(REPOSITORY)}


class _Installed:
    """A client that stands where hosts see it too, and listens where it is told to."""

    port: int | None = PEER_PORT

    def directories(self) -> Sequence[Path]:
        return ()


class Ours(_Installed):
    """`murder-agent`."""

    name = OURS

    def missing(self) -> str:
        return ""

    def seed(self, torrent: Path, payload: Path, address: str) -> list[str]:
        return agent("seed", torrent, payload, "--trust", "--listen", f"{address}:{PEER_PORT}", "--json")

    def peer(self, torrent: Path, destination: str, address: str) -> list[str]:
        return agent(
            "peer", torrent, destination, "--listen", f"{address}:{PEER_PORT}", "--seed-for", 3600, "--json"
        )

    def complete(self, output: IO[bytes] | None) -> None:
        _await(output, lambda line: json.loads(line)["event"] == "completed")


class Aria2(_Installed):
    """aria2c without what a data centre does without; its seeder does not read its payload first."""

    name = "aria2"
    #: What a swarm in one data centre does without.
    ALONE = (
        "--no-conf", "--disable-ipv6=true", "--enable-dht=false", "--enable-dht6=false",
        "--bt-enable-lpd=false", "--enable-peer-exchange=false", "--file-allocation=none",
        "--seed-ratio=0.0", "--allow-overwrite=true",
    )  # fmt: skip
    COMMON = (
        *ALONE, "--bt-max-peers=0", "--max-overall-upload-limit=0", "--summary-interval=0",
        "--console-log-level=notice", "--bt-tracker-interval=2", "--on-bt-download-complete=echo",
    )  # fmt: skip

    def missing(self) -> str:
        return missing_program("aria2c", "aria2")

    def seed(self, torrent: Path, payload: Path, address: str) -> list[str]:
        return self._aria2(torrent, str(payload.parent), address, "--bt-seed-unverified=true")

    def peer(self, torrent: Path, destination: str, address: str) -> list[str]:
        return self._aria2(torrent, destination, address)

    def complete(self, output: IO[bytes] | None) -> None:
        # What `echo` says: a download id, how many files, the path of the first.
        _await(output, lambda line: len(line.split()) >= 3 and line.split()[1].isdigit())

    def _aria2(self, torrent: Path, directory: str, address: str, *more: str) -> list[str]:
        where = (f"--dir={directory}", f"--interface={address}", f"--listen-port={PEER_PORT}")
        return ["aria2c", *self.COMMON, *where, *more, str(torrent)]


class Libtorrent(_Installed):
    """libtorrent as it comes, in a small program of ours: it is a library."""

    name = "libtorrent"

    def missing(self) -> str:
        found = importlib.util.find_spec("libtorrent")
        return "" if found else "libtorrent is not installed (PyPI: libtorrent)"

    def seed(self, torrent: Path, payload: Path, address: str) -> list[str]:
        return [*self._join(torrent, str(payload.parent), address), "trust"]

    def peer(self, torrent: Path, destination: str, address: str) -> list[str]:
        return self._join(torrent, destination, address)

    def complete(self, output: IO[bytes] | None) -> None:
        _await(output, lambda line: bool(json.loads(line)["seeding"]))

    def _join(self, torrent: Path, directory: str, address: str) -> list[str]:
        where = (f"{address}:{PEER_PORT}", str(torrent), directory, announce_of(torrent))
        return [sys.executable, str(LIBTORRENT), "join", *where]


class Transmission(_Installed):
    """transmission-daemon; it checks what it seeds first, and says by a script that it has everything."""

    name = "transmission"
    SAYING = "#!/bin/sh\necho complete\n"

    def missing(self) -> str:
        return missing_program("transmission-daemon", "transmission-daemon")

    def seed(self, torrent: Path, payload: Path, address: str) -> list[str]:
        return self._daemon(torrent, str(payload.parent), address)

    def peer(self, torrent: Path, destination: str, address: str) -> list[str]:
        return self._daemon(torrent, destination, address)

    def complete(self, output: IO[bytes] | None) -> None:
        _await(output, lambda line: line == b"complete\n")

    def _daemon(self, torrent: Path, directory: str, address: str) -> list[str]:
        home = torrent.parent / f"transmission-{address}"
        shutil.rmtree(home, ignore_errors=True)
        watched = home / "watched"
        watched.mkdir(parents=True)
        shutil.copy(torrent, watched / "it.torrent")
        script = home / "complete"
        script.write_text(self.SAYING)
        script.chmod(0o755)
        own = {"script-torrent-done-enabled": True, "script-torrent-done-filename": str(script)}
        settings = {**transmission_settings(address, PEER_PORT, directory, watched), **own}
        (home / "settings.json").write_text(json.dumps(settings))
        return ["transmission-daemon", "--foreground", "--config-dir", str(home)]


class Murder:
    """Twitter's Murder of 2010, if MURDER_DIST names the `dist` of a checkout; its peers go on as daemons."""

    name = "murder"
    port: int | None = None

    def missing(self) -> str:
        if not Path(os.environ.get("MURDER_DIST", ""), "murder_client.py").is_file():
            return "the original Murder is not here (MURDER_DIST names the dist of its checkout)"
        return "" if self._python() else "the original Murder needs a Python 2.7 (MURDER_PYTHON names one)"

    def seed(self, torrent: Path, payload: Path, address: str) -> list[str]:
        return self._client("seed", torrent, str(payload), address)

    def peer(self, torrent: Path, destination: str, address: str) -> list[str]:
        return self._client("peer", torrent, f"{destination}/{torrent.stem}", address)

    def complete(self, output: IO[bytes] | None) -> None:
        _await(output, lambda line: line == b"done and done\n")

    def directories(self) -> Sequence[Path]:
        return [Path(self._python()).parent.parent, Path(os.environ["MURDER_DIST"])]

    def _client(self, kind: str, torrent: Path, path: str, address: str) -> list[str]:
        program = f"{os.environ['MURDER_DIST']}/murder_client.py"
        return [self._python(), "-u", program, kind, str(torrent), path, address]

    def _python(self) -> str:
        pyenv = Path(os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv")), "versions")
        places = [os.environ.get("MURDER_PYTHON", ""), "/usr/local/bin/python2.7", "/usr/bin/python2.7"]
        places += map(str, sorted(pyenv.glob("2.7*/bin/python")))
        return next((place for place in places if place and os.access(place, os.X_OK)), "")


#: All of them, ours first.
CLIENTS: Sequence[Client] = (Ours(), Aria2(), Libtorrent(), Transmission(), Murder())


def missing_program(program: str, package: str) -> str:
    """Say that a program is not there, and where it comes from; nothing if it is."""
    return "" if shutil.which(program) else f"{program} is not installed (Debian: {package})"


def opentracker(home: Path, port: int, info_hash: str) -> list[str]:
    """Return the command line of an opentracker for one info hash; *home* is a directory for it."""
    home.chmod(0o755)  # as root it gives its rights up before it reads the list
    (home / "allowed").write_text(info_hash + "\n")
    return ["opentracker", "-i", "127.0.0.1", "-p", str(port), "-d", str(home), "-w", "allowed"]


def transmission_settings(address: str, port: int, directory: str, watched: Path) -> dict[str, Any]:
    """Return the settings of a Transmission that takes its torrents from *watched* and keeps to itself."""
    return {
        "bind-address-ipv4": address,
        "peer-port": port,
        "download-dir": directory,
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


def announce_of(torrent: Path) -> str:
    """Return the tracker that a torrent names."""
    from murder_fabric.metainfo.parsing import parse_metainfo

    announce = parse_metainfo(torrent.read_bytes()).announce
    assert announce is not None, "our torrents name a tracker"
    return announce


def _await(output: IO[bytes] | None, says: Callable[[bytes], bool]) -> None:
    for line in output or ():
        if says(line):
            return
    raise RuntimeError("it ended before it was complete")
