"""Many connections to a seeder's port: idle ones (fault row 52), and some that are reset (row 19)."""

from __future__ import annotations

import json
import socket
import struct
import sys
from pathlib import Path

from odd_peer import greet
from programs import REPOSITORY, contents, create, make_tree, open_sockets, wait_until

from murder_fabric.policy.crowding import OF_A_STRANGER


def test_a_flood_of_idle_connections_takes_nobodys_place(programs, tmp_path: Path) -> None:
    tree, torrent = make_tree(tmp_path / "source" / "app", 4_000_000), tmp_path / "app.torrent"
    create(tree, torrent)
    tracker = programs.tracker()
    seeder = programs.seeder(torrent, tree, tracker)
    port = seeder.event("started")["port"]
    flood = programs.start(
        sys.executable, REPOSITORY / "tests/flood.py", "127.0.0.9", "127.0.0.2", str(port), "300"
    )

    def told() -> list[dict[str, int]]:
        return [json.loads(line) for line in flood.out.splitlines(keepends=True) if line.endswith("\n")]

    wait_until(lambda: len(told()) >= 2, "the flood stands")
    peer = programs.peer(torrent, tmp_path / "web1", tracker, "--seed-for", "0")
    assert peer.wait() == 0, peer.told()
    assert contents(tmp_path / "web1") == contents(tree.parent)
    standing = [one["standing"] for one in told()]
    assert 0 < max(standing) <= OF_A_STRANGER
    assert told()[-1]["closed"] > 300
    assert seeder.process.poll() is None


def test_connections_that_are_reset_leave_no_descriptor_open(programs, tmp_path: Path) -> None:
    tree, torrent = make_tree(tmp_path / "source" / "app", 100_000), tmp_path / "app.torrent"
    info_hash = bytes.fromhex(create(tree, torrent)["info_hash"])
    seeder = programs.seeder(torrent, tree, programs.tracker())
    port = seeder.event("started")["port"]
    wait_until(lambda: open_sockets(seeder) == 1, "it listens, and has told the tracker so")
    for _ in range(5):
        connections = [socket.create_connection(("127.0.0.2", port)) for _ in range(OF_A_STRANGER)]
        for connection in connections:
            greet(connection, info_hash)
        assert open_sockets(seeder) > OF_A_STRANGER
        for connection in connections:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
        wait_until(lambda: open_sockets(seeder) == 1, "only the one it listens at is left", 10)
