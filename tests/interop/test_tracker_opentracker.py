"""Our client asks opentracker, which Murder's successors and large public sites run."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("tracker_program.py")
HASH = b"h" * 20

pytestmark = pytest.mark.skipif(shutil.which("opentracker") is None, reason="opentracker is not installed")


@pytest.fixture
def opentracker(tmp_path):
    """Run opentracker for one info hash; give the announce URL."""
    home = tmp_path / "opentracker"
    home.mkdir()
    home.chmod(0o755)  # as root it gives its rights up before it reads the list
    (home / "allowed").write_text(HASH.hex() + "\n")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = ["opentracker", "-i", "127.0.0.1", "-p", str(port), "-d", str(home), "-w", "allowed"]
    with subprocess.Popen(command, cwd=home) as process:
        try:
            wait_until_it_listens(port)
            yield f"http://127.0.0.1:{port}/announce"
        finally:
            process.kill()


def wait_until_it_listens(port):
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except ConnectionRefusedError:
            time.sleep(0.05)
    pytest.fail("opentracker does not listen")


def announce(url, info_hash, *announces):
    command = [sys.executable, str(PROGRAM), "announce", url, info_hash.hex(), *map(json.dumps, announces)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_its_answers_are_understood(opentracker):
    *answers, scrape = announce(
        opentracker,
        HASH,
        {"port": 6001, "left": 0, "event": "started"},
        {"port": 6002, "event": "started"},
        {"port": 6002, "left": 0, "event": "completed"},
        {"port": 6001, "left": 0, "event": "stopped"},
    )
    assert answers[0]["complete"] == 1
    assert ["127.0.0.1", 6001] in answers[1]["peers"]
    assert (answers[1]["complete"], answers[1]["incomplete"]) == (1, 1)
    assert (answers[2]["complete"], answers[2]["incomplete"]) == (2, 0)
    assert answers[1]["interval"] == 300.0, "half an hour is clamped"
    assert scrape == [1, 1, 0]


def test_its_refusal_is_understood(opentracker):
    (answer,) = announce(opentracker, b"x" * 20, {})
    assert "/announce: the tracker refused: Requested download is not authorized" in answer["error"]
