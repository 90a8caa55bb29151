"""`swarm`: sixteen peers behind equal links, from the start of the first peer's process to the last byte."""

from __future__ import annotations

import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from lab.rig import Lab

from .clients import (
    HEAD_START,
    TRACKER_PORT,
    Client,
    agent,
    available,
    end,
    environment,
    random_file,
    stock_torrent,
)

#: Seconds after which a swarm that is not complete is counted as it is.
LONGEST = 120.0
RATES = {"50mbit": 50e6 / 8, "100mbit": 100e6 / 8, "200mbit": 200e6 / 8}


def measure(client: Client, lab: Lab, torrent: Path, payload: Path) -> dict[str, float]:
    """Return what *client* did with it; the first host has tracker and seeder."""
    first, *others = lab.names
    running: list[subprocess.Popen[bytes]] = []

    def start(host: str, command: list[str]) -> subprocess.Popen[bytes]:
        options: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        running.append(lab.run_in(host, command, env=environment(), **options))
        return running[-1]

    done: list[float] = []

    def wait(peer: subprocess.Popen[bytes]) -> None:
        client.complete(peer.stdout)
        done.append(time.monotonic() - began)

    try:
        start(first, agent("tracker", "--listen", f"{lab.address(first)}:{TRACKER_PORT}"))
        start(first, client.seed(torrent, payload, lab.address(first)))
        time.sleep(HEAD_START)
        began = time.monotonic()
        peers = [start(host, client.peer(torrent, "/srv", lab.address(host))) for host in others]
        threads = [threading.Thread(target=wait, args=(peer,), daemon=True) for peer in peers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LONGEST - (time.monotonic() - began))
    finally:
        _tracker, *used = [end(process) for process in running]
    return {
        "complete": len(done),
        "median s": sorted(done)[len(done) // 2],
        "last s": max(done),
        "CPU s": sum(one.cpu for one in used),
        "largest RSS MiB": max(one.rss for one in used),
    }


def main(hosts: int = 16, length: int = 64_000_000, rate: str = "50mbit", piece_length: int = 65536) -> None:
    """Print one row a client, and what the wire alone would take."""
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="murder-bench-") as name:
        payload = Path(name, "payload")
        random_file(payload, length)
        print(
            f"swarm  the wire's limit  {length / RATES[rate]:.2f} s for {hosts} peers at {rate}", flush=True
        )
        for client in available(["murder_fabric", "aria2"]):
            with Lab(Path(name, "lab"), hosts=hosts + 1, rate=rate) as lab:
                announce = f"http://{lab.address(lab.names[0])}:{TRACKER_PORT}/announce"
                torrent = stock_torrent(payload, announce, piece_length)
                row = measure(client, lab, torrent, payload)
            shown = "  ".join(f"{what} {figure:.2f}" for what, figure in row.items())
            print(f"swarm  {client.name:14}{shown}", flush=True)
