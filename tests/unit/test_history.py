"""Records of runs: what is noted while they go on, where it lies, and what is made of it."""

from __future__ import annotations

import dataclasses
import html.parser
import io
import json
import os
import signal
import stat
import time
from contextlib import suppress

import fabric
import pytest
from test_undertaking import channels as channels

from murder_fabric.control import Message, check_event
from murder_fabric.control.shapes import NUMBERS_END
from murder_fabric.deploy.ending import signals_as_interrupts
from murder_fabric.deploy.executor import GroupContext
from murder_fabric.deploy.failures import HostFailure
from murder_fabric.deploy.history import shelf
from murder_fabric.deploy.history.chronicle import check_report_path, write_page
from murder_fabric.deploy.history.exchange import exchange_of
from murder_fabric.deploy.history.markup import Markup, tag
from murder_fabric.deploy.history.page import page
from murder_fabric.deploy.history.record import (
    MOST_ROWS,
    Exchange,
    HostRecord,
    RunRecord,
    Sample,
    StageRecord,
)
from murder_fabric.deploy.history.recording import INTERVAL, MOST_SAMPLES, Recording
from murder_fabric.deploy.history.retrying import retry_of
from murder_fabric.deploy.history.tables import history_text, run_text
from murder_fabric.deploy.outcome import HostState, Outcome
from murder_fabric.deploy.run import Run
from murder_fabric.deploy.settings import Settings
from murder_fabric.deploy.transfers import note_fetched, note_senders, note_uploads, note_verified
from murder_fabric.deploy.undertaking import Undertaking, carry_out
from murder_fabric.deploy.wanted import Wanted
from murder_fabric.deploy.watching.fleet_state import FleetState
from murder_fabric.deploy.watching.view import View
from murder_fabric.errors import BadInput, HostsFailed, Interrupted, StorageError
from murder_fabric.storage.creation import create_metainfo

HOSTS = ["web1", "web2", "web3"]


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state/murder_fabric/runs"


def a_run(number=1, hosts=None, **fields):
    """Return a record of a run in which web3 failed."""
    hosts = hosts or {
        "web1": HostRecord("switched", "", 0, 1000, 0.5),
        "web2": HostRecord("switched", "", 1000, 0, 2.5),
        "web3": HostRecord("failed", "no space left on /srv", 10, 0, 0.0),
    }
    count = len(hosts)
    return RunRecord(**{
        "id": shelf.new_id(1_763_767_200.0 + number, number.to_bytes(shelf.CHANCE, "big")),
        "task": "deploy",
        "operator": "ann@desk",
        "began_at": 1_763_767_200.0 + number,
        "seconds": 12.5,
        "exit_code": 3,
        "message": "web3 failed, as was allowed",
        "tag": "v1",
        "destination": "/srv/app",
        "digest": "ab" * 32,
        "length": 1000,
        "seeders": ["web1"],
        "hosts": hosts,
        "uploads": {"web1": 1000, "web2": 500},
        "stages": [StageRecord("connect", 0.0, 1.5), StageRecord("swarm", 1.5, 9.0)],
        "samples": [Sample(1.0, [0] * count), Sample(5.0, [100] * (count - 1) + [40])],
        "exchange": Exchange(HOSTS, [[0, 1000, 0], [0, 0, 500], [0, 0, 0]]),
        **fields,
    })  # fmt: skip


def a_killed_run(number=1):
    """Return what is kept of a run of v2 that did not come to its end."""
    hosts = dict.fromkeys(HOSTS, HostRecord("waiting"))
    nothing = {"seconds": 0.0, "length": 0, "seeders": (), "uploads": {}, "stages": (), "samples": ()}
    facts = {"exit_code": None, "message": "it was killed", "tag": "v2", "digest": "", "exchange": Exchange()}
    return a_run(number, hosts, **facts, **nothing)


# The record -------------------------------------------------------------------------------------------------


def test_a_record_is_the_same_after_it_was_written_and_read():
    assert RunRecord.from_json(a_run().to_json()) == a_run()


