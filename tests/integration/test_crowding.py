"""A flood of idle connections to a seeder's port (fault row 52): who has something to do there gets in."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from programs import REPOSITORY, contents, create, make_tree, wait_until

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
