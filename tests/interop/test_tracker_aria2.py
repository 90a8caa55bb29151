"""Two aria2 find each other through our tracker, under a passkey, and exchange a file."""

from __future__ import annotations

import contextlib
import hashlib
import random
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from murder_fabric import bencoding
from murder_fabric.tracker.keys import scrape_url
from murder_fabric.tracker.scraping import parse_scrape_response, scrape_query

PROGRAM = Path(__file__).with_name("tracker_program.py")
PIECE = 64 * 1024
PAYLOAD = random.Random(1).randbytes(20 * PIECE + 5)
INFO = {
    "length": len(PAYLOAD),
    "name": "payload",
    "piece length": PIECE,
    "pieces": b"".join(
        hashlib.sha1(PAYLOAD[at : at + PIECE]).digest() for at in range(0, len(PAYLOAD), PIECE)
    ),
    "private": 1,
}
HASH = hashlib.sha1(bencoding.encode(INFO)).digest()

pytestmark = pytest.mark.skipif(shutil.which("aria2c") is None, reason="aria2 is not installed")


@contextlib.contextmanager
def running(*command, **options):
    with subprocess.Popen([str(part) for part in command], **options) as process:
        try:
            yield process
        finally:
            process.kill()


def aria2(torrent, address, home, *options):
    with socket.create_server((address, 0)) as probe:
        port = probe.getsockname()[1]
    alone = ["--enable-dht=false", "--enable-dht6=false", "--bt-enable-lpd=false", "--no-conf"]
    where = [f"--interface={address}", f"--listen-port={port}", f"--dir={home}"]
    return running("aria2c", "--quiet", *alone, *where, *options, torrent, stdout=subprocess.DEVNULL)


def scrape(url):
    with urllib.request.urlopen(f"{scrape_url(url)}?{scrape_query([HASH]).decode()}", timeout=5) as answer:
        return parse_scrape_response(answer.read())[HASH]


def wait_until(url, holds):
    until = time.monotonic() + 20
    while not holds(scrape(url)):
        assert time.monotonic() < until, scrape(url)
        time.sleep(0.1)


def test_two_aria2_exchange_a_file_through_our_tracker(tmp_path):
    seeder_home, peer_home = tmp_path / "seeder", tmp_path / "peer"
    seeder_home.mkdir()
    (seeder_home / "payload").write_bytes(PAYLOAD)
    torrent = tmp_path / "payload.torrent"
    serve = running(sys.executable, PROGRAM, "serve", HASH.hex(), b"token".hex(), stdout=subprocess.PIPE)
    with serve as tracker:
        url = tracker.stdout.readline().decode().strip()
        torrent.write_bytes(bencoding.encode({"announce": url, "info": INFO}))
        with aria2(torrent, "127.0.0.1", seeder_home, "--check-integrity=true", "--seed-ratio=0.0"):
            wait_until(url, lambda swarm: swarm.complete == 1)
            with aria2(torrent, "127.0.0.2", peer_home, "--seed-time=0") as peer:
                assert peer.wait(timeout=30) == 0
            assert (peer_home / "payload").read_bytes() == PAYLOAD
            # It left at once, with `stopped` and nothing left to fetch, and both were heard.
            wait_until(url, lambda swarm: swarm == (1, 1, 0))
