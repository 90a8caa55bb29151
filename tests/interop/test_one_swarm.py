"""Stock clients and our agent are one swarm: whoever seeds, whoever fetches, whosever torrent and tracker."""

from __future__ import annotations

import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest
import stock_clients
from programs import Program, Programs, contents, create, make_tree, wait_until
from stock_clients import CLIENTS, StockClient

from murder_fabric.metainfo.parsing import parse_metainfo
from murder_fabric.tracker.keys import scrape_url
from murder_fabric.tracker.scraping import parse_scrape_response, scrape_query

#: About the bytes of the payload.
SIZE = 3_000_000


class Offer(NamedTuple):
    """A payload, the directory that it lies in, and its torrent."""

    path: Path
    torrent: Path

    @property
    def info_hash(self) -> bytes:
        return parse_metainfo(self.torrent.read_bytes()).info.info_hash

    def found_in(self, directory: Path, *, empty_files: bool = True) -> bool:
        """Say whether the payload lies in *directory*, byte for byte."""
        there, here = directory / self.path.name, contents(self.path)
        expected = {name: data for name, data in here.items() if data or empty_files}
        return there.exists() and contents(there) == expected


def make_offer(kind: str, home: Path) -> Offer:
    tree = make_tree(home / "source" / "tree", SIZE)
    torrent = home / f"{kind}.torrent"
    if kind == "ours":
        create(tree, torrent)
        return Offer(tree, torrent)
    if kind == "single file":
        if stock_clients.transmission.missing:
            pytest.skip(stock_clients.transmission.missing)
        command = ["transmission-create", "-s", "32", "-o", str(torrent), str(tree / "big")]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True, timeout=20)
        return Offer(tree / "big", torrent)
    if stock_clients.libtorrent.missing:
        pytest.skip(stock_clients.libtorrent.missing)
    command = [sys.executable, str(stock_clients.LIBTORRENT), "make", kind, str(tree), str(torrent)]
    subprocess.run(command, check=True, timeout=20)
    return Offer(tree, torrent)


@pytest.fixture(params=["ours", "v1", "hybrid", "single file"])
def offer(request: pytest.FixtureRequest, tmp_path: Path) -> Offer:
    return make_offer(request.param, tmp_path)


@pytest.fixture(params=CLIENTS, ids=str)
def client(request: pytest.FixtureRequest) -> StockClient:
    if request.param.missing:
        pytest.skip(request.param.missing)
    if request.param.hybrid and "hybrid" in request.node.name:
        pytest.skip(request.param.hybrid)
    return request.param


def announced(tracker: str, offer: Offer, complete: int, incomplete: int) -> bool:
    url = f"{scrape_url(tracker)}?{scrape_query([offer.info_hash]).decode()}"
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            found = parse_scrape_response(answer.read()).get(offer.info_hash)
    except urllib.error.HTTPError:
        return False
    return found is not None and (found.complete, found.incomplete) == (complete, incomplete)


def they_seed(programs: Programs, client: StockClient, offer: Offer, tracker: str, home: Path) -> Program:
    """A stock client seeds, our peer fetches."""
    theirs = client.start(programs, "127.0.0.5", offer.torrent, offer.path.parent, tracker)
    wait_until(lambda: announced(tracker, offer, 1, 0), f"{client} seeds: {theirs.told()}")
    ours = programs.peer(offer.torrent, home / "ours", tracker, "--seed-for", "0")
    assert ours.wait() == 0, ours.told()
    assert offer.found_in(home / "ours")
    return ours


def they_fetch(programs: Programs, client: StockClient, offer: Offer, tracker: str, home: Path) -> None:
    """Our seeder seeds, showing pieces one by one, and a stock client fetches."""

    (home / "theirs").mkdir()
    if not client.waits:  # it may be done before anybody sees that it came
        programs.seeder(offer.torrent, offer.path, tracker)
    client.start(programs, "127.0.0.5", offer.torrent, home / "theirs", tracker)
    if client.waits:
        wait_until(lambda: announced(tracker, offer, 0, 1), f"{client} came")
        programs.seeder(offer.torrent, offer.path, tracker)
    wait_until(
        lambda: offer.found_in(home / "theirs", empty_files=client.makes_empty_files), f"{client} fetches"
    )


def test_our_peer_fetches_from_a_stock_seeder(programs, client, offer, tmp_path):
    they_seed(programs, client, offer, programs.tracker(), tmp_path)


def test_our_peer_asks_a_stock_seeder_for_the_rest_of_pieces_that_it_has_in_part(programs, client, tmp_path):
    offer = make_offer("ours", tmp_path)
    there = tmp_path / "ours" / offer.path.name
    shutil.copytree(offer.path, there, symlinks=True)
    gone = [path for path in sorted(there.rglob("*")) if path.is_file() and not path.is_symlink()][::3]
    lacking = sum(path.stat().st_size for path in gone)
    for path in gone:
        path.unlink()
    ours = they_seed(programs, client, offer, programs.tracker(), tmp_path)
    assert ours.events[-1]["bytes_downloaded"] == lacking


def test_a_stock_client_fetches_from_our_seeder(programs, client, offer, tmp_path):
    they_fetch(programs, client, offer, programs.tracker(), tmp_path)


@pytest.mark.parametrize("direction", [they_seed, they_fetch])
@pytest.mark.skipif(
    bool(stock_clients.OPENTRACKER_MISSING), reason=stock_clients.OPENTRACKER_MISSING or "it is there"
)
def test_a_foreign_tracker_brings_them_together(programs, client, tmp_path, direction):
    offer = make_offer("ours", tmp_path)
    tracker = stock_clients.start_opentracker(programs, tmp_path / "tracker", offer.info_hash.hex())
    direction(programs, client, offer, tracker, tmp_path)


def test_two_of_ours_aria2_and_transmission_share_what_our_seeder_has(programs, tmp_path):
    clients = [stock_clients.transmission, stock_clients.aria2]
    for one in clients:
        if one.missing:
            pytest.skip(one.missing)
    offer, tracker = make_offer("ours", tmp_path), programs.tracker()
    for number, one in enumerate(clients, start=4):
        (tmp_path / one.name).mkdir()
        one.start(programs, f"127.0.0.{number}", offer.torrent, tmp_path / one.name, tracker)
    wait_until(lambda: announced(tracker, offer, 0, 2), "both have come")
    ours = [
        programs.peer(offer.torrent, tmp_path / address, tracker, address=address)
        for address in ("127.0.0.6", "127.0.0.7")
    ]
    seeder = programs.seeder(offer.torrent, offer.path, tracker)
    for peer in ours:
        peer.event("completed")
    for one in clients:
        complete = partial(offer.found_in, tmp_path / one.name, empty_files=one.makes_empty_files)
        wait_until(complete, f"{one} fetches")
    assert offer.found_in(tmp_path / "127.0.0.6")
    assert offer.found_in(tmp_path / "127.0.0.7")
    seeder.process.terminate()
    seeder.wait()
    assert SIZE * 0.9 < seeder.events[-1]["bytes_uploaded"] < SIZE * 4
