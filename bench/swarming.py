"""One client moves one payload from one host to others: how long, at what cost, how far at what time."""

from __future__ import annotations

import os
import signal
import socket
import statistics
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from demo import tree
from lab import machine
from lab.rig import Lab

from .clients import TRACKER_PORT, Client, agent, environment
from .results import Sample

#: Seconds after which a swarm that is not complete is counted as it is.
LONGEST = 120.0
#: Seconds that a seeder has for its announce before the first peer starts, and bytes a second at which those
#: read their payload that check it first.
HEAD_START, READ_FIRST = 1.5, 100e6
#: Seconds for a seeder to listen.
PATIENCE = 30.0
#: Seconds a client has to say goodbye to its tracker.
GOODBYE = 5.0
#: Seconds between two looks at how much has arrived.
LOOK = 0.2
#: As tc has them -> bytes a second.
RATES = {"50mbit": 50e6 / 8, "100mbit": 100e6 / 8, "200mbit": 200e6 / 8}


@dataclass(frozen=True)
class Shape:
    """How many hosts fetch how many bytes, over which links (as `Lab` has it; None: as fast as they are)."""

    hosts: int
    length: int
    rate: Optional[str] = None
    #: Bytes; None: what our own torrents would have.
    piece_length: Optional[int] = None

    def __str__(self) -> str:
        links = f"links of {self.rate} both ways" if self.rate else "unshaped links"
        return f"{self.hosts} peer{'' if self.hosts == 1 else 's'}, {self.length / 1e6:.0f} MB, {links}"

    @property
    def ideal(self) -> float:
        """Seconds that the wire alone takes to each host."""
        return self.length / RATES[self.rate] if self.rate else 0.0


@dataclass(frozen=True)
class Usage:
    """What one process has cost: CPU seconds, and MiB at its largest."""

    cpu: float
    rss: float


class Swarm:
    """One measurement of one client in a lab of its own; the first host has tracker and seeder."""

    def __init__(self, client: Client, lab: Lab, torrent: Path, payload: Path) -> None:
        self._client, self._lab, self._torrent, self._payload = client, lab, torrent, payload
        self._running: list[subprocess.Popen[bytes]] = []
        self._done: list[float] = []
        #: Peers that ended before they were complete.
        self._ended = 0
        self._curve: list[tuple[float, float]] = []

    def measure(self) -> Sample:
        """Return what the client did with it; RuntimeError where it fetched something else, or broke down."""
        first, *others = self._lab.names
        sent = bytes_sent(self._lab, first)
        length = bytes_of(self._payload)
        try:
            listen = f"{self._lab.address(first)}:{TRACKER_PORT}"
            self._start(first, agent("tracker", "--listen", listen))
            # Murder's seeder asks once, and again after minutes.
            wait_for((self._lab.address(first), TRACKER_PORT), PATIENCE)
            self._start(first, self._client.seed(self._torrent, self._payload, self._lab.address(first)))
            if self._client.port is not None:
                wait_for((self._lab.address(first), self._client.port), PATIENCE)
            time.sleep(HEAD_START + length / READ_FIRST)
            self._run_peers(others)
        finally:
            _tracker, *used = end_all(self._running)
        if self._ended:
            raise RuntimeError(f"{self._ended} of {len(others)} peers ended before they were complete")
        peers = used[1:]
        last = LONGEST
        if len(self._done) == len(others):
            must_be_same(self._lab, others, self._payload)
            last = max(self._done)
            self._curve.append((round(last, 2), 1.0))
        figures = {
            "complete": float(len(self._done)),
            "median s": statistics.median(self._done) if self._done else LONGEST,
            "last s": last,
            "CPU s": sum(one.cpu for one in used),
            "peer RSS MiB": max(one.rss for one in peers),
            "sent by the seeder": (bytes_sent(self._lab, first) - sent) / length,
        }
        return Sample(figures, self._curve)

    def _start(self, host: str, command: list[str]) -> subprocess.Popen[bytes]:
        options: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        home = {**environment(), "HOME": str(self._lab.home)}
        self._running.append(self._lab.run_in(host, command, env=home, **options))
        return self._running[-1]

    def _run_peers(self, others: Sequence[str]) -> None:
        """Start all peers at once; return once they are complete, or it takes too long."""
        began = time.monotonic()

        def wait(peer: subprocess.Popen[bytes]) -> None:
            try:
                self._client.complete(peer.stdout)
            except RuntimeError:
                self._ended += 1
            else:
                self._done.append(time.monotonic() - began)

        commands = [self._client.peer(self._torrent, "/srv", self._lab.address(host)) for host in others]
        began = time.monotonic()
        peers = [self._start(host, command) for host, command in zip(others, commands)]
        threads = [threading.Thread(target=wait, args=(peer,), daemon=True) for peer in peers]
        for thread in threads:
            thread.start()
        arrived = [self._lab.host_root(host) / "srv" / self._payload.name for host in others]
        length = bytes_of(self._payload) * len(others)
        while any(thread.is_alive() for thread in threads):
            now = time.monotonic() - began
            if now > LONGEST:
                break
            if self._payload.is_file():
                self._curve.append((round(now, 2), min(1.0, sum(map(_allocated, arrived)) / length)))
            time.sleep(LOOK)


