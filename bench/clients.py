"""What is measured: our agent and aria2, each as a user would start them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

REPOSITORY = Path(__file__).resolve().parent.parent
#: Seconds a seeder has before the first peer starts: aria2 reads its payload first, and says nothing.
HEAD_START = 4.0
#: Seconds a client has to say goodbye to its tracker.
GOODBYE = 5.0
TRACKER_PORT, PEER_PORT = 8998, 6881


class Client(Protocol):
    """Programs that seed and fetch; `seed` and `peer` return argument lists."""

    name: str

    def seed(self, torrent: Path, payload: Path, address: str) -> list[str]:
        """Serve the payload at *address* until stopped."""

    def peer(self, torrent: Path, destination: str, address: str) -> list[str]:
        """Fetch into *destination* and go on serving."""

    def complete(self, output: IO[bytes] | None) -> None:
        """Return when the program, whose output that is, says that it has everything."""


def agent(*arguments: object) -> list[str]:
    """Return our own command line."""
    return [sys.executable, "-m", "murder_fabric", *map(str, arguments)]


class Ours:
    """`murder-agent`."""

    name = "murder_fabric"

    def seed(self, torrent: Path, payload: Path, address: str) -> list[str]:
        return agent("seed", torrent, payload, "--trust", "--listen", f"{address}:{PEER_PORT}", "--json")

    def peer(self, torrent: Path, destination: str, address: str) -> list[str]:
        return agent(
            "peer", torrent, destination, "--listen", f"{address}:{PEER_PORT}", "--seed-for", 3600, "--json"
        )

    def complete(self, output: IO[bytes] | None) -> None:
        for line in output or ():
            if json.loads(line)["event"] == "completed":
                return
        raise RuntimeError("the peer ended before it was complete")


class Aria2:
    """aria2c, with what a data centre does without switched off."""

    name = "aria2"
    COMMON = (
        "--enable-dht=false", "--enable-dht6=false", "--enable-peer-exchange=false", "--bt-enable-lpd=false",
        "--file-allocation=none", "--seed-ratio=0", "--bt-max-peers=0", "--max-overall-upload-limit=0",
        "--check-integrity=true", "--allow-overwrite=true", "--disable-ipv6=true", "--no-conf=true",
        "--summary-interval=0", "--console-log-level=notice", "--bt-tracker-interval=2",
        "--on-bt-download-complete=echo",
    )  # fmt: skip

    def seed(self, torrent: Path, payload: Path, address: str) -> list[str]:
        return self._aria2(torrent, str(payload.parent), address, "--bt-hash-check-seed=true")

    def peer(self, torrent: Path, destination: str, address: str) -> list[str]:
        return self._aria2(torrent, destination, address)

    def complete(self, output: IO[bytes] | None) -> None:
        for line in output or ():
            if line.split()[1:2] == [b"1"]:  # what `echo` says: a download id, one file, its path
                return
        raise RuntimeError("aria2 ended before it was complete")

    def _aria2(self, torrent: Path, directory: str, address: str, *more: str) -> list[str]:
        return [
            "aria2c", *self.COMMON, f"--dir={directory}", f"--interface={address}",
            f"--listen-port={PEER_PORT}", *more, str(torrent),
        ]  # fmt: skip


CLIENTS: dict[str, Client] = {"murder_fabric": Ours(), "aria2": Aria2()}


def available(names: list[str]) -> list[Client]:
    """Return the clients of *names* that are installed here."""
    return [CLIENTS[name] for name in names if name != "aria2" or shutil.which("aria2c")]


def random_file(path: Path, length: int) -> None:
    """Write *length* random bytes, never holding many: what we held would count as our children's memory."""
    with path.open("wb") as file:
        while length > 0:
            length -= file.write(os.urandom(min(length, 1 << 20)))


def stock_torrent(payload: Path, announce: str, piece_length: int) -> Path:
    """Make the torrent of a file as any client would: without our extra keys, so that all have the same."""
    from murder_fabric.bencoding import decode, encode

    torrent = payload.with_suffix(".torrent")
    command = agent("create", payload, "--announce", announce, "--piece-length", piece_length, "-o", torrent)
    subprocess.run(command, env=environment(), check=True, stdout=subprocess.DEVNULL)
    whole = decode(torrent.read_bytes(), 1 << 26)
    info = {key: value for key, value in whole[b"info"].items() if not key.startswith(b"murder")}
    torrent.write_bytes(encode({b"announce": whole[b"announce"], b"info": info}))
    return torrent


def environment() -> dict[str, str]:
    """Return the environment in which our agent is found, on whatever host."""
    return {**os.environ, "PYTHONPATH": str(REPOSITORY)}


@dataclass(frozen=True)
class Usage:
    """What one process has cost: CPU seconds, and MiB at its largest."""

    cpu: float
    rss: float


def end(process: subprocess.Popen[bytes]) -> Usage:
    """Stop a program of ours and return what it cost."""
    process.terminate()
    deadline = time.monotonic() + GOODBYE
    ended, _, usage = os.wait4(process.pid, os.WNOHANG)
    while not ended:
        if time.monotonic() > deadline:
            process.kill()
        time.sleep(0.05)
        ended, _, usage = os.wait4(process.pid, os.WNOHANG)
    process.returncode = 0
    return Usage(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
