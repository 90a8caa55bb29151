"""The agent's commands as processes: a swarm of them, what they say, how they end, what they survive."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from programs import contents, create, free_port, make_tree, one_sentence, snapshot, wait_until

from murder_fabric.wire import messages
from murder_fabric.wire.connection import WireConnection

SIZE = 4_000_000


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree with everything that a release may hold."""
    root = make_tree(tmp_path / "source" / "app", SIZE)
    (root / "a" / "run").write_text("#!/bin/sh\n")
    (root / "a" / "run").chmod(0o755)
    (root / "a" / "b" / "one").chmod(0o400)
    (root / "latest").symlink_to("a/run")
    (root / "bare").mkdir()
    os.utime(root / "big", ns=(1_500_000_000_123_456_789, 1_500_000_000_123_456_789))
    return root


@pytest.fixture
def torrent(tmp_path: Path, tree: Path) -> Path:
    path = tmp_path / "app.torrent"
    create(tree, path, "--piece-length", "32768")
    return path


def test_eight_peers_get_the_tree_as_it_is(programs, tmp_path, tree, torrent):
    tracker = programs.tracker()
    programs.seeder(torrent, tree, tracker)
    homes = [tmp_path / f"web{number}" for number in range(1, 9)]
    peers = [
        programs.peer(torrent, home, tracker, "--seed-for", "3", address=f"127.0.1.{number}")
        for number, home in enumerate(homes, start=1)
    ]
    for peer, home in zip(peers, homes):
        assert peer.wait() == 0, peer.told()
        assert snapshot(home) == snapshot(tree.parent)


def test_every_event_says_what_and_when(programs, tmp_path, tree, torrent):
    tracker = programs.tracker()
    peer = programs.peer(torrent, tmp_path / "web1", tracker, "--seed-for", "1.5")
    peer.event("progress")
    programs.seeder(torrent, tree, tracker)
    assert peer.wait() == 0, peer.told()
    events = peer.events
    assert all({"event", "time"} <= event.keys() for event in events)
    assert [event["time"] for event in events] == sorted(event["time"] for event in events)
    assert events[0]["event"] == "started"
    progress = [event for event in events if event["event"] == "progress"][-1]
    assert {"pieces", "piece_count", "bytes", "length", "rate", "peers", "disk_seconds"} <= progress.keys()
    assert (progress["pieces"], progress["bytes"]) == (progress["piece_count"], progress["length"])
    completed = next(event for event in events if event["event"] == "completed")
    assert completed["bytes_downloaded"] == progress["length"]
    assert completed["bytes_uploaded"] == 0
    assert completed["seconds"] > 0


def test_a_killed_peer_goes_on_where_it_was(programs, tmp_path):
    """Row 1: of what was verified before the kill, at most a hundredth is fetched again."""
    tree, torrent = make_tree(tmp_path / "source" / "app", 100_000_000), tmp_path / "app.torrent"
    pieces = create(tree, torrent, "--piece-length", "65536")["pieces"]
    tracker = programs.tracker()
    programs.seeder(torrent, tree, tracker)
    first = programs.peer(torrent, tmp_path / "web1", tracker)
    directory = tmp_path / "web1" / "app"
    wait_until(lambda: disk_usage(directory) > 30_000_000, "a third is there", step=0.001)
    first.kill()
    assert not any(event["event"] == "completed" for event in first.events)
    kept = disk_usage(directory)
    again = programs.peer(torrent, tmp_path / "web1", tracker, "--seed-for", "0")
    assert again.wait() == 0, again.told()
    fetched = again.event("completed")["bytes_downloaded"]
    # Pieces that were half written when the kill came are fetched again, as they must be.
    assert fetched <= sum(map(len, contents(tree).values())) - kept * 0.99 + 40 * 65536
    assert pieces > 1000
    assert contents(directory) == contents(tree)


def disk_usage(root: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in root.rglob("*") if path.is_file())


def test_the_seeder_may_die_once_a_copy_is_out(programs, tmp_path, tree, torrent):
    """Row 5."""
    tracker = programs.tracker()
    seeder = programs.seeder(torrent, tree, tracker)
    first = programs.peer(torrent, tmp_path / "web1", tracker, address="127.0.1.1")
    first.event("completed")
    seeder.kill()
    second = programs.peer(torrent, tmp_path / "web2", tracker, "--seed-for", "0", address="127.0.1.2")
    assert second.wait() == 0, second.told()
    assert contents(tmp_path / "web2") == contents(tree.parent)


def test_a_seeder_whose_files_something_else_shortens_says_so_and_fails(programs, tmp_path, tree, torrent):
    tracker = programs.tracker()
    seeder = programs.seeder(torrent, tree, tracker)
    os.truncate(tree / "big", 0)
    programs.peer(torrent, tmp_path / "web1", tracker)
    assert seeder.wait() == 3, seeder.told()
    assert one_sentence(seeder.err)
    assert "big" in seeder.err
    assert "not served any more" in seeder.err


