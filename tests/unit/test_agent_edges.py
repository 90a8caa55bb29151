"""Where to listen, small files, and what an agent says of itself."""

from __future__ import annotations

import io
import json
import os
import stat

import pytest
from twisted.internet.error import CannotListenError

from murder_fabric.agent.addresses import Listen, address_of_interface, listen_on, parse_listen
from murder_fabric.agent.files import read_limited, read_token, write_atomically
from murder_fabric.agent.report import Report, progress_line
from murder_fabric.agent.torrent import Progress
from murder_fabric.errors import BadInput, ListenError, StorageError

# Where to listen --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "listen", "shown"),
    [
        ("10.0.0.5:6881", Listen("10.0.0.5", 6881, 6881), "10.0.0.5:6881"),
        ("0.0.0.0:0", Listen("0.0.0.0", 0, 0), "0.0.0.0:0"),
        ("10.0.0.5:6881-6999", Listen("10.0.0.5", 6881, 6999), "10.0.0.5:6881-6999"),
        ("[fd00::5]:6881", Listen("fd00::5", 6881, 6881), "[fd00::5]:6881"),
        ("[FD00:0::5]:1-65535", Listen("fd00::5", 1, 65535), "[fd00::5]:1-65535"),
    ],
)
def test_where_to_listen_is_read_and_shown_the_same(text, listen, shown):
    assert parse_listen(text) == listen
    assert str(listen) == shown
    assert parse_listen(shown) == listen


@pytest.mark.parametrize(
    "text",
    [
        *["", ":", "6881", ":6881", "10.0.0.5", "10.0.0.5:", "10.0.0.5:http", "web1:6881", "10.0.0:6881"],
        *[
            "10.0.0.5:-1",
            "10.0.0.5:65536",
            "10.0.0.5:7000-6999",
            "10.0.0.5:1-",
            "10.0.0.5:1-2-3",
            "10.0.0.5: 1",
        ],
        *[
            "fd00::5:6881",
            "[fd00::5]",
            "[fd00::5:6881",
            "[web1]:1",
            "10.0.0.5:\u0661",
            "10.0.0.5:" + "9" * 5000,
            "10.0.0.5\n:1",
            "\udcff:1",
            "[::1%\udcff]:65536",
        ],
    ],
)
def test_where_nobody_can_listen_is_bad_input(text):
    with pytest.raises(BadInput, match="--listen") as refused:
        parse_listen(text)
    assert str(refused.value).isprintable()


class Ports:
    """A reactor where some ports are taken."""

    def __init__(self, *taken, error=None):
        self.taken, self.tried = taken, []
        self.error = error or OSError(98, "Address already in use")

    def listenTCP(self, port, factory, backlog, interface):
        self.tried.append((interface, port, backlog))
        if port in self.taken:
            raise CannotListenError(interface, port, self.error)
        return f"listening on {port}"


def test_the_first_free_port_is_taken():
    ports = Ports(6881, 6882)
    assert listen_on(ports, Listen("10.0.0.5", 6881, 6999), "factory", 4096) == "listening on 6883"
    assert ports.tried == [("10.0.0.5", port, 4096) for port in (6881, 6882, 6883)]


def test_a_port_that_another_agent_took_between_bind_and_listen_is_passed_over():
    class Contested(Ports):
        def listenTCP(self, port, factory, backlog, interface):
            if port == 6881:
                raise self.error
            return super().listenTCP(port, factory, backlog, interface)

    listening = listen_on(Contested(), Listen("127.0.0.1", 6881, 6999), "factory", 4096)
    assert listening == "listening on 6882"


def test_where_no_port_is_free_the_reason_is_told():
    why = (
        r"^cannot listen on 10\.0\.0\.5:1-2: Address already in use; free a port there, or choose others with"
        r" murder\.peer_ports$"
    )
    with pytest.raises(ListenError, match=why):
        listen_on(Ports(1, 2), Listen("10.0.0.5", 1, 2, "murder.peer_ports"), "factory", 4096)


def test_an_address_that_is_not_ours_is_no_matter_of_ports():
    ports = Ports(1, error=OSError(99, "Cannot assign requested address"))
    with pytest.raises(
        ListenError, match=r"^cannot listen on 10\.0\.0\.5:1: Cannot assign requested address$"
    ):
        listen_on(ports, Listen("10.0.0.5", 1, 1), "factory", 4096)


def test_an_interface_has_the_address_that_the_kernel_says():
    assert address_of_interface("lo", like="10.0.0.1") == "127.0.0.1"


