"""`pipe`: one seeder to one peer over loopback, 1 GiB in memory; bytes a second and CPU of both ends."""

from __future__ import annotations

import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

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

TRACKER, SEEDER, PEER = "127.0.0.1", "127.0.0.2", "127.0.0.3"


def measure(client: Client, directory: Path, payload: Path, torrent: Path) -> dict[str, float]:
    """Return what *client* did with it; the time includes the start of the peer's process."""
    target = directory / client.name
    target.mkdir()
    options: dict[str, Any] = {"env": environment(), "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    running = [subprocess.Popen(client.seed(torrent, payload, SEEDER), **options)]
    try:
        time.sleep(HEAD_START)
        began = time.monotonic()
        running.append(subprocess.Popen(client.peer(torrent, str(target), PEER), **options))
        client.complete(running[1].stdout)
        took = time.monotonic() - began
    finally:
        seeder, *peers = [end(process) for process in running]
    if subprocess.run(["cmp", payload, target / payload.name], check=False).returncode:
        raise RuntimeError(f"{client.name} fetched something else")
    return {
        "s": took,
        "MB/s": payload.stat().st_size / took / 1e6,
        "CPU s": seeder.cpu + peers[0].cpu,
        "peer RSS MiB": peers[0].rss,
    }


def main(length: int = 1 << 30) -> None:
    """Print one row a client."""
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="murder-bench-") as name:
        payload = Path(name, "payload")
        random_file(payload, length)
        torrent = stock_torrent(payload, f"http://{TRACKER}:{TRACKER_PORT}/announce", 1 << 20)
        command = agent("tracker", "--listen", f"{TRACKER}:{TRACKER_PORT}")
        tracker = subprocess.Popen(command, env=environment(), stderr=subprocess.DEVNULL)
        try:
            for client in available(["murder_fabric", "aria2"]):
                row = measure(client, Path(name), payload, torrent)
                shown = "  ".join(f"{what} {figure:.2f}" for what, figure in row.items())
                print(f"pipe   {client.name:14}{shown}", flush=True)
        finally:
            end(tracker)
