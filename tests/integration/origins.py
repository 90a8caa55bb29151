"""HTTP origins for tests: a plain threaded one of our own that can misbehave, and nginx."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

from programs import free_port, wait_until


class Origin(ThreadingHTTPServer):
    """
    Serves ranges of the files below *root*, at 127.0.0.9.

    `fault` is what it does instead: `lie` flips a bit of each answer, `stall` stops in the middle, `die`
    hangs up there, `whole` knows no ranges, `elsewhere` sends another range, `busy` says 503 at first.
    """

    daemon_threads = True

    def __init__(self, root: Path, fault: str = "") -> None:
        self.root, self.fault = root, fault
        self.asked: list[str] = []
        self.sent = 0
        super().__init__(("127.0.0.9", 0), Answering)

    @property
    def url(self) -> str:
        return f"http://127.0.0.9:{self.server_address[1]}/"


class Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Origin

    def do_GET(self) -> None:
        origin = self.server
        origin.asked.append(self.path)
        path = origin.root / unquote(urlsplit(self.path).path).lstrip("/")
        if not path.is_file():
            self.send_error(404)
            return
        if origin.fault == "busy" and len(origin.asked) <= 3:
            self.send_error(503)
            return
        whole = path.read_bytes()
        first, last = map(int, self.headers["Range"].removeprefix("bytes=").split("-"))
        data = whole[first : last + 1]
        if origin.fault == "lie":
            data = bytes([data[0] ^ 1]) + data[1:]
        shift = 1 if origin.fault == "elsewhere" else 0
        self.send_response(200 if origin.fault == "whole" else 206)
        self.send_header("Content-Range", f"bytes {first + shift}-{last + shift}/{len(whole)}")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if origin.fault in ("stall", "die"):
            self.wfile.write(data[: len(data) // 2])
            time.sleep(30 if origin.fault == "stall" else 0)
            self.close_connection = True
            return
        origin.sent += len(data)
        self.wfile.write(data)

    def handle_one_request(self) -> None:
        with suppress(ConnectionError):  # whoever has all it wants hangs up
            super().handle_one_request()
            return
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(root: Path, fault: str = "") -> Iterator[Origin]:
    """Serve as long as the body runs."""
    origin = Origin(root, fault)
    thread = threading.Thread(target=origin.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield origin
    finally:
        origin.shutdown()
        origin.server_close()
        thread.join()


NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin")

CONFIG = """
daemon off; master_process off; worker_processes 1;
pid {place}/pid; error_log {place}/error.log;
events {{ worker_connections 128; }}
http {{
  access_log {place}/access.log;
  client_body_temp_path {place}/t1; proxy_temp_path {place}/t2; fastcgi_temp_path {place}/t3;
  uwsgi_temp_path {place}/t4; scgi_temp_path {place}/t5;
  server {{
    listen {address}:{port};
    root {root};
    location / {{ if ($arg_key != "s3cr&t=1") {{ return 403; }} }}
  }}
}}
"""


class Nginx:
    """A real nginx that serves *root* to whoever has the key in the query, as a signed URL would be."""

    def __init__(self, place: Path, root: Path, address: str = "127.0.0.9") -> None:
        place.mkdir()
        self.log = place / "access.log"
        port = free_port(address)
        text = CONFIG.format(place=place, root=root, address=address, port=port)
        (place / "nginx.conf").write_text(text.replace("s3cr&t=1", "s3cr%26t"))
        self.url = f"http://{address}:{port}/?key=s3cr%26t"
        command = [str(NGINX), "-p", str(place), "-c", str(place / "nginx.conf")]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until((place / "pid").exists, "nginx runs")

    def end(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait(10)