@pytest.mark.parametrize(
    "change",
    [
        {"format": 99},
        {"hosts": []},
        {"hosts": {"web1": {"state": "failed", "colour": "red"}}},
        {"samples": [{"at": 0.0, "shares": [1]}]},
        {"seconds": "long"},
        {"exit_code": ""},
        {"tag": None},
        {"more": 1},
        {"uploads": {"web1": "x"}},
        {"operator": 7},
        {"hosts": {"web1": {"state": "failed", "error": None}}, "samples": []},
        {"seconds": float("nan")},
        {"began_at": 1e17},
        {"exchange": {"names": ["web1"], "sent": [[0, 1]]}},
    ],
)
def test_what_is_no_record_is_one_sentence(change):
    with pytest.raises(BadInput, match="no record of a run"):
        RunRecord.from_json(json.dumps({**a_run().fields(), **change}))


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, '{"format": 1}'])
def test_what_is_no_json_is_neither(text):
    with pytest.raises(BadInput):
        RunRecord.from_json(text)


def test_who_was_verified_and_waited_for_others_is_unfinished_as_well():
    hosts = {"a": HostRecord("verified"), "b": HostRecord("unreachable"), "c": HostRecord("skipped")}
    assert a_run(hosts=hosts).unfinished == ["a", "b"]
    assert a_run(hosts=hosts, task="fetch").unfinished == ["b"]
    assert a_run(hosts=hosts).failed == ["b"]


# Where it lies ----------------------------------------------------------------------------------------------


def test_records_are_the_operators_alone_and_the_newest_comes_first(state):
    for number in (2, 1, 3):
        shelf.keep(a_run(number))
    assert [record.id for record in shelf.newest()] == [a_run(number).id for number in (3, 2, 1)]
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in state.iterdir()} == {0o600}


def test_only_so_many_are_kept(state, monkeypatch):
    monkeypatch.setattr(shelf, "MOST_RECORDS", 3)
    (state / "..").resolve().mkdir(parents=True)
    state.mkdir()
    (state / "notes.txt").write_text("mine")
    for number in range(1, 6):
        shelf.keep(a_run(number))
    assert [record.id for record in shelf.newest()] == [a_run(number).id for number in (5, 4, 3)]
    assert len(os.listdir(state)) == 4


