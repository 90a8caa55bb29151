"""Commands of the operator's own, as real processes, and URLs that a real server answers."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from murder_fabric.agent.command import Command
from murder_fabric.agent.fetching import Fetch
from murder_fabric.errors import MurderError

#: Seconds that anything may take on a busy machine; what is not to be waited for takes ten times as long.
PATIENCE = 60.0


def command(text: str, directory: str = "/", **variables: str) -> Command:
    return Command(text, {**os.environ, **variables}, directory)


def is_alive(pid: int) -> bool:
    try:
        return b") Z " not in Path(f"/proc/{pid}/stat").read_bytes()
    except FileNotFoundError:
        return False


def wait_for(path: Path) -> str:
    deadline = time.monotonic() + PATIENCE
    while not (path.exists() and path.read_text().endswith("\n")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return path.read_text().strip()


def test_a_command_runs_in_its_directory_with_its_variables(tmp_path: Path) -> None:
    text = 'test "$(cat)" = "" && echo "$MURDER_TAG in $PWD; $HOME" > said'
    command(text, str(tmp_path), MURDER_TAG="$(touch no) v2", HOME="/h").run()
    assert (tmp_path / "said").read_text() == f"$(touch no) v2 in {tmp_path}; /h\n"
    assert os.listdir(tmp_path) == ["said"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("true", []),
        ("echo one; echo two >&2", ["one", "two"]),
        ("printf '\\377\\n'", ["\N{REPLACEMENT CHARACTER}"]),
    ],
)
def test_a_command_that_goes_well_has_what_it_said(text: str, said: list[str]) -> None:
    one = command(text, "/")
    one.run()
    assert one.said == said


def test_of_a_command_that_says_much_the_end_is_kept() -> None:
    one = command("seq 1 100000", "/")
    one.run()
    assert one.said[0].startswith("…")
    assert one.said[-2:] == ["99999", "100000"]
    assert len("\n".join(one.said)) < 2_010


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("echo out; echo wrong >&2; exit 3", "`echo out.*` ended with exit code 3: out\nwrong"),
        ("exit 1", "`exit 1` ended with exit code 1$"),
        ("kill -9 $$", "ended by signal 9"),
        ("nosuch-command", "exit code 127: .*not found"),
        ("seq 1 100000; exit 1", "(?s)exit code 1: .*99999\n100000$"),
    ],
)
def test_a_command_that_fails_says_how_and_the_end_of_what_it_said(text: str, said: str) -> None:
    with pytest.raises(MurderError, match=said) as failed:
        command(text).run()
    assert len(str(failed.value)) < 500


def test_a_command_that_cannot_be_started_says_why(tmp_path: Path) -> None:
    with pytest.raises(MurderError, match=r"could not be started: .*No such file"):
        command("true", str(tmp_path / "gone")).run()
    with pytest.raises(MurderError, match="could not be started: embedded null byte"):
        command("tr\0ue").run()


def test_what_is_ended_ends_with_all_that_it_started(tmp_path: Path) -> None:
    text = "trap '' TERM; sleep 600 & echo $$ $! > pids; wait; wait; sleep 600"
    stubborn = command(text, str(tmp_path))
    failures: list[MurderError] = []

    def run() -> None:
        try:
            stubborn.run()
        except MurderError as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    pids = [int(pid) for pid in wait_for(tmp_path / "pids").split()]
    assert [is_alive(pid) for pid in pids] == [True, True]
    stubborn.end("it took longer than 1 s")
    thread.join(PATIENCE)
    assert not thread.is_alive()
    deadline = time.monotonic() + PATIENCE  # one that is killed may take a moment to be gone
    while any(map(is_alive, pids)):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert str(failures[0]).endswith("was ended: it took longer than 1 s")


def test_what_a_command_leaves_in_the_background_does_not_hold_it_up(tmp_path: Path) -> None:
    began = time.monotonic()
    command("sleep 600 & echo $! > pid", str(tmp_path)).run()
    assert time.monotonic() - began < PATIENCE
    pid = int(wait_for(tmp_path / "pid"))
    assert is_alive(pid)
    os.kill(pid, 9)


class Application(BaseHTTPRequestHandler):
    """Answers with the status that the path names; `/hang` never does, `/begin` to no end."""

    def do_GET(self) -> None:
        if self.path == "/begin":
            self.send_response(200)
            self.flush_headers()
        if self.path in ("/hang", "/begin"):
            self.server.released.wait(20)  # type: ignore[attr-defined]
            return
        match = re.fullmatch(r"/([0-9]{3})\?q=1", self.path)
        self.send_response(int(match[1]) if match else 404)
        self.send_header("Location", "/200?q=1")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Application)
    server.released = threading.Event()  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.released.set()  # type: ignore[attr-defined]
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_url_is_well_that_answers_with_the_status_asked_for(url: str) -> None:
    Fetch(f"{url}/200?q=1", 200, 5).run()
    Fetch(f"{url}/302?q=1", 302, 5).run()
    with pytest.raises(MurderError, match=rf"^{url}/\.\.\. answered 503, not 200$"):
        Fetch(f"{url}/503?q=1", 200, 5).run()
    with pytest.raises(MurderError, match="answered 302, not 200"):
        Fetch(f"{url}/302?q=1", 200, 5).run()


@pytest.mark.parametrize("path", ["/hang", "/begin"])
def test_a_url_that_does_not_answer_is_not_waited_for_longer_than_it_may_take(url: str, path: str) -> None:
    hanging = Fetch(f"{url}{path}", 200, 600)
    timer = threading.Timer(0.2, hanging.end, ["it took longer than 0.2 s"])
    timer.start()
    began = time.monotonic()
    with pytest.raises(MurderError, match=rf"^{url}/\.\.\.: it took longer than 0\.2 s$"):
        hanging.run()
    assert time.monotonic() - began < PATIENCE


def test_a_url_is_not_asked_once_that_was_called_off(url: str) -> None:
    hanging = Fetch(f"{url}/hang", 200, 600)
    hanging.end("the agent is ending")
    began = time.monotonic()
    with pytest.raises(MurderError, match=rf"^{url}/\.\.\.: the agent is ending$"):
        hanging.run()
    assert time.monotonic() - began < PATIENCE


@pytest.mark.parametrize(
    ("wrong", "said"),
    [("http://127.0.0.1:1/", r"127\.0\.0\.1:1/: Connection refused"), ("https://127.0.0.1:1/", "refused")],
)
def test_a_url_where_nobody_listens_says_so(wrong: str, said: str) -> None:
    with pytest.raises(MurderError, match=said):
        Fetch(wrong, 200, 5).run()


def test_https_is_not_spoken_by_who_speaks_http(url: str) -> None:
    with pytest.raises(MurderError, match=r"https://127\.0\.0\.1.*(?i:ssl|version)"):
        Fetch(f"{url}/200?q=1".replace("http:", "https:"), 200, 5).run()


@pytest.mark.parametrize(
    ("wrong", "shown"),
    [
        ("http://127.0.0.1:1/?token=S3CRET", "http://127.0.0.1:1/: "),
        ("http://ann:S3CRET@127.0.0.1:1/app/S3CRET", "http://127.0.0.1:1/.../...: "),
        ("http://ann:S3CRET@127.0.0.1:port/", "http://127.0.0.1:port/ is no URL"),
    ],
)
def test_a_secret_in_a_url_is_not_told(wrong: str, shown: str) -> None:
    with pytest.raises(MurderError) as caught:
        Fetch(wrong, 200, 5).run()
    assert str(caught.value).startswith(shown)
    assert "S3CRET" not in str(caught.value)


@pytest.mark.parametrize("wrong", ["http://127.0.0.1:port/", "http://a b/"])
def test_what_is_no_url_is_bad_input(wrong: str) -> None:
    with pytest.raises(MurderError, match=r"no URL that can be asked|control characters"):
        Fetch(wrong, 200, 5).run()
