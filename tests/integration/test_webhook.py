"""What a webhook is told of a run, by a server that takes it, refuses it, or says nothing."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import fabric
import pytest

from murder_fabric.deploy.executor import GroupContext
from murder_fabric.deploy.history import notices
from murder_fabric.deploy.history.chronicle import Chronicle
from murder_fabric.deploy.history.notices import Notices
from murder_fabric.deploy.outcome import HostState, Outcome
from murder_fabric.deploy.results import result_of
from murder_fabric.deploy.settings import Settings
from murder_fabric.deploy.undertaking import Undertaking
from murder_fabric.deploy.watching.fleet_state import FleetState
from murder_fabric.deploy.watching.view import View
from murder_fabric.errors import Interrupted, SettingsError

ADDRESS = "127.0.0.10"
FLEET = FleetState(Outcome(["web1"]))


class Server(ThreadingHTTPServer):
    """Keeps the messages that came to /take; /hang is not answered before the test is over."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.over = threading.Event()
        super().__init__((ADDRESS, 0), Taking)

    @property
    def url(self) -> str:
        return f"http://{ADDRESS}:{self.server_address[1]}"


class Taking(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/hang":
            self.server.over.wait(30)
        elif self.path == "/take" and self.headers["Content-Type"] == "application/json":
            self.server.messages.append(json.loads(body))
            self.send_response(200)
            self.end_headers()
        elif self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/take")
            self.end_headers()
        else:
            self.send_error(404)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", ADDRESS)
    with Server() as serving:
        threading.Thread(target=serving.serve_forever, args=(0.05,), daemon=True).start()
        yield serving
        serving.over.set()
        serving.shutdown()


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine is: what a server answers is waited for."""
    monkeypatch.setattr(notices, "TIMEOUT", 60.0)


@pytest.fixture
def follow(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Callable[[str, View], Chronicle]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    def begin(url: str, view: View) -> Chronicle:
        settings = Settings(webhook=url)
        planned = Undertaking("", settings, ["web1", "web2"], lambda _: "", tag="v1", destination="/srv/app")
        return Chronicle("deploy", planned, view, "20261122-063500-3f2a91c07be4")

    return begin


def test_beginning_switch_and_end_are_told_in_their_order(
    server: Server, follow: Callable[[str, View], Chronicle]
) -> None:
    view, outcome = View(None), Outcome(["web1", "web2"])
    chronicle = follow(f"{server.url}/take", view)
    for name in ("verify", "switch"):
        with view.stage(name) as said:
            said.append(f"{name} is over (clocks known to 3 ms)")
    outcome.tag, outcome.destination = "v1", "/srv/app"
    outcome.reached("web1", HostState.FAILED, "full")
    outcome.reached("web2", HostState.SWITCHED)
    chronicle.end(result_of(outcome, "deploy", "web1 failed", 3.5, 3), outcome)
    assert [one["event"] for one in server.messages] == ["start", "switch", "failure"]
    first, second, last = server.messages
    assert first["text"].startswith("deploy of v1 to /srv/app: ")
    assert first["text"].endswith(" on web[1-2] (2 hosts)")
    assert second["text"] == "deploy of v1 to /srv/app: switch is over"
    assert last["message"] == "1 of 2 hosts switched, but web1 failed"
    assert (last["exit_code"], last["failed"]) == (3, ["web1"])
    assert {one["run"] for one in server.messages} == {first["run"]}
    assert (first["tag"], first["hosts"]) == ("v1", 2)
    assert view.observers == []


def test_a_run_that_goes_well_ends_with_finish_and_a_switch_that_broke_off_is_none(
    server: Server, follow: Callable[[str, View], Chronicle]
) -> None:
    view, outcome = View(None), Outcome(["web1"])
    chronicle = follow(f"{server.url}/take", view)
    with pytest.raises(ZeroDivisionError), view.stage("switch"):
        raise ZeroDivisionError
    chronicle.end(result_of(outcome, "deploy", "done", 3.5), outcome)
    assert [one["event"] for one in server.messages] == ["start", "finish"]


def test_nothing_in_a_text_is_markup_of_slacks(server: Server) -> None:
    told = Notices(f"{server.url}/take", "", "deploy", {})
    told.tell("failure", "<!channel> & so on")
    assert told.close() == ""
    (message,) = server.messages
    assert message["text"] == "deploy: &lt;!channel&gt; &amp; so on"
    assert message["message"] == "<!channel> & so on"


@pytest.mark.parametrize(
    ("path", "why"),
    [("/nowhere", "HTTP status 404"), ("/moved", "HTTP status 302"), ("/hang", "no answer within")],
)
def test_what_is_not_taken_is_one_warning_without_the_secret_in_the_path(
    server: Server,
    follow: Callable[[str, View], Chronicle],
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    why: str,
) -> None:
    if path == "/hang":
        monkeypatch.setattr(notices, "TIMEOUT", 0.5)
    stream, outcome = io.StringIO(), Outcome(["web1"])
    chronicle = follow(f"{server.url}{path}", View(stream))
    chronicle.end(result_of(outcome, "deploy", "done", 3.5), outcome)
    (line,) = stream.getvalue().splitlines()
    assert line.startswith(f"  the webhook at {server.url} did not take 2 of 2 messages: ")
    assert why in line
    assert path not in line
    assert server.messages == []


def test_after_ctrl_c_nobody_waits_long_for_a_server(
    server: Server, follow: Callable[[str, View], Chronicle], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "IN_HASTE", 0.2)
    stream, outcome = io.StringIO(), Outcome(["web1"])
    chronicle = follow(f"{server.url}/hang", View(stream))
    chronicle.end(result_of(outcome, "deploy", "interrupted", 3.5, Interrupted.exit_code), outcome)
    assert "did not take 2 of 2 messages: no answer within 0.2 s" in stream.getvalue()


def test_a_server_that_is_not_there_holds_up_nobody() -> None:
    told = Notices(f"http://{ADDRESS}:1/take", "", "deploy", {})
    told.tell("start", "it begins")
    told.stage_ended(FLEET, "switch", "done", began=0.0, now=1.0)
    assert "did not take 2 of 2 messages: Connection refused" in told.close()


@pytest.mark.parametrize("url", ["hooks.example.com", "ftp://example.com/x", "https://user@example.com/", 3])
def test_what_is_no_url_of_a_webhook_is_refused(url: Any) -> None:
    config = fabric.Config(lazy=True, overrides={"murder": {"webhook": url}})
    with pytest.raises(SettingsError, match="URL that takes JSON"):
        Settings.from_config(GroupContext(config, ["web1"]).config)
