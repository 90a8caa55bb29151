"""Rows 54 and 85: a tracker that more connections come to than it may have, which never ask to the end."""

from __future__ import annotations

import json
import os
import re
import resource
import socket
import sys
import time
import urllib.parse
from pathlib import Path

import pytest
from extent import long, so_many
from programs import AGENT, REPOSITORY, Program, Programs, wait_until

#: Connections, by how many programs, to a tracker that may have so many files open; announces that are made.
COUNT, FLOODS, FILES, ANNOUNCES = so_many((2000, 1, 1024, 100), (10_000, 2, 8192, 1000))
#: How often an announce that was cut off is made again, as those of peers are, and seconds before it.
TRIES, PAUSE = 10, 0.3
#: Seconds until 99 of 100 are answered, and what a busy machine may add.
SOON, BUSY = 2.0, 4.0


def closed(flood: Program) -> int:
    """Return how many connections of a flood have been closed so far."""
    told = [json.loads(line) for line in flood.out.splitlines(keepends=True) if line.endswith("\n")]
    return told[-1]["closed"] if told else 0


def announce(port: int, number: int) -> bytes:
    """Return what the tracker says to peer *number*."""
    peer = {"info_hash": b"h" * 20, "peer_id": b"-XX0000-%012d" % number, "port": 1024 + number}
    query = urllib.parse.urlencode({**peer, "uploaded": 0, "downloaded": 0, "left": 1, "compact": 1})
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(f"GET /announce?{query} HTTP/1.0\r\n\r\n".encode())
        return b"".join(iter(lambda: connection.recv(65536), b""))


def answered(port: int, number: int) -> float:
    """Return the seconds until an announce is answered, be it the second time that it is made."""
    began = time.monotonic()
    for _ in range(TRIES):
        try:
            assert b"8:interval" in announce(port, number)
            return time.monotonic() - began
        except ConnectionError:
            time.sleep(PAUSE)
    raise AssertionError(f"announce {number} was cut off {TRIES} times")


def tracker_with(programs: Programs, files: int) -> Program:
    """Start a tracker that may have so many files open."""
    limited = ("prlimit", f"--nofile={files}:{files}", *AGENT)
    return programs.start(*limited, "tracker", "--listen", "127.0.0.1:0", "--json", cwd=REPOSITORY)


def flood(programs: Programs, number: int, tracker: Program, count: int, words: str) -> Program:
    """Let so many connections say these words to a tracker, each opened again when it is cut off."""
    to = ("127.0.0.1", str(tracker.event("started")["port"]), str(count))
    return programs.start(sys.executable, REPOSITORY / "tests/flood.py", f"127.0.0.{9 + number}", *to, words)


NOTHING, HALF_A_REQUEST, ANOTHER_PROTOCOL = "", "GET /announce?", "PRI * HTTP/2.0\r\n\r\n"


@pytest.mark.parametrize(
    "words",
    [HALF_A_REQUEST, pytest.param(NOTHING, marks=long), pytest.param(ANOTHER_PROTOCOL, marks=long)],
    ids=["half a request", "nothing", "another protocol"],
)
def test_row_54_thousands_that_never_ask_keep_no_announce_from_its_answer(programs, words):
    """In the five seconds that each of them has they would take every descriptor of the tracker."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most < COUNT // FLOODS + 100:
        pytest.skip(f"a process may have no more than {most} files open here")
    tracker = tracker_with(programs, FILES)
    floods = [flood(programs, number, tracker, COUNT // FLOODS, words) for number in range(FLOODS)]
    wait_until(lambda: sum(map(closed, floods)) > FILES, "the tracker cuts connections off", 120)
    port = tracker.event("started")["port"]
    took = sorted(answered(port, number) for number in range(ANNOUNCES))
    assert took[ANNOUNCES * 99 // 100 - 1] < SOON + BUSY, took[-20:]
    status = Path(f"/proc/{tracker.process.pid}/status").read_text()
    assert int(re.findall(r"VmHWM:\s+(\d+)", status)[0]) < 128 << 10
    assert (tracker.process.poll(), tracker.err) == (None, "")
    assert [each.process.poll() for each in floods] == [None] * FLOODS


def test_row_85_a_tracker_with_256_descriptors_answers_though_300_connections_come(programs):
    tracker = tracker_with(programs, 256)
    come = flood(programs, 0, tracker, 300, HALF_A_REQUEST)
    wait_until(lambda: closed(come) > 300, "the tracker cuts connections off", 120)
    port = tracker.event("started")["port"]
    for number in range(100):
        answered(port, number)
    assert (tracker.process.poll(), tracker.err) == (None, "")
    assert len(os.listdir(f"/proc/{tracker.process.pid}/fd")) < 256