def run_swarm(client: Client, shape: Shape, payload: Path, directory: Path) -> Sample:
    """Put up hosts, let *client* bring the payload to all of them, and take the hosts down again."""
    shown = client.directories()
    with Lab(directory / "lab", hosts=shape.hosts + 1, rate=shape.rate, shown=shown) as lab:
        announce = f"http://{lab.address(lab.names[0])}:{TRACKER_PORT}/announce"
        torrent = stock_torrent(payload, announce, shape.piece_length)
        return Swarm(client, lab, torrent, payload).measure()


def wait_for(address: tuple[str, int], patience: float) -> None:
    """Return once somebody listens there; RuntimeError if nobody does in *patience* seconds."""
    until = time.monotonic() + patience
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(address) == 0:
                return
        if time.monotonic() > until:
            raise RuntimeError(f"nobody listens at {address[0]}:{address[1]}")
        time.sleep(0.02)


def random_file(path: Path, length: int) -> None:
    """Write *length* random bytes, never holding many: what we held would count as our children's memory."""
    with path.open("wb") as file:
        while length > 0:
            length -= file.write(os.urandom(min(length, 1 << 20)))


def stock_torrent(payload: Path, announce: str, piece_length: Optional[int] = None) -> Path:
    """Make the torrent of a payload without our extra keys, as any client would: all have the same."""
    from murder_fabric.bencoding import decode, encode

    torrent = payload.parent / f"{payload.name}.torrent"
    command = agent("create", payload, "--announce", announce, "-o", torrent)
    if piece_length is not None:
        command += ["--piece-length", str(piece_length)]
    subprocess.run(command, env=environment(), check=True, stdout=subprocess.DEVNULL)
    whole = decode(torrent.read_bytes(), 1 << 26)
    info = {key: value for key, value in whole[b"info"].items() if not key.startswith(b"murder")}
    for entry in info.get(b"files", ()):
        for key in [key for key in entry if key.startswith(b"murder")]:
            del entry[key]
    torrent.write_bytes(encode({b"announce": whole[b"announce"], b"info": info}))
    return torrent


def bytes_of(payload: Path) -> int:
    """Return how many bytes a file, or all files of a tree, hold."""
    files = [payload] if payload.is_file() else [path for path in payload.rglob("*") if path.is_file()]
    return sum(path.stat().st_size for path in files)


def bytes_sent(lab: Lab, host: str) -> int:
    """Return how many bytes have left a host so far, headers included."""
    counter = machine.run("nsenter", f"--net={machine.NAMESPACES}/{lab.prefix}{host}", "cat", "/proc/net/dev")
    (line,) = (line for line in counter.splitlines() if line.strip().startswith("eth0:"))
    return int(line.split(":")[1].split()[8])


def must_be_same(lab: Lab, hosts: Sequence[str], payload: Path) -> None:
    """Compare what arrived with what was sent; RuntimeError says where it differs."""
    for host in hosts:
        copy = lab.host_root(host) / "srv" / payload.name
        if payload.is_file():
            same = subprocess.run(["cmp", "--silent", payload, copy], check=False).returncode == 0
        else:
            same = not tree.differences(payload, copy)
        if not same:
            raise RuntimeError(f"{host} has something else than was sent")


def end_all(processes: Sequence[subprocess.Popen[bytes]]) -> list[Usage]:
    """Stop programs of ours and return what each has cost."""
    for process in processes:
        os.kill(process.pid, signal.SIGTERM)  # Popen's own would collect one that has ended, and its cost
    deadline = time.monotonic() + GOODBYE
    return [_collect(process, deadline) for process in processes]


def _collect(process: subprocess.Popen[bytes], deadline: float) -> Usage:
    ended, _, usage = os.wait4(process.pid, os.WNOHANG)
    while not ended:
        if time.monotonic() > deadline:
            process.kill()
        time.sleep(0.02)
        ended, _, usage = os.wait4(process.pid, os.WNOHANG)
    process.returncode = 0
    return Usage(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def _allocated(path: Path) -> int:
    """Return how many bytes of a file are more than a hole: whoever fetches pieces at random leaves some."""
    try:
        return path.stat().st_blocks * 512
    except OSError:
        return 0
