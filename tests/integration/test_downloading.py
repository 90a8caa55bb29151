"""Getting a torrent by HTTP: from a server that answers, moves, lies, or says nothing."""

from __future__ import annotations

import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO

import pytest
from programs import free_port

from murder_fabric.deploy import downloading
from murder_fabric.deploy.downloading import download
from murder_fabric.errors import BadInput

ADDRESS = "127.0.0.9"
MOVES = {"/moved": "/torrent?x=1", "/to-a-file": "file:///etc/passwd", "/round": "/round"}


class Answering(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/silent":
            time.sleep(1)
        elif path == "/no-http":
            self.wfile.write(b"SSH-2.0-OpenSSH\r\n")
        elif path in MOVES:
            self.send_response(302)
            self.send_header("Location", MOVES[path])
            self.end_headers()
        elif path == "/torrent":
            self.send_response(200)
            self.end_headers()
            with suppress(ConnectionError):
                self.wfile.write(b"d" * 1000)
        else:
            self.send_error(404)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ThreadingHTTPServer((ADDRESS, 0), Answering) as serving:
        threading.Thread(target=serving.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://{ADDRESS}:{serving.server_address[1]}"
        serving.shutdown()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloading, "SILENCE", 0.3)
    monkeypatch.setenv("no_proxy", ADDRESS)


@pytest.mark.parametrize("path", ["/torrent", "/moved"])
def test_it_comes_from_where_it_is(server: str, path: str) -> None:
    assert download(server + path, "", 1000) == b"d" * 1000


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/torrent?key=s3cr", "it is longer than 999 bytes"),
        ("/none?key=s3cr", "the answer is HTTP status 404"),
        ("/to-a-file", "the answer is HTTP status 302"),
        ("/round", "the answer is HTTP status 302"),
        ("/no-http", "the answer is no HTTP: BadStatusLine"),
        ("/silent?key=s3cr", "no answer within 0.3 s"),
    ],
)
def test_what_does_not_come_is_one_sentence_without_secrets(server: str, path: str, says: str) -> None:
    with pytest.raises(BadInput) as caught:
        download(server + path, "", 999)
    sentence = str(caught.value)
    assert sentence.startswith(server + path.partition("?")[0] + ": ")
    assert says in sentence
    assert sentence.endswith("; no host was touched")
    assert "s3cr" not in sentence
    assert "\n" not in sentence


@pytest.mark.parametrize(
    ("url", "says"),
    [
        (f"http://{ADDRESS}:{free_port(ADDRESS)}/t", "Connection refused"),
        ("http://no-such-host.invalid/t", "Name or service not known"),
        ("ftp://example.com/t", "unknown url type"),
        ("http://[::1/t", "(an unreadable URL): "),
        ("http://a b/t", "URL"),
    ],
    ids=["nobody listens", "no such host", "another scheme", "no address", "a space"],
)
def test_what_cannot_be_asked_is_one_sentence_too(url: str, says: str) -> None:
    with pytest.raises(BadInput, match=r"; no host was touched$") as caught:
        download(url, "", 999)
    assert says in str(caught.value)


def test_a_torrent_does_not_come_without_tls_where_it_began_with_it() -> None:
    asked = urllib.request.Request("https://a.example/t")
    follow = downloading._Redirects().redirect_request
    with pytest.raises(ValueError, match=r"moved to http://a\.example/t, where we do not go from there"):
        follow(asked, BytesIO(), 302, "Found", Message(), "http://a.example/t?key=s3cr")
