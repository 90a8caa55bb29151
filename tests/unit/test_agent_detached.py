"""Agents that stay: what they are called, how they are known, when they are no longer needed."""

from __future__ import annotations

import json
import os

import pytest
from twisted.internet.task import Clock

from murder_fabric import control
from murder_fabric.agent import detached
from murder_fabric.agent.control_loop import ControlProtocol
from murder_fabric.agent.host import Host
from murder_fabric.agent.state import state_directory
from murder_fabric.control.framing import MessageReader
from murder_fabric.errors import BadInput

LONGEST_TAG = "t" * 100


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def write_state(name, pid, start_time):
    with open(os.path.join(state_directory(), f"{name}.json"), "w") as file:
        json.dump({"name": name, "pid": pid, "start_time": start_time}, file)


def test_no_two_names_share_a_file():
    names = ["tracker", "peer-foo", "peer-foobar", "seeder-foo", "peer-foo.json", "peer-foo.log", "peer-json"]
    paths = [path for name in names for path in detached.paths_of(name)]
    assert len(set(paths)) == len(paths)


def test_the_longest_tag_fits_into_a_socket_address(home):
    socket = detached.paths_of(f"seeder-{LONGEST_TAG}")[0]
    path, directory = detached._bindable(socket)
    os.close(directory)
    assert len(path) <= 107


@pytest.mark.parametrize(
    "name", ["", "peer-", "peer-../x", "peer-a/b", "../x", f"peer-{LONGEST_TAG}t", "Peer-x"]
)
def test_a_name_cannot_lead_elsewhere(name):
    with pytest.raises(BadInput):
        detached.paths_of(name)


def test_a_process_is_known_by_pid_and_start_time():
    ours = detached.start_time(os.getpid())
    write_state("peer-foo", os.getpid(), ours)
    assert detached.running_pid("peer-foo") == os.getpid()
    assert detached.running_pid("peer-foobar") is None


@pytest.mark.parametrize("start_time", [1, None, "7"])
def test_a_pid_that_was_used_again_is_another_process(start_time):
    write_state("peer-foo", os.getpid(), start_time)
    assert detached.running_pid("peer-foo") is None


def test_a_state_file_of_garbage_is_no_process():
    with open(os.path.join(state_directory(), "peer-foo.json"), "w") as file:
        file.write("{")
    assert detached.running_pid("peer-foo") is None


class Wire:
    """What a protocol writes to."""

    def __init__(self):
        self.written = b""

    def write(self, data):
        self.written += data

    def loseConnection(self):
        pass


def ask(protocol, wire, request):
    """Return the last event that a protocol answers *request* with."""
    protocol.dataReceived(control.encode_message({**request.fields(), "id": 1}))
    return MessageReader().receive(wire.written)[-1].fields


def test_while_an_operator_is_connected_an_agent_is_in_use():
    clock = Clock()
    operators = detached._Operators(Host(clock, "127.0.0.1"), clock)
    clock.advance(5)
    assert operators.unused_for() == 5
    first, second = operators.buildProtocol(None), operators.buildProtocol(None)
    for protocol in (first, second):
        protocol.makeConnection(Wire())
    clock.advance(5000)
    first.connectionLost()
    assert operators.unused_for() == 0
    second.connectionLost()
    clock.advance(3)
    assert operators.unused_for() == 3


def test_a_host_runs_nothing_until_it_is_given_work():
    clock, wire = Clock(), Wire()
    host = Host(clock, "127.0.0.1")
    protocol = ControlProtocol(host, clock, forward=False)
    protocol.makeConnection(wire)
    assert host.idle
    said = ask(protocol, wire, control.TrackerFacts())
    assert (said["event"], said["exit_code"]) == ("failed", 2)


def test_the_torrent_kept_under_a_tag_comes_back_with_its_path(home):
    clock, wire = Clock(), Wire()
    protocol = ControlProtocol(Host(clock, "127.0.0.1"), clock, forward=False)
    protocol.makeConnection(wire)
    assert "no torrent of foo" in ask(protocol, wire, control.Recall("foo"))["reason"]

    from murder_fabric.agent.kept import keep, recall

    keep("foo", b"old", "/srv/old")
    keep("foo", b"new", "/srv/new")
    keep("foobar", b"other", "/srv/other")
    assert recall("foo")[:2] == (b"new", "/srv/new")
    assert len(bytes.fromhex(recall("foo")[2])) == 16
    assert ask(protocol, wire, control.Recall("foobar"))["path"] == "/srv/other"
    kept = home / ".murder/state/torrents"
    assert {path.stat().st_mode & 0o777 for path in kept.iterdir()} == {0o600}

    (kept / "foo.json").write_text('{"path": 7}')
    assert (
        "foo.json is damaged; murder.create-torrent --tag foo"
        in ask(protocol, wire, control.Recall("foo"))["reason"]
    )


def test_a_kept_torrent_that_the_disk_does_not_give_is_not_called_damaged(home):
    """A new one would be no help, and may be refused as well."""
    from murder_fabric.agent.kept import keep, recall

    keep("foo", b"torrent", "/srv/build")
    record = home / ".murder/state/torrents/foo.json"
    record.unlink()
    record.mkdir()
    with pytest.raises(BadInput, match=r"foo\.json: Is a directory$"):
        recall("foo")
    record.rmdir()
    record.symlink_to(record)
    with pytest.raises(BadInput, match=r"foo\.json: Too many levels of symbolic links$"):
        recall("foo")
