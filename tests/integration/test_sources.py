"""Deploys whose bytes come from elsewhere: an HTTP origin, an existing torrent, another tracker."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from certificates import Authority
from deploying import slow_down
from origins import CONFIG, NGINX
from programs import FAB, REPOSITORY, create, make_tree, snapshot, wait_until

from lab import rig
from murder_fabric.bencoding import decode, encode

FABFILE = """
from invoke import Collection
from murder_fabric import murder
ns = Collection(murder)
"""
OPENTRACKER = shutil.which("opentracker")
#: No host of the deploys: tracker, seeder and origin run there, as if they were somebody else's.
ELSEWHERE = "web8"
PEERS = "web[1-3]"
SIZE = 2_000_000

Fab = Callable[..., subprocess.CompletedProcess[str]]


class Elsewhere:
    """Programs on a host that the deploys do not name."""

    def __init__(self, lab: rig.Lab, log: Path) -> None:
        self.address = lab.address(ELSEWHERE)
        self.srv = lab.host_root(ELSEWHERE) / "srv"
        self._lab = lab
        self._log = log
        self._started: list[subprocess.Popen[bytes]] = []

    def start(self, *command: str) -> None:
        with self._log.open("ab") as log:
            environment = {"PATH": "/usr/sbin:/usr/bin:/bin", "PYTHONPATH": str(REPOSITORY)}
            options = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log, "env": environment}
            self._started.append(self._lab.run_in(ELSEWHERE, command, **options))

    def agent(self, *arguments: str) -> int:
        """Start an agent; return its port once it says so."""
        before = len(self._events())
        listen = ("--listen", f"{self.address}:0", "--json")
        self.start(sys.executable, "-m", "murder_fabric", *arguments, *listen)
        wait_until(lambda: len(self._events()) > before, "it has started")
        return int(self._events()[before]["port"])

    def tracker(self) -> str:
        return f"http://{self.address}:{self.agent('tracker')}/announce"

    def nginx(self, name: str, text: str, **fields: object) -> Path:
        """Start nginx with the configuration *text*; return where its log is."""
        place = self.srv / name
        place.mkdir(exist_ok=True)
        (place / "nginx.conf").write_text(text.format(place=place, address=self.address, **fields))
        self.start(str(NGINX), "-p", str(place), "-c", str(place / "nginx.conf"))
        wait_until((place / "pid").exists, "nginx runs")
        return place / "access.log"

    def slow_down(self, rate: str | None) -> None:
        """Let this host send at *rate* until the test's end."""
        slow_down(self._lab, ELSEWHERE, rate)

    def end(self) -> None:
        self.slow_down(None)
        for program in self._started:
            with suppress(ProcessLookupError):
                program.terminate()
            program.wait(20)

    def _events(self) -> list[dict[str, object]]:
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        return [one for one in map(json.loads, lines) if one["event"] == "started"]


@pytest.fixture
def elsewhere(lab: rig.Lab, tmp_path: Path) -> Iterator[Elsewhere]:
    there = Elsewhere(lab, tmp_path / "log")
    yield there
    there.end()


@pytest.fixture
def place(request: pytest.FixtureRequest) -> str:
    """A directory on the hosts that is this test's alone."""
    return f"/srv/{request.node.name[5:40]}"


@pytest.fixture
def tree(elsewhere: Elsewhere, place: str) -> Path:
    """What is to be deployed, where it is called as the releases' torrents are."""
    return make_tree(elsewhere.srv / place[5:] / "app", SIZE)


