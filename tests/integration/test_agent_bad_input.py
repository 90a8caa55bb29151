"""Bad input at the agent's command line: one sentence, the right exit code, nothing written elsewhere."""

from __future__ import annotations

import errno
import os
import resource
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from programs import contents, create, make_tree, one_sentence, run_agent, snapshot

from murder_fabric import bencoding

NOWHERE = ("--listen", "127.0.0.3:0", "--announce", "http://127.0.0.1:1/announce")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return make_tree(tmp_path / "source" / "app", 300_000)


@pytest.fixture
def torrent(tmp_path: Path, tree: Path) -> Path:
    path = tmp_path / "app.torrent"
    create(tree, path)
    return path


def refused(done: Any, code: int, *words: str) -> None:
    assert done.returncode == code, done.stderr
    assert one_sentence(done.stderr), done.stderr
    for word in words:
        assert word in done.stderr


# Torrents --------------------------------------------------------------------------------------------------


def stock(**changes: Any) -> bytes:
    """Return a stock torrent of one file in a directory, with some fields of `info` changed."""
    files = [{"length": 5, "path": ["x"]}]
    info: dict[str, Any] = {"files": files, "name": "app", "piece length": 16384, "pieces": b"h" * 20}
    return bencoding.encode({"info": {**info, **changes}})


def with_paths(*paths: Any) -> bytes:
    return stock(files=[{"length": 1, "path": path} for path in paths])


TORRENTS = {
    "empty": (b"", "not a torrent"),
    "not one": (b"\x89PNG\r\n", "not a torrent"),
    "truncated": (stock()[:-20], "not a torrent"),
    "something after it": (stock() + b"i1e", "not a torrent"),
    "deep": (b"l" * 1_000_000, "not a torrent"),
    "no info": (b"d8:announce3:abce", "info"),
    "up": (with_paths(["..", "x"]), '".."'),
    "up in the name": (stock(name=".."), '".."'),
    "absolute": (with_paths(["/etc/passwd"]), "slash"),
    "absolute in the name": (stock(name="/etc"), "slash"),
    "NUL": (with_paths(["a\0b"]), "NUL"),
    "empty component": (with_paths(["", "x"]), "empty"),
    "twice": (with_paths(["x"], ["x"]), "twice"),
    "a file and a directory": (with_paths(["x"], ["x", "y"]), "below it"),
    "no piece length": (stock(**{"piece length": 0}), "piece length"),
    "negative piece length": (stock(**{"piece length": -1}), "piece length"),
    "too few hashes": (stock(pieces=b""), "pieces"),
    "too many hashes": (stock(pieces=b"h" * 40), "pieces"),
    "half a hash": (stock(pieces=b"h" * 19), "pieces"),
    "negative length": (stock(files=[{"length": -1, "path": ["x"]}]), "length"),
}


@pytest.mark.parametrize(("data", "word"), TORRENTS.values(), ids=TORRENTS.keys())
def test_a_bad_torrent_is_refused_before_anything_is_written(tmp_path, data, word):
    torrent = tmp_path / "bad.torrent"
    torrent.write_bytes(data)
    before = snapshot(tmp_path)
    done = run_agent("peer", torrent, tmp_path / "there", *NOWHERE)
    refused(done, 2, str(torrent), word)
    assert snapshot(tmp_path) == before


def test_a_hundred_megabytes_of_nesting_cost_nothing(tmp_path):
    torrent = tmp_path / "deep.torrent"
    torrent.write_bytes(b"l" * 100_000_000)

    def little_memory() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (512 << 20, 512 << 20))

    done = run_agent("peer", torrent, tmp_path / "there", *NOWHERE, preexec_fn=little_memory)
    refused(done, 2, str(torrent))


def test_a_torrent_that_is_not_there_is_named(tmp_path):
    done = run_agent("peer", tmp_path / "no.torrent", tmp_path, *NOWHERE)
    refused(done, 2, f"peer: {tmp_path}/no.torrent: No such file")
    done = run_agent("create", tmp_path, "--announce", "foo", "-o", tmp_path / "new.torrent")
    refused(done, 2, "argument --announce: 'foo' is no URL")


def test_a_torrent_without_a_tracker_asks_for_one(tmp_path, torrent):
    done = run_agent("peer", torrent, tmp_path / "there", "--listen", "127.0.0.3:0")
    refused(done, 2, "--announce")


# Arguments -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("fetch",),
        ("tracker",),
        ("tracker", "--listen", "here"),
        ("tracker", "--listen", "127.0.0.1:99999"),
        ("tracker", "--listen", "127.0.0.1:0", "--allow", "abc"),
        ("tracker", "--listen", "127.0.0.1:0", "--token-file", "/nonexistent"),
        ("tracker", "--listen", "127.0.0.1:0", "--token-file", os.devnull),
        ("create", "/nonexistent", "-o", "/nonexistent/x.torrent"),
        ("seed", "/nonexistent", "/nonexistent", "--listen", "127.0.0.3:0"),
        ("peer", "/nonexistent", "/nonexistent", "--listen", "127.0.0.3:0", "--seed-for", "-1"),
        ("peer", "/nonexistent", "/nonexistent", "--listen", "127.0.0.3:0", "--download-limit", "0"),
        ("seed", "/nonexistent", "/nonexistent", "--listen", "127.0.0.3:0", "--upload-limit=-1MB"),
        ("seed", "/nonexistent", "/nonexistent", "--listen", "127.0.0.3:0", "--dscp", "64"),
    ],
    ids=" ".join,
)
def test_bad_arguments_end_with_one_sentence(arguments):
    done = run_agent(*arguments)
    assert done.returncode == 2
    assert one_sentence(done.stderr.replace("murder-agent: ", "murder-agent ")), done.stderr
    assert done.stdout == ""