@pytest.mark.parametrize("like", ["10.0.0.1", "fd00::1"])
@pytest.mark.parametrize("name", ["nosuch0", "", "x" * 300, "a/b"])
def test_an_interface_that_is_not_there_is_bad_input(name, like):
    with pytest.raises(BadInput, match="there is no interface"):
        address_of_interface(name, like)


# Small files ------------------------------------------------------------------------------------------------


def test_a_file_is_read_up_to_its_limit(tmp_path):
    (tmp_path / "f").write_bytes(b"12345")
    assert read_limited(str(tmp_path / "f"), 5) == b"12345"
    with pytest.raises(BadInput, match="f: longer than 4 bytes"):
        read_limited(os.fsencode(tmp_path / "f"), 4)


def test_what_cannot_be_read_is_bad_input_that_names_it(tmp_path):
    with pytest.raises(BadInput, match="nosuch: No such file or directory"):
        read_limited(str(tmp_path / "nosuch"), 5)
    with pytest.raises(BadInput, match="Is a directory"):
        read_limited(str(tmp_path), 5)
    with pytest.raises(BadInput, match="no path"):
        read_limited("a\0b", 5)


def test_a_secret_that_others_can_read_is_not_taken(tmp_path):
    token = tmp_path / "token"
    token.write_text("00112233445566778899aabbccddeeff\n")
    for mode in (0o644, 0o640, 0o602):
        token.chmod(mode)
        with pytest.raises(BadInput, match=f"^{token} holds a secret and is open .*: chmod 600 {token}$"):
            read_token(str(token))
    for mode in (0o600, 0o400):
        token.chmod(mode)
        assert read_token(str(token)) == bytes.fromhex("00112233445566778899aabbccddeeff")


def test_a_secret_may_come_by_a_pipe():
    reading, writing = os.pipe()
    os.write(writing, b"00112233445566778899aabbccddeeff")
    os.close(writing)
    assert read_token(f"/dev/fd/{reading}") == bytes.fromhex("00112233445566778899aabbccddeeff")
    os.close(reading)


@pytest.mark.parametrize("mode", [0o644, 0o600])
def test_a_file_is_replaced_with_its_mode(tmp_path, mode):
    path = tmp_path / "f"
    path.write_bytes(b"old")
    write_atomically(str(path), b"new", mode)
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert os.listdir(tmp_path) == ["f"]


def test_what_cannot_be_written_leaves_everything_as_it_was(tmp_path):
    (tmp_path / "d").mkdir()
    with pytest.raises(StorageError, match="d: Is a directory"):
        write_atomically(os.fsencode(tmp_path / "d"), b"new")
    with pytest.raises(StorageError, match="f: No such file or directory"):
        write_atomically(str(tmp_path / "nosuch" / "f"), b"new")
    with pytest.raises(StorageError, match="no path"):
        write_atomically(str(tmp_path / "a\0b"), b"new")
    assert os.listdir(tmp_path) == ["d"]


# Reports ----------------------------------------------------------------------------------------------------

HALF = Progress(4, 8, 50_000_000, 100_000_000, 12_345_678.0, 0.0, 1, 60_000_000, 0)


def report(as_json):
    out, err = io.StringIO(), io.StringIO()
    return Report(json=as_json, out=out, err=err), out, err


def test_a_program_gets_an_object_a_line_with_event_and_time():
    to, out, err = report(as_json=True)
    to.event("started", "for people", port=6881)
    to.progress(HALF)
    to.result("created", "for people", path="x")
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [line["event"] for line in lines] == ["started", "progress", "created"]
    assert all(isinstance(line["time"], float) for line in lines)
    assert lines[0]["port"] == 6881
    assert (lines[1]["pieces"], lines[1]["bytes"], lines[1]["rate"], lines[1]["peers"]) == (
        4,
        50_000_000,
        12_345_678.0,
        1,
    )
    assert err.getvalue() == ""


def test_a_person_reads_what_happens_on_stderr_and_the_result_on_stdout():
    to, out, err = report(as_json=False)
    to.event("started", "seeding x", port=6881)
    to.event("stopped", "")
    to.result("created", "info hash 12")
    assert err.getvalue() == "seeding x\n"
    assert out.getvalue() == "info hash 12\n"


def test_progress_is_one_line():
    assert progress_line(HALF) == " 50 %  50.0 MB of 100.0 MB  down 12.3 MB/s, up 0 B/s  1 peer"
    empty = Progress(0, 0, 0, 0, 0.0, 0.0, 2, 0, 0)
    assert progress_line(empty).startswith("100 %  0 B of 0 B")
    assert progress_line(empty).endswith("2 peers")