@pytest.fixture
def fab(lab: rig.Lab, tmp_path: Path) -> Fab:
    (tmp_path / "fabfile.py").write_text(FABFILE)

    def run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "fabric.yaml").write_text(json.dumps({"murder": settings}))
        return subprocess.run(
            [FAB, "-S", str(lab.ssh_config), "-H", PEERS, *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), "TMPDIR": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


def arrived(lab: rig.Lab, ended: subprocess.CompletedProcess[str], tree: Path, path: str) -> None:
    """Every peer must have the tree."""
    assert ended.returncode == 0, ended.stderr
    source = snapshot(tree)
    for host in ("web1", "web2", "web3"):
        assert snapshot(lab.host_root(host) / path.lstrip("/")) == source, host


def stock(torrent: Path) -> None:
    """Leave in a torrent what any maker would write."""
    top = decode(torrent.read_bytes(), 1 << 24)

    def plain(value: object) -> object:
        if isinstance(value, dict):
            return {key: plain(one) for key, one in value.items() if not key.startswith(b"murder")}
        return [plain(one) for one in value] if isinstance(value, list) else value

    torrent.write_bytes(encode(plain(top)))


@pytest.mark.skipif(NGINX is None, reason="needs nginx (Debian: nginx-light)")
def test_an_origin_has_the_files_and_the_operator_only_the_torrent(
    fab: Fab, lab: rig.Lab, elsewhere: Elsewhere, tree: Path, place: str, tmp_path: Path
) -> None:
    text = f"user root;{CONFIG}".replace("s3cr&t=1", "s3cr%26t")
    log = elsewhere.nginx("nginx", text, root=tree.parent, port=8080)
    # A fast origin has sent everything to everybody before hosts on a busy machine have found each other.
    elsewhere.slow_down("8mbit")
    create(tree, tmp_path / "app.torrent", "--piece-length", "65536")
    ended = fab(
        *("murder.deploy", "--torrent", str(tmp_path / "app.torrent"), "--tag", "v1"),
        *("--destination-path", f"{place}/app"),
        web_seeds=f"http://{elsewhere.address}:8080/?key=s3cr%26t",
    )
    arrived(lab, ended, tree, f"{place}/app/current")
    assert "MB of it from web seeds" in ended.stderr
    assert "s3cr" not in ended.stderr
    assert "upload " not in ended.stderr
    sent = sum(int(line.split('"')[2].split()[1]) for line in log.read_text().splitlines())
    assert SIZE * 0.9 < sent < SIZE * 2, "the hosts did not share"


@pytest.mark.skipif(NGINX is None, reason="needs nginx (Debian: nginx-light)")
def test_a_tracker_that_does_not_answer_is_named_though_the_origin_has_everything(
    fab: Fab, lab: rig.Lab, elsewhere: Elsewhere, tree: Path, place: str, tmp_path: Path
) -> None:
    text = f"user root;{CONFIG}".replace("s3cr&t=1", "s3cr%26t")
    elsewhere.nginx("nginx2", text, root=tree.parent, port=8081)
    create(tree, tmp_path / "app.torrent", "--piece-length", "65536")
    ended = fab(
        *("murder.deploy", "--torrent", str(tmp_path / "app.torrent"), "--tag", "v1", "--json"),
        *("--destination-path", f"{place}/app"),
        web_seeds=f"http://{elsewhere.address}:8081/?key=s3cr%26t",
        tracker_url=f"http://{elsewhere.address}:9/announce",
    )
    arrived(lab, ended, tree, f"{place}/app/current")
    said = f"the tracker never answered {PEERS}: http://{elsewhere.address}:9/announce: "
    assert ended.stderr.count(said) == 1, ended.stderr
    told = json.loads(ended.stdout)["hosts"]
    assert all("refused" in one["facts"]["tracker_problem"] for one in told.values())


SECURE = """
daemon off; master_process off; worker_processes 1; user root;
pid {place}/pid; error_log {place}/error.log;
events {{ worker_connections 128; }}
http {{
  access_log {place}/access.log;
  server {{
    listen {address}:8443 ssl;
    ssl_certificate {certificate}; ssl_certificate_key {key};
    root {root};
    location /old/ {{ rewrite ^/old(/.*)$ https://{address}:8443$1 redirect; }}
  }}
}}
"""


@pytest.mark.skipif(NGINX is None, reason="needs nginx (Debian: nginx-light)")
def test_torrent_and_files_come_by_https_from_where_they_were_moved_to(
    fab: Fab, lab: rig.Lab, elsewhere: Elsewhere, tree: Path, place: str, tmp_path: Path
) -> None:
    """The torrent itself names its web seed; nobody but a CA of our own vouches for that."""
    place_of_ca = elsewhere.srv / "secure"
    place_of_ca.mkdir()
    authority, address = Authority(place_of_ca), elsewhere.address
    certificate, key = authority.certify(address)
    log = elsewhere.nginx("secure", SECURE, root=tree.parent, certificate=certificate, key=key)
    torrent = tree.parent / "app.torrent"
    create(tree, torrent, "--piece-length", "65536")
    old = f"https://{address}:8443/old/"
    torrent.write_bytes(encode({**decode(torrent.read_bytes(), 1 << 24), b"url-list": old.encode()}))
    arguments = (
        "--torrent",
        f"{old}app.torrent?key=s3cr",
        "--tag",
        "v1",
        "--destination-path",
        f"{place}/app",
    )
    refused = fab("murder.deploy", *arguments)
    assert refused.returncode == 2
    assert f"{old}app.torrent: its certificate is refused: " in refused.stderr
    assert "murder.ca_file can name the CA" in refused.stderr
    ended = fab("murder.deploy", *arguments, ca_file=str(authority.file))
    arrived(lab, ended, tree, f"{place}/app/current")
    assert "MB of it from web seeds" in ended.stderr
    assert "s3cr" not in refused.stderr + ended.stderr
    statuses = Counter(line.split('"')[2].split()[0] for line in log.read_text().splitlines())
    assert set(statuses) == {"200", "302", "206"}
    assert statuses["200"] == 1


def test_a_stock_torrent_is_fetched_from_its_own_tracker_and_seeder(
    fab: Fab, lab: rig.Lab, elsewhere: Elsewhere, tree: Path, place: str, tmp_path: Path
) -> None:
    for path in tree.rglob("*"):  # what a stock torrent cannot say
        os.utime(path, (1e9, 1e9))
    torrent = elsewhere.srv / place[5:] / "stock.torrent"
    create(tree, torrent, "--announce", elsewhere.tracker(), "--piece-length", "65536")
    stock(torrent)
    elsewhere.agent("seed", str(torrent), str(tree))
    ended = fab(
        *("murder.deploy", "--torrent", str(torrent), "--destination-path", f"{place}/app", "--tag", "v1")
    )
    assert ended.returncode == 0, ended.stderr
    wanted = {path: one[-1] for path, one in snapshot(tree).items() if one[0] == "file"}
    for host in ("web1", "web2", "web3"):
        current = lab.host_root(host) / place.lstrip("/") / "app/current"
        assert {path: one[-1] for path, one in snapshot(current).items() if one[0] == "file"} == wanted


def test_another_tracker_serves_a_deploy_and_the_manual_sequence(
    fab: Fab, lab: rig.Lab, elsewhere: Elsewhere, tree: Path, place: str, tmp_path: Path
) -> None:
    url = elsewhere.tracker()
    build = make_tree(lab.host_root("web1") / place.lstrip("/") / "build", SIZE)
    app = ("--destination-path", f"{place}/app", "--tag", "v1")
    ended = fab("murder.deploy", "--files-path", f"{place}/build", "--on-seeder", *app, tracker_url=url)
    arrived(lab, ended, build, f"{place}/app/current")
    refused = fab("murder.start-tracker", tracker_url=url)
    assert (refused.returncode, "none was started" in refused.stderr) == (2, True)
    for task in (
        ("create-torrent", "--files-path", f"{place}/build"),
        ("start-seeding",),
        ("peer", "--destination-path", f"{place}/data"),
        ("stop-peering",),
        ("stop-seeding",),
    ):
        ended = fab(f"murder.{task[0]}", "--tag", "v1", *task[1:], tracker_url=url)
        assert ended.returncode == 0, ended.stderr
    arrived(lab, ended, build, f"{place}/data/v1")


@pytest.mark.skipif(OPENTRACKER is None, reason="needs opentracker (Debian: opentracker)")
def test_opentracker_serves_a_deploy_once_it_tracks_the_torrent(
    fab: Fab, lab: rig.Lab, elsewhere: Elsewhere, tree: Path, place: str, tmp_path: Path
) -> None:
    """Debian's tracks what is on its list; it has neither our paths nor our passkeys."""
    home = elsewhere.srv / place[5:]
    listed = create(tree, tmp_path / "app.torrent")["info_hash"]
    (home / "listed").write_text(f"{listed}\n")
    where = ("-i", elsewhere.address, "-p", "6969", "-d", f"{place}", "-w", "listed")
    elsewhere.start("sh", "-c", 'cd "$1" && shift && exec "$@"', "sh", place, str(OPENTRACKER), *where)
    ended = fab(
        *("murder.deploy", "--files-path", str(tree), "--destination-path", f"{place}/app", "--tag", "v1"),
        tracker_url=f"http://{elsewhere.address}:6969/announce",
    )
    arrived(lab, ended, tree, f"{place}/app/current")
    assert f"6969/announce must track {listed}" in ended.stderr


def test_torrent_and_files_at_once_are_a_mistake(fab: Fab) -> None:
    ended = fab("murder.deploy", "--torrent", "x", "--files-path", "y", "--destination-path", "/srv/app")
    assert ended.returncode == 2
    assert "--torrent says what is deployed" in ended.stderr