# The machine -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["tracker", "seed", "peer"])
def test_a_port_in_use_is_named(tmp_path, tree, torrent, command):
    with socket.create_server(("127.0.0.3", 0)) as taken:
        port = taken.getsockname()[1]
        what = {"tracker": (), "seed": (torrent, tree), "peer": (torrent, tmp_path / "there")}[command]
        where = ("--listen", f"127.0.0.3:{port}")
        announce = () if command == "tracker" else NOWHERE[2:]
        refused(run_agent(command, *what, *where, *announce), 3, str(port), "in use")


def test_an_address_that_is_not_ours_is_named(tmp_path, torrent):
    done = run_agent("peer", torrent, tmp_path / "there", "--listen", "192.0.2.1:6881", *NOWHERE[2:])
    refused(done, 3, "192.0.2.1:6881")


def in_a_file(tmp_path: Path) -> Path:
    (tmp_path / "file").write_text("mine")
    return tmp_path / "file" / "there"


def nobody_may_write(tmp_path: Path) -> Path:
    return Path("/proc/there")


@pytest.mark.parametrize("place", [in_a_file, nobody_may_write])
def test_a_destination_that_cannot_be_written_is_named(
    tmp_path: Path, torrent: Path, place: Callable[[Path], Path]
) -> None:
    destination = place(tmp_path)
    refused(run_agent("peer", torrent, destination, *NOWHERE), 3, str(destination))


def test_something_else_in_the_place_of_a_file_is_left_alone(tmp_path, torrent, programs, tree):
    outside = tmp_path / "precious"
    outside.write_text("precious")
    (tmp_path / "there" / "app").mkdir(parents=True)
    (tmp_path / "there" / "app" / "big").symlink_to(outside)
    tracker = programs.tracker()
    programs.seeder(torrent, tree, tracker)
    peer = programs.peer(torrent, tmp_path / "there", tracker)
    assert peer.wait() == 3, peer.told()
    assert one_sentence(peer.err), peer.err
    assert "app/big" in peer.err
    assert outside.read_text() == "precious"


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="no limit on file sizes here")
def test_a_file_size_limit_is_named(tmp_path, torrent, tree, programs):
    """Row 42, and what a full disk looks like: the transfer ends with the path and the reason."""

    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    tracker = programs.tracker()
    programs.seeder(torrent, tree, tracker)
    peer = programs.peer(torrent, tmp_path / "there", tracker, preexec_fn=small_files)
    assert peer.wait() == 3, peer.told()
    assert one_sentence(peer.err), peer.err
    assert os.strerror(errno.EFBIG) in peer.err


def test_a_payload_that_is_not_the_torrents_is_not_seeded(tree, torrent):
    with (tree / "big").open("r+b") as file:
        file.write(b"changed")
    before = snapshot(tree)
    done = run_agent("seed", torrent, tree, *NOWHERE)
    refused(done, 3, str(tree), "differ")
    assert snapshot(tree) == before


def test_a_payload_that_is_not_there_is_not_seeded(tmp_path, torrent):
    refused(run_agent("seed", torrent, tmp_path / "nothing", *NOWHERE), 3, "nothing")


# Trackers --------------------------------------------------------------------------------------------------


@pytest.fixture
def garbage_tracker(request: pytest.FixtureRequest) -> Iterator[str]:
    """Answers every announce with the bytes of the parameter; None: with nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            held = []
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                held.append(connection)  # one that answers nothing keeps the connection
                if request.param is not None:
                    connection.recv(4096)
                    connection.sendall(request.param)
                    connection.close()

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/announce"
        listening.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    "garbage_tracker",
    [
        None,
        b"\x00\xff garbage",
        b"HTTP/1.0 200 OK\r\n\r\nnot bencode",
        b"HTTP/1.0 200 OK\r\n\r\n" + b"l" * 50000,
    ],
    ids=["nothing", "not HTTP", "not bencode", "deep"],
    indirect=True,
)
def test_a_tracker_that_answers_garbage_is_said_and_survived(programs, tmp_path, torrent, garbage_tracker):
    peer = programs.peer(torrent, tmp_path / "there", garbage_tracker)
    assert garbage_tracker in peer.event("tracker")["reason"]
    peer.process.terminate()  # that it gives up by itself in the end is another test's
    assert peer.wait() == 130, peer.told()
    assert peer.err == ""
    assert not any(contents(tmp_path / "there").values())