def test_peers_may_be_started_before_tracker_and_seeder(programs, tmp_path, tree, torrent):
    """Row 8."""
    port = free_port("127.0.0.1")
    url = f"http://127.0.0.1:{port}/announce"
    peer = programs.peer(torrent, tmp_path / "web1", url, "--seed-for", "0")
    assert "refused" in peer.event("tracker")["reason"]
    since = programs.agent("tracker", "--listen", f"127.0.0.1:{port}").event("started")["time"]
    # Long enough to have asked the tracker, and found nobody there.
    peer.event("progress", lambda said: said["time"] > since + 6)
    assert max(event["peers"] for event in peer.events if event["event"] == "progress") == 0
    programs.seeder(torrent, tree, url)
    assert peer.wait() == 0, peer.told()
    assert contents(tmp_path / "web1") == contents(tree.parent)


def test_a_peer_that_reaches_nobody_says_so_and_fails(programs, tmp_path, torrent):
    """Row 16."""
    peer = programs.peer(torrent, tmp_path / "web1", "http://127.0.0.1:1/announce")
    assert peer.wait() == 3, peer.told()
    (reason,) = [event["reason"] for event in peer.events if event["event"] == "failed"]
    assert "no tracker could be asked for 30 s" in reason
    assert "refused" in reason
    assert one_sentence(peer.err)


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(("role", "code"), [("tracker", 0), ("seed", 0), ("peer", 130)])
def test_a_signal_ends_it_in_order(programs, tmp_path, tree, torrent, sign, role, code):
    where = ("--listen", "127.0.0.4:0")
    announce = ("--announce", "http://127.0.0.1:1/announce")
    arguments = {
        "tracker": (role, *where),
        "seed": (role, torrent, tree, *where, *announce),
        "peer": (role, torrent, tmp_path / "web1", *where, *announce),
    }[role]
    agent = programs.agent(*arguments)
    agent.event("started")
    agent.process.send_signal(sign)
    assert agent.wait(15) == code, agent.told()
    assert "Traceback" not in agent.err


def test_a_reader_that_leaves_does_not_stop_the_transfer(programs, tmp_path, tree, torrent):
    tracker = programs.tracker()
    reading, writing = os.pipe()
    peer = programs.peer(torrent, tmp_path / "web1", tracker, "--seed-for", "0", stdout=writing)
    os.close(writing)
    os.close(reading)
    programs.seeder(torrent, tree, tracker)
    assert peer.wait() == 0, peer.told()
    assert peer.err == ""
    assert contents(tmp_path / "web1") == contents(tree.parent)


# The token -------------------------------------------------------------------------------------------------


@pytest.fixture
def tokens(tmp_path: Path) -> tuple[Path, Path]:
    right, wrong = tmp_path / "token", tmp_path / "other"
    right.write_text("00112233445566778899aabbccddeeff\n")
    wrong.write_text("ffeeddccbbaa99887766554433221100\n")
    for token in (right, wrong):
        token.chmod(0o600)
    return right, wrong


def test_who_knows_the_token_is_served(programs, tmp_path, tree, torrent, tokens):
    known = ("--token-file", tokens[0])
    tracker = programs.tracker(*known)
    programs.seeder(torrent, tree, tracker, *known)
    peer = programs.peer(torrent, tmp_path / "web1", tracker, "--seed-for", "0", *known)
    assert peer.wait() == 0, peer.told()
    assert contents(tmp_path / "web1") == contents(tree.parent)


@pytest.mark.parametrize("knows", ["another", "none"])
def test_who_does_not_know_it_learns_nothing_from_the_tracker(
    programs, tmp_path, tree, torrent, tokens, knows
):
    tracker = programs.tracker("--token-file", tokens[0])
    programs.seeder(torrent, tree, tracker, "--token-file", tokens[0])
    stranger = programs.peer(
        torrent, tmp_path / "web1", tracker, *(("--token-file", tokens[1]) if knows == "another" else ())
    )
    assert stranger.event("tracker")["reason"]
    assert stranger.events[-1].get("bytes_downloaded", 0) == 0


def test_a_stranger_at_the_seeders_port_gets_nothing(programs, tmp_path, tree, torrent, tokens):
    """Whoever knows address and info hash, as a tracker's answer would have told, still lacks the proof."""
    tracker = programs.tracker("--token-file", tokens[0])
    seeder = programs.seeder(torrent, tree, tracker, "--token-file", tokens[0])
    started = seeder.event("started")
    us = WireConnection(piece_count=1)
    said = us.send(messages.Handshake(bytes.fromhex(started["info_hash"]), b"-XX0000-a_stranger__"))
    said += us.send(messages.Interested()) + us.send(messages.Request(0, 0, 16384))
    with socket.create_connection(("127.0.0.2", started["port"]), timeout=20) as connection:
        connection.sendall(said)
        heard = b""
        try:
            while data := connection.recv(65536):
                heard += data
        except ConnectionResetError:
            pass
    assert len(heard) < 1000
    seeder.process.terminate()
    seeder.wait()
    assert seeder.events[-1]["bytes_uploaded"] == 0


def test_no_timeout_of_an_agent_follows_the_wall_clock():
    """Fault row 88: whoever sets that clock would end leases, or stop all that waits."""
    look = (
        "import sys, time; from murder_fabric.agent.running import run\n"
        "async def main(reactor): return int(abs(reactor.seconds() - time.monotonic()) > 1)\n"
        "sys.exit(run(main))"
    )
    assert subprocess.run([sys.executable, "-c", look], timeout=30).returncode == 0
