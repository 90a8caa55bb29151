"""Row 54: a tracker that thousands of connections come to and ask for nothing, or never to the end."""

from __future__ import annotations

import json
import re
import resource
import socket
import sys
import time
import urllib.parse
from pathlib import Path

import pytest
from extent import long, so_many
from programs import AGENT, REPOSITORY, Program, wait_until

#: Connections, by how many programs, to a tracker that may have so many files open; announces that are made.
COUNT, FLOODS, FILES, ANNOUNCES = so_many((2000, 1, 1024, 100), (10_000, 2, 8192, 300))
#: How often an announce that was cut off is made again, as those of peers are, and seconds before it.
TRIES, PAUSE = 10, 0.3


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


def answered(port: int, number: int) -> bool:
    """Tell whether an announce is answered, be it the second time that it is made."""
    for _ in range(TRIES):
        try:
            return b"8:interval" in announce(port, number)
        except ConnectionError:
            time.sleep(PAUSE)
    return False


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
    prefix = ("prlimit", f"--nofile={FILES}:{FILES}")
    tracker = programs.start(*prefix, *AGENT, "tracker", "--listen", "127.0.0.1:0", "--json", cwd=REPOSITORY)
    port = tracker.event("started")["port"]
    flood = (sys.executable, REPOSITORY / "tests/flood.py")
    each = str(COUNT // FLOODS)
    floods = [
        programs.start(*flood, f"127.0.0.{9 + number}", "127.0.0.1", str(port), each, words)
        for number in range(FLOODS)
    ]
    wait_until(lambda: sum(map(closed, floods)) > FILES, "the tracker cuts connections off", 120)
    assert [number for number in range(ANNOUNCES) if not answered(port, number)] == []
    status = Path(f"/proc/{tracker.process.pid}/status").read_text()
    assert int(re.findall(r"VmHWM:\s+(\d+)", status)[0]) < 128 << 10
    assert (tracker.process.poll(), tracker.err) == (None, "")
    assert [flood.process.poll() for flood in floods] == [None] * FLOODS
