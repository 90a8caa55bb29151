"""A tracker in numbers: what is counted, and that others can read it."""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from test_tracker_site import HASH, TOKEN, Visitor, announce, make_site

from murder_fabric.net.tracker_site import FRESH
from murder_fabric.tracker import statistics
from murder_fabric.tracker.addresses import PeerAddress
from murder_fabric.tracker.announcing import AnnounceRequest
from murder_fabric.tracker.keys import passkey, statistics_path, statistics_url
from murder_fabric.tracker.registry import Registry
from murder_fabric.tracker.scraping import ScrapeEntry
from murder_fabric.tracker.statistics import MemberStanding, SwarmStanding, metrics_text, stats_text

SWARM = SwarmStanding(
    HASH,
    ScrapeEntry(complete=1, downloaded=3, incomplete=2),
    [
        MemberStanding(PeerAddress("10.0.0.1", 6881), 0, 0, 700, 1.25),
        MemberStanding(PeerAddress("10.0.0.2", 6881), 40, 60, 20, 0.0),
        MemberStanding(PeerAddress("::1", 6882), 100, 0, 0, 3.0),
    ],
)


def test_a_registry_knows_what_each_peer_said_last_and_when():
    registry = Registry(None, rng=random.Random(1))
    for left, now in ((9, 0.0), (4, 10.0)):
        request = AnnounceRequest(HASH, b"p" * 20, 6881, uploaded=2, downloaded=9 - left, left=left)
        registry.announce(request, "10.0.0.1", now=now)
    (swarm,) = registry.standing(1, now=12.0)
    assert swarm.members == [MemberStanding(PeerAddress("10.0.0.1", 6881), 4, 5, 2, 2.0)]
    assert (swarm.info_hash, swarm.entry.incomplete, registry.announce_count) == (HASH, 1, 2)


def test_a_refused_announce_is_not_counted():
    site, _ = make_site(allowed=())
    Visitor(site).ask(b"/announce", announce())
    assert json.loads(Visitor(site).ask(b"/stats")[1]) == {"announces": 0, "swarm_count": 0, "swarms": []}


def test_stats_are_one_json_object_with_every_peer():
    document = json.loads(stats_text(7, 1, [SWARM]))
    (swarm,) = document["swarms"]
    assert (document["announces"], swarm["info_hash"]) == (7, HASH.hex())
    assert (swarm["complete"], swarm["incomplete"], swarm["downloaded"]) == (1, 2, 3)
    assert swarm["peers"][0] == {
        **{"host": "10.0.0.1", "port": 6881, "left": 0, "downloaded": 0, "uploaded": 700, "silent": 1.2}
    }


@pytest.mark.parametrize(("most", "said"), [(2, [2, 0]), (4, [3, 1]), (9, [3, 3])])
def test_stats_say_how_many_there_are_but_name_only_so_many_of_them(monkeypatch, most, said):
    monkeypatch.setattr(statistics, "MOST_PEERS", most)
    document = json.loads(stats_text(7, 1000, [SWARM, SWARM._replace(info_hash=b"i" * 20)]))
    assert document["swarm_count"] == 1000
    assert [len(swarm["peers"]) for swarm in document["swarms"]] == said
    assert [swarm["incomplete"] for swarm in document["swarms"]] == [2, 2]


def test_numbers_are_reckoned_once_a_second_however_often_they_are_asked_for():
    """Row 54: those of thousands of peers take a while, in which no announce would be answered."""
    site, clock = make_site()
    Visitor(site).ask(b"/announce", announce())
    first = [Visitor(site).ask(path)[1] for path in (b"/stats", b"/metrics")]
    Visitor(site).ask(b"/announce", announce())
    clock.advance(FRESH - 0.1)
    assert [Visitor(site).ask(path)[1] for path in (b"/stats", b"/metrics")] == first
    clock.advance(0.1)
    assert json.loads(Visitor(site).ask(b"/stats")[1])["announces"] == 2
    assert b"\nmurder_tracker_announces_total 2\n" in Visitor(site).ask(b"/metrics")[1]


def test_what_strangers_announce_does_not_make_the_pages_of_a_tracker_long():
    site, _ = make_site(allowed=None)
    for number in range(3 * statistics.MOST_SWARMS):
        Visitor(site).ask(b"/announce", announce(info_hash=b"%020d" % number))
    document = json.loads(Visitor(site).ask(b"/stats")[1])
    assert (document["swarm_count"], len(document["swarms"])) == (300, statistics.MOST_SWARMS)
    metrics = Visitor(site).ask(b"/metrics")[1]
    assert b"\nmurder_tracker_swarms 300\n" in metrics
    assert metrics.count(b"murder_swarm_left_bytes{") == statistics.MOST_SWARMS


@pytest.mark.parametrize("swarms", [[], [SWARM], [SWARM, SWARM._replace(info_hash=b"i" * 20, members=[])]])
def test_the_library_of_prometheus_reads_the_metrics(swarms):
    parser = pytest.importorskip("prometheus_client.parser")
    families = {
        one.name: one
        for one in parser.text_string_to_metric_families(metrics_text(7, len(swarms), swarms).decode())
    }
    assert {one.type for one in families.values()} == {"counter", "gauge"}
    assert families["murder_tracker_announces"].samples[0].value == 7
    assert len(families["murder_swarm_peers"].samples) == 2 * len(swarms)
    values = {
        (one.name, one.labels.get("state")): one.value
        for family in families.values()
        for one in family.samples
        if one.labels.get("info_hash") == HASH.hex()
    }
    assert values == (
        {}
        if not swarms
        else {
            ("murder_swarm_peers", "complete"): 1,
            ("murder_swarm_peers", "incomplete"): 2,
            ("murder_swarm_completed_total", None): 3,
            ("murder_swarm_left_bytes", None): 140,
            ("murder_swarm_downloaded_bytes", None): 60,
            ("murder_swarm_uploaded_bytes", None): 720,
        }
    )


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool (Debian: prometheus) is not here")
def test_promtool_finds_nothing_wrong_with_the_metrics():
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=metrics_text(7, 1, [SWARM]), capture_output=True, timeout=30
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_the_site_shows_numbers_behind_a_key_that_announces_nothing():
    site, _ = make_site(TOKEN)
    for page, kind in (("stats", b"application/json"), ("metrics", b"text/plain; version=0.0.4")):
        visitor = Visitor(site)
        assert visitor.ask(statistics_path(page, TOKEN).encode())[0] == 200
        assert b"Content-Type: %s" % kind in visitor.transport.value()
        key = statistics_path(page, TOKEN).split("/")[1]
        assert key not in (passkey(TOKEN), TOKEN.hex())
        for path in (f"/{page}", f"/{passkey(TOKEN)}/{page}", f"/{key}/announce"):
            assert Visitor(site).ask(path.encode())[0] == 404


def test_the_url_of_the_numbers_is_one_for_both_kinds_of_address():
    assert statistics_url("::1", 8998, "stats") == "http://[::1]:8998/stats"
    assert statistics_url("h", 1, "metrics", TOKEN) == f"http://h:1{statistics_path('metrics', TOKEN)}"


def test_the_metrics_of_operations_are_those_there_are():
    page = (Path(__file__).parent.parent.parent / "docs" / "operations.md").read_text()
    described = dict(re.findall(r"^\| `(murder_\w+)` \| (\w+) \|", page, re.MULTILINE))
    text = metrics_text(1, 1, [SWARM]).decode()
    assert described == dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE))
