"""What an agent says, to programs and to people."""

from __future__ import annotations

import io
import json
import os

from murder_fabric.agent.report import Report
from murder_fabric.agent.torrent import Progress

SOME = Progress(1, 2, 500_000, 1_000_000, 2e6, 0.0, 1, 500_000, 0)


def test_a_program_gets_every_progress_with_event_and_time():
    out = io.StringIO()
    report = Report(json=True, out=out)
    report.progress(SOME)
    report.progress(SOME, "http://t/announce: refused")
    said = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [one["event"] for one in said] == ["progress", "progress", "tracker"]
    assert all(one["time"] > 0 for one in said)
    assert said[2]["reason"] == "http://t/announce: refused"


def test_a_person_gets_one_line_and_none_twice():
    err = io.StringIO()
    report = Report(json=False, err=err)
    report.progress(SOME)
    report.progress(SOME)
    report.progress(SOME, "refused")
    assert err.getvalue().splitlines() == [
        " 50 %  500.0 kB of 1.0 MB  down 2.0 MB/s, up 0 B/s  1 peer",
        " 50 %  500.0 kB of 1.0 MB  down 2.0 MB/s, up 0 B/s  1 peer  (tracker: refused)",
    ]


def test_rates_that_flicker_are_no_news_and_a_peer_that_comes_is():
    err = io.StringIO()
    report = Report(json=False, err=err)
    for rate, peers in ((2e6, 1), (3e6, 1), (0.0, 2)):
        report.progress(SOME._replace(rate=rate, peers=peers))
    assert [line.partition("  ")[2][-7:] for line in err.getvalue().splitlines()] == [" 1 peer", "2 peers"]


def test_a_reader_that_has_left_is_no_error():
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as out:
        report = Report(json=True, out=out)
        report.event("started", "")
        report.event("completed", "")
        assert os.path.samestat(os.fstat(writing), os.stat(os.devnull))