def test_without_a_usable_variable_they_lie_in_the_home_directory(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert shelf.directory() == f"{tmp_path}/.local/state/murder_fabric/runs"


def test_a_broken_record_is_passed_over_by_all_and_told_to_who_asks_for_it(state):
    shelf.keep(a_run(1))
    (state / f"{a_run(2).id}.json").write_text("{broken")
    assert [record.id for record in shelf.newest()] == [a_run(1).id]
    with pytest.raises(BadInput, match=rf"{a_run(2).id}\.json: it is no record"):
        shelf.find("last")


def test_the_largest_numbers_that_hosts_can_say_are_kept_and_read():
    """One that lies makes the record of its run wrong about itself, and not a run that nobody knows of."""
    most = NUMBERS_END - 1
    for name, said in (
        ("finish", {"bytes_uploaded": most, "problems": []}),
        ("verify", {"seconds": most}),
        ("stage", {"released": False, "removed": 0, "bytes_reused": {"v0": most}, "files_changed": most}),
    ):
        check_event(name, {"event": "done", "time": 1.0, **said})
    hosts = [f"web{number}" for number in range(1, 1001)]
    joined = {
        host: Message({
            **{"seconds": most, "port": 1, "bytes_downloaded": most, "bytes_uploaded": most},
            **{"bytes_of_web_seeds": 0, "web_seed_problems": {}, "tracker_problem": None},
            **{"event": "done", "senders": [["10.0.0.1", port, most] for port in range(1000)]},
        })
        for host in hosts
    }  # fmt: skip
    check_event("join", joined["web1"].fields)
    outcome = Outcome(hosts)
    note_fetched(outcome, joined)
    note_verified(outcome, dict.fromkeys(hosts, Message({"seconds": most})))
    note_senders(outcome, joined, {"web1": "10.0.0.1"})
    became = {
        host: HostRecord(one.state.value, "", one.bytes_moved, one.bytes_reused, one.seconds)
        for host, one in outcome.by_host().items()
    }
    kept = a_run(
        hosts=became,
        uploads=dict.fromkeys(hosts, most),
        samples=[],
        exchange=exchange_of(hosts, outcome.received),
    )
    shelf.keep(kept)
    record = shelf.find("last")
    assert record == kept
    assert run_text(record)
    assert page(record)
    assert history_text([record])


def test_a_record_that_could_not_be_read_again_is_told_and_stays_as_that_of_the_last_run(state):
    with pytest.raises(BadInput, match="no record of a run that this version can read"):
        shelf.keep(a_run(2, seconds=1e40))
    assert os.listdir(state) == [f"{a_run(2).id}.json"]


def test_a_run_is_found_by_its_id_by_either_end_of_it_and_as_the_last(state):
    for number in (1, 2):
        shelf.keep(a_run(number))
    for name in ("last", a_run(2).id, a_run(2).id[-4:], a_run(2).id[:15]):
        assert shelf.find(name).id == a_run(2).id
    shelf.keep(a_run(3, id="20251231-232003-0003"))  # as they were called at first
    assert shelf.find("last").id.endswith("-0003")
    with pytest.raises(BadInput, match="3 runs are called 2025"):
        shelf.find("2025")
    with pytest.raises(BadInput, match="no run is called 'x"):
        shelf.find("x\x1b[2J")


def test_a_directory_that_takes_nothing_is_one_sentence(state):
    state.parent.parent.mkdir(parents=True)
    state.parent.write_text("in the way")
    with pytest.raises(StorageError, match=r"Not a directory|File exists"):
        shelf.keep(a_run())
    with suppress(BadInput):
        assert list(shelf.newest()) == []


def test_what_is_half_written_is_never_there(state, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    shelf.keep(a_run(1))
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(StorageError, match="No space left"):
        shelf.keep(a_run(2))
    assert os.listdir(state) == [f"{a_run(1).id}.json"]


def test_what_a_killed_run_was_writing_goes_with_the_next_record_and_what_is_written_now_stays(state):
    state.mkdir(parents=True)
    for name, age in ((".unfinished-old", shelf.WRITTEN_WITHIN + 60), (".unfinished-new", 0), ("mine", 1e6)):
        (state / name).write_text("{")
        os.utime(state / name, (time.time() - age,) * 2)
    shelf.keep(a_run(1))
    assert sorted(os.listdir(state)) == sorted([".unfinished-new", "mine", f"{a_run(1).id}.json"])


# What is noted while it goes on -----------------------------------------------------------------------------


def progress(there):
    return {"bytes": there, "length": 1000, "time": 0.0}


def test_samples_are_taken_now_and_then_and_the_end_of_a_stage_is_one():
    fleet, recording = FleetState(Outcome(HOSTS)), Recording(now=100.0)
    for step in range(4):
        now = 101.0 + step * INTERVAL / 2
        fleet.heard("web1", progress(100 * step), now=now)
        recording.heard(fleet, now=now)
    fleet.heard("web2", progress(1000), now=110.0)
    recording.stage_ended(fleet, "swarm", "done", began=101.0, now=111.0)
    assert [list(sample.shares) for sample in recording.samples] == [
        [0, 0, 0],
        [0, 0, 0],
        [20, 0, 0],
        [30, 100, 0],
    ]
    assert [sample.at for sample in recording.samples] == [0.5, 1.0, 1.5, 11.0]
    assert (recording.stages, recording.length) == ([StageRecord("swarm", 1.0, 10.0)], 1000)


def test_however_long_a_run_goes_on_there_are_only_so_many_samples():
    fleet, recording = FleetState(Outcome(HOSTS)), Recording(now=0.0)
    for step in range(20_000):
        now = step * INTERVAL / 2
        fleet.heard("web1", progress(step % 1001), now=now)
        recording.heard(fleet, now=now)
    times = [sample.at for sample in recording.samples]
    assert MOST_SAMPLES / 2 <= len(times) <= MOST_SAMPLES
    assert times == sorted(times)
    assert times[-1] > 0.97 * 10_000 * INTERVAL


def test_where_nothing_is_fetched_there_are_no_samples():
    recording = Recording(now=0.0)
    recording.stage_ended(FleetState(Outcome(HOSTS)), "switch", "done", began=0.0, now=1.0)
    assert recording.samples == []


def test_senders_are_known_by_their_address_or_where_hosts_share_one_by_their_port():
    def joined(port, *senders):
        return Message({"port": port, "senders": [list(one) for one in senders]})

    outcome = Outcome(HOSTS)
    addresses = {"web1": "10.0.0.1", "web2": "127.0.0.1", "web3": "127.0.0.1"}
    done = {
        "web2": joined(6881, ("10.0.0.1", 7000, 700), ("127.0.0.1", 6882, 300)),
        "web3": joined(6882, ("127.0.0.1", 6881, 50), ("127.0.0.1", 9999, 5), ("10.9.9.9", 1, 1)),
    }
    note_senders(outcome, done, addresses)
    assert outcome.received == {"web2": {"web1": 700, "web3": 300}, "web3": {"web2": 50, "": 6}}


def test_of_a_host_that_ended_without_an_answer_nobody_knows_what_it_sent():
    outcome = Outcome(HOSTS)
    note_uploads(outcome, {"web1": Message({"bytes_uploaded": 7}), "web2": HostFailure("lost", "gone")})
    assert outcome.uploads == {"web1": 7}


def test_up_to_a_hundred_hosts_have_a_row_each_and_more_share_them():
    hosts = [f"web{number}" for number in range(1, 251)]
    few = exchange_of(hosts[:3], {"web2": {"web1": 7, "": 2}})
    assert few == Exchange(["web1", "web2", "web3"], [[0, 7, 0], [0, 0, 0], [0, 0, 0], [0, 2, 0]])
    many = exchange_of(hosts, {host: {"web1": 1} for host in hosts[1:]})
    assert many.names[0] == "web[1-3]"
    assert len(many.names) <= MOST_ROWS
    assert (sum(many.sent[0]), sum(map(sum, many.sent))) == (249, 249)
    assert exchange_of(hosts, {"web1": {}}) == Exchange()


# From the task to the record --------------------------------------------------------------------------------


def context(hosts=HOSTS):
    return GroupContext(fabric.Config(lazy=True), hosts)


def undertaking(step, **options):
    def steps(muster):
        muster.greet()
        return step(muster)

    return Undertaking("doing it", Settings(), HOSTS, steps, tag="v1", destination="/srv/app", **options)


def switched(muster):
    for host in HOSTS[:2]:
        muster.outcome.reached(host, HostState.SWITCHED)
    muster.outcome.failed("web3", HostFailure("failed", "no space left"))
    return "done"


def test_what_changes_hosts_leaves_a_record_and_the_page_that_was_asked_for(channels, tmp_path):
    called = []

    def steps(muster):
        called.append(Run(muster, None, None, None, operator="ann@desk").id)
        return switched(muster)

    path, stream, view = tmp_path / "out.html", io.StringIO(), None
    view = View(stream)
    with pytest.raises(HostsFailed) as caught:
        carry_out("deploy", context(), undertaking(steps, is_recorded=True, report_path=str(path)), view)
    record = shelf.find("last")
    assert record.id == called[0]  # as hosts say it of a run that has their lock
    assert record.message == caught.value.result.message == str(caught.value)
    assert (record.task, record.tag, record.destination, record.exit_code) == ("deploy", "v1", "/srv/app", 3)
    assert [one.state for one in record.hosts.values()] == ["switched", "switched", "failed"]
    assert [stage.name for stage in record.stages] == ["connect"]
    assert record.id in path.read_text()
    assert f"the report is {path}" in stream.getvalue()
    assert view.observers == []


def test_there_is_a_record_before_any_host_is_asked_and_the_end_takes_its_place(channels):
    seen = []

    def steps(muster):
        seen.extend(shelf.newest())
        return "done"

    carry_out("deploy", context(), undertaking(steps, is_recorded=True), View(None))
    (begun,), (ended,) = seen, shelf.newest()
    assert (begun.id, begun.tag, begun.destination) == (ended.id, ended.tag, ended.destination)
    assert (begun.exit_code, ended.exit_code) == (None, 0)
    assert begun.unfinished == list(begun.hosts) == list(ended.hosts)


def test_ctrl_c_while_the_run_begins_is_in_its_record(channels, monkeypatch):
    replace = os.replace

    def pressed(*paths):
        monkeypatch.setattr(os, "replace", replace)
        signal.raise_signal(signal.SIGINT)
        replace(*paths)

    monkeypatch.setattr(os, "replace", pressed)
    with pytest.raises(Interrupted, match="no host was changed"):
        carry_out("deploy", context(), undertaking(switched, is_recorded=True), View(None))
    assert shelf.find("last").exit_code == 130


def test_what_changes_no_host_leaves_none(channels):
    carry_out("status", context(), undertaking(lambda muster: "done"), View(None))
    dry = context()
    dry.config.run.dry = True
    carry_out("deploy", dry, undertaking(switched, is_recorded=True), View(None))
    assert list(shelf.newest()) == []


def test_a_fault_of_ours_is_in_the_record_too(channels):
    def broken(muster):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        carry_out("deploy", context(), undertaking(broken, is_recorded=True), View(None))
    assert shelf.find("last").exit_code == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_while_the_record_is_written_comes_when_it_is_there(channels, monkeypatch, tmp_path, number):
    replace = os.replace

    def pressed(*paths):
        signal.raise_signal(number)
        replace(*paths)

    def steps(muster):
        monkeypatch.setattr(os, "replace", pressed)
        return "done"

    path = tmp_path / "out.html"
    wanted = undertaking(steps, is_recorded=True, report_path=str(path))
    with signals_as_interrupts(), pytest.raises(KeyboardInterrupt):
        carry_out("deploy", context(), wanted, View(None))
    assert shelf.find("last").message == "done"
    assert shelf.find("last").id in path.read_text()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_record_that_cannot_be_kept_and_a_page_that_cannot_be_written_are_warnings(
    channels, state, tmp_path
):
    state.parent.parent.mkdir(parents=True)
    state.parent.write_text("in the way")
    stream = io.StringIO()
    wanted = undertaking(lambda muster: "done", is_recorded=True, report_path=str(tmp_path / "gone/out.html"))
    assert carry_out("deploy", context(), wanted, View(stream)).exit_code == 0
    said = stream.getvalue()
    assert "the record of this run could not be kept" in said
    assert "the report could not be written to" in said


@pytest.mark.parametrize("path", ["", ".", "none/out.html"])
def test_a_page_nobody_could_write_is_refused_before_anything_is_done(path):
    with pytest.raises(BadInput, match="--report"):
        check_report_path(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_page_replaces_no_pipe_or_device_and_no_link(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BadInput, match="no file that a page could replace"):
        check_report_path(str(tmp_path / "pipe"))
    (tmp_path / "link.html").symlink_to(tmp_path / "real.html")
    write_page(a_run(), check_report_path(str(tmp_path / "link.html")))
    assert (tmp_path / "link.html").is_symlink()
    assert (tmp_path / "real.html").read_text().startswith("<!DOCTYPE html>")


# Again ------------------------------------------------------------------------------------------------------

KNOWN = Settings(default_destination_path="/srv/app")


def test_again_are_those_that_the_last_run_did_not_bring_there_with_its_tag():
    shelf.keep(a_run(1))
    shelf.keep(a_run(2, destination="/srv/other"))
    again = retry_of(context([]), KNOWN)
    assert (again.context.hosts, again.settings.default_tag, again.is_done) == (["web3"], "v1", False)
    assert retry_of(context(["web2", "web3", "web4"]), KNOWN).context.hosts == ["web3"]
    nothing = retry_of(context(["web1"]), KNOWN)
    assert nothing.is_done
    assert nothing.nothing().exit_code == 0


def test_who_is_left_out_of_a_second_try_is_named():
    shelf.keep(a_run(1, {host: HostRecord("failed") for host in HOSTS}))
    assert retry_of(context([]), KNOWN).notes == []
    assert retry_of(context(["web2", "web8", "web9"]), KNOWN).notes == [
        "web[1,3]: left out, as not named now, though v1 did not get there",
        f"web[8-9]: left out, as run {a_run(1).id} knows nothing of it;"
        " it gets v1 too without --retry-failed",
    ]
    shelf.keep(a_run(2, {host: HostRecord("switched") for host in HOSTS}))
    nothing = retry_of(context(["web2", "web9"]), KNOWN)
    assert nothing.is_done
    with pytest.raises(HostsFailed, match="there is nothing to do; web9: left out, as run") as caught:
        nothing.nothing()
    assert (caught.value.result.exit_code, caught.value.result.tag) == (3, "v1")


def test_a_named_host_that_a_second_try_knows_nothing_of_is_not_forgotten_when_the_others_are_well():
    shelf.keep(a_run(1, {host: HostRecord("failed") for host in HOSTS}))
    assert retry_of(context(["web2", "web3"]), KNOWN).left_out == ""
    left_out = retry_of(context(["web2", "web9"]), KNOWN).left_out
    assert left_out.startswith("web9: left out")
    assert left_out.endswith("it gets v1 too without --retry-failed")


def test_who_was_left_behind_by_an_earlier_try_of_the_same_tag_is_tried_again_too():
    def tried(number, **states):
        shelf.keep(a_run(number, {host: HostRecord(state) for host, state in states.items()}))

    tried(1, web1="switched", web2="failed", web3="failed", web4="unreachable")
    tried(2, web3="switched", web2="failed")
    shelf.keep(a_run(3, task="cleanup"))
    assert retry_of(context([]), KNOWN).context.hosts == ["web2", "web4"]
    shelf.keep(a_run(4, {"web2": HostRecord("failed")}, tag="v2"))
    assert retry_of(context([]), KNOWN).context.hosts == ["web2"]


def test_of_a_run_that_was_killed_all_hosts_are_tried_again():
    shelf.keep(a_run(1))
    shelf.keep(a_killed_run(2))
    again = retry_of(context([]), KNOWN)
    assert (again.context.hosts, again.settings.default_tag) == (HOSTS, "v2")


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/file").write_bytes(b"x")
    return create_metainfo(str(tmp_path / "tree"), None)


@pytest.mark.parametrize("digests", [("ab" * 32,), ("ab" * 32, "")], ids=["the last", "one before"])
def test_only_what_was_deployed_then_is_deployed_again_whoever_hashes_it(tree, digests):
    for number, digest in enumerate(digests):
        shelf.keep(a_run(number, digest=digest))
    again = retry_of(context([]), KNOWN)
    with pytest.raises(BadInput, match="what is deployed now differs from v1"):
        again.check(Wanted("v1", "/srv/app", "/tree", tree))
    assert again.check(Wanted("v1", "/srv/app", "/on/seeder", None)).digest == "ab" * 32


def test_where_no_try_came_so_far_as_to_know_what_it_is_it_may_be_anything(tree):
    shelf.keep(a_run(digest=""))
    assert retry_of(context([]), KNOWN).check(Wanted("v1", "/srv/app", "/tree", tree)).digest == ""


def test_hosts_of_which_that_run_knows_nothing_are_no_success():
    shelf.keep(a_run())
    with pytest.raises(BadInput, match=r"was about web\[1-3\], and none of these is named"):
        retry_of(context(["root@web3"]), KNOWN)


def test_a_host_is_reached_again_as_it_was_written():
    shelf.keep(a_run(hosts={"root@web1:2222": HostRecord("unreachable"), "[::1]:22": HostRecord("failed")}))
    again = retry_of(context([]), KNOWN).context
    assert again.hosts == ["root@web1:2222", "[::1]:22"]
    assert again.host_kwargs[0] == {"host": "web1", "user": "root", "port": 2222}


@pytest.mark.parametrize(
    ("records", "settings", "sentence"),
    [
        ([], KNOWN, "no deploy to /srv/app is known"),
        ([a_run()], Settings(), "--destination-path is missing"),
        ([a_run()], Settings(default_destination_path="/srv/app", default_tag="v2"), "leave --tag out"),
        (
            [a_run(1), a_run(2, task="rollback"), a_run(3, task="cleanup")],
            KNOWN,
            "the last run to /srv/app was rollback",
        ),
    ],
)
def test_again_is_refused_where_it_could_mean_something_else(records, settings, sentence):
    for record in records:
        shelf.keep(record)
    with pytest.raises(BadInput, match=sentence):
        retry_of(context([]), settings)


@pytest.mark.parametrize(
    "broken",
    [
        "{broken",
        "",
        "[" * 100_000,
        "[1]",
        '{"destination": 7}',
        json.dumps({**a_run(2).fields(), "uploads": {"web1": 1e40}}),
        json.dumps({**a_run(2).fields(), "format": 99}),
    ],
    ids=["no JSON", "empty", "deep", "a list", "nowhere", "numbers", "format"],
)
def test_again_is_refused_where_nobody_knows_which_run_was_the_last(state, broken):
    """The record of v2, the fix, cannot be read: v1 is not what anybody means."""
    shelf.keep(a_run(1))
    (state / f"{a_run(2).id}.json").write_text(broken)
    with pytest.raises(
        BadInput, match=rf"{a_run(2).id}\.json cannot be read.* of v1; if that is meant, name it with --tag"
    ):
        retry_of(context([]), KNOWN)
    # What was meant is said with it; and what is read later is the last again.
    assert retry_of(context([]), dataclasses.replace(KNOWN, default_tag="v1")).context.hosts == ["web3"]
    shelf.keep(a_run(3, tag="v3"))
    assert retry_of(context([]), KNOWN).settings.default_tag == "v3"


def test_what_cannot_be_read_of_a_run_to_elsewhere_is_in_nobodys_way(state):
    shelf.keep(a_run(1))
    elsewhere = {**a_run(2, destination="/srv/other").fields(), "seconds": "long"}
    (state / f"{a_run(2).id}.json").write_text(json.dumps(elsewhere))
    assert retry_of(context([]), KNOWN).settings.default_tag == "v1"


# As text and as a page --------------------------------------------------------------------------------------


def test_the_table_has_a_line_for_each_run():
    lines = history_text([a_run(2), a_run(1, tag="", exit_code=0)]).splitlines()
    assert lines[0].split() == ["run", "task", "tag", "destination", "hosts", "took", "exit", "by"]
    assert lines[1].split() == [
        *(a_run(2).id, "deploy", "v1", "/srv/app", "2", "of", "3", "12.5", "s", "3", "ann@desk")
    ]
    assert lines[2].split()[2] == "-"


def test_a_run_that_was_killed_has_no_exit_code():
    record = a_killed_run()
    (line,) = history_text([record]).splitlines()[1:]
    assert line.split() == [record.id, "deploy", "v2", "/srv/app", "0", "of", "3", "-", "-", "ann@desk"]
    assert "by ann@desk, not ended\n  it was killed\nhosts\n" in run_text(record)
    assert "  waiting     web[1-3] (3 hosts)" in run_text(record)
    read = Reader(page(record))
    assert "not ended" in read.texts
    assert read.by_id("done")["data-value"] == "0"


@pytest.mark.parametrize(
    ("task", "states", "said"),
    [
        ("deploy", ["verified", "verified", "failed"], "0 of 3"),
        ("deploy", ["ready", "ready", "ready"], "0 of 3"),
        ("switch", ["switched", "verified", "failed"], "1 of 3"),
        ("rollback", ["verified", "verified", "verified"], "0 of 3"),
        ("catch-up", ["switched", "switched", "ready"], "2 of 3"),
        ("fetch", ["verified", "verified", "failed"], "2 of 3"),
        ("fetch", ["ready", "ready", "failed"], "0 of 3"),
        ("cleanup", ["ready", "ready", "failed"], "2 of 3"),
    ],
)
def test_only_hosts_that_are_where_the_run_was_to_bring_them_are_counted(task, states, said):
    record = a_run(task=task, hosts=dict(zip(HOSTS, map(HostRecord, states))))
    assert f"  {said} " in history_text([record]).splitlines()[1]
    read = Reader(page(record))
    assert (read.by_id("done")["data-value"], record.aim in read.texts) == (said[0], True)


def test_one_run_as_text_names_hosts_folded_with_their_reasons():
    text = run_text(a_run())
    assert "  switched    web[1-2] (2 hosts)" in text
    assert "  web3: no space left on /srv" in text
    assert "  sent        1.0 kB by seeders, 500 B by other hosts" in text
    assert "  slowest     web2 2.5 s, web1 0.5 s" in text


class Reader(html.parser.HTMLParser):
    """Reads a page strictly: every element closed in order; keeps texts and attributes."""

    VOID = ("meta",)

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.texts = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, name, attributes):
        if name not in self.VOID:
            self.open.append(name)
        self.elements.append((name, dict(attributes)))

    def handle_endtag(self, name):
        assert self.open.pop() == name

    def handle_data(self, data):
        self.texts.append(data)

    def by_id(self, id_):
        return next(given for _, given in self.elements if given.get("id") == id_)


def test_the_figures_of_the_page_are_those_of_the_record():
    record = a_run()
    read = Reader(page(record))
    assert read.open == []
    assert float(read.by_id("moved")["data-value"]) == record.total("bytes_moved") == 1010
    assert float(read.by_id("copies")["data-value"]) == 1000
    assert (read.by_id("done")["data-value"], read.by_id("failed")["data-value"]) == ("2", "1")
    cells = [
        int(given["data-value"]) for name, given in read.elements if name == "td" and "data-value" in given
    ]
    assert cells == [0, 1000, 1000, 1000, 0, 500, 10, 0, 0]
    lines = [given["points"] for name, given in read.elements if name == "polyline"]
    assert [len(points.split()) for points in lines] == [2, 2]
    assert {"completion", "heat", "exchange", "stages", "uploads"} <= {
        given.get("id") for name, given in read.elements if name == "svg"
    }
    assert "web3: no space left on /srv" in read.texts


@pytest.mark.parametrize("count", [1, 100, 500])
def test_a_page_of_many_hosts_stays_small_and_whole(count):
    hosts = {f"web{number}": HostRecord("switched", "", 1000, 0, 1.0) for number in range(1, count + 1)}
    samples = [Sample(float(at), [min(100, at + host % 7) for host in range(count)]) for at in range(0, 121)]
    received = {host: dict.fromkeys(list(hosts)[:40], 10) for host in hosts}
    record = a_run(hosts=hosts, samples=samples, exchange=exchange_of(list(hosts), received))
    text = page(record)
    assert Reader(text).open == []
    assert len(text) < 3_000_000


def test_a_page_of_a_run_that_never_began_is_whole_too():
    empty = a_run(
        hosts={}, samples=[], stages=[], exchange=Exchange(), uploads={}, seconds=0.0, tag="", digest=""
    )
    assert Reader(page(empty)).open == []


def test_nothing_that_a_host_says_becomes_a_tag_or_loads_anything():
    evil = '<script src="http://example.com/x.js">alert(1)</script>"\'\x1b[2J'
    hosts = {evil: HostRecord("failed", evil)}
    record = a_run(
        hosts=hosts,
        message=evil,
        operator=evil,
        seeders=[evil],
        uploads={evil: 5},
        exchange=Exchange([evil], [[4]]),
        samples=[Sample(1.0, [5])],
        stages=[StageRecord(evil, 0, 1)],
    )
    text = page(record)
    read = Reader(text)
    assert not {"script", "img", "link", "iframe", "a"} & {name for name, _ in read.elements}
    assert not [given for _, given in read.elements if {"src", "href", "onload"} & given.keys()]
    assert "\x1b" not in text
    assert "default-src 'none'" in text


def test_a_page_replaces_another_whole_and_others_may_read_it(tmp_path):
    path = tmp_path / "out.html"
    path.write_text("old")
    write_page(a_run(), str(path))
    assert path.read_text() == page(a_run())
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert os.listdir(tmp_path) == ["out.html"]


def test_text_is_escaped_and_markup_is_not():
    assert tag("b", "<&>", Markup("<i></i>"), class_='a"b') == '<b class="a&quot;b">&lt;&amp;&gt;<i></i></b>'
    assert tag("rect", stroke_width=1.50) == '<rect stroke-width="1.5"></rect>'
