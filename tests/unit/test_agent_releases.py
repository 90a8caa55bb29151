"""Releases on disk: what is listed, noted, marked, held, removed, and what reading one again finds."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import pytest

from murder_fabric import control
from murder_fabric.agent import drift, history, holding
from murder_fabric.agent.destination import Destination
from murder_fabric.agent.release_duties import RELEASE_DUTIES
from murder_fabric.agent.releases import clean_up, list_releases, mark_bad
from murder_fabric.agent.staging import stage, verify_staged
from murder_fabric.errors import BadInput, MurderError, StorageError, VerifyError
from murder_fabric.storage.creation import create_metainfo

RUN = "a1" * 8


@pytest.fixture
def app(tmp_path: Path) -> Destination:
    made = Destination(str(tmp_path / "srv" / "app"))
    made.prepare()
    return made


@pytest.fixture
def source(tmp_path: Path) -> Path:
    root = tmp_path / "source"
    (root / "config").mkdir(parents=True)
    (root / "config" / "site").write_text("x" * 5000)
    (root / "index").write_text("hello")
    (root / "config").chmod(0o555)
    root.chmod(0o555)
    return root


def ask(request: control.Request) -> dict:
    return RELEASE_DUTIES[type(request)](request).fields


def deploy(
    app: Destination, source: Path, tag: str, linked: tuple[str, ...] = (), revision: str = ""
) -> None:
    """Do all that an agent does of a deploy, but for the swarm and the switch."""
    metainfo = create_metainfo(str(source), None)
    request = control.Stage(tag, metainfo.info.digest.hex(), app.path, source=str(source))
    staged = stage(request, metainfo.encode())
    verify_staged(staged, control.Verify(tag, list(linked), revision))
    staged.payload.close()


def switch(app: Destination, tag: str, **more: object) -> dict:
    return ask(control.Switch(app.path, tag, "ann@desk", **more))  # type: ignore[arg-type]


def states(app: Destination) -> dict[str, str]:
    return {release.tag: release.state for release in list_releases(app)}


# The history ----------------------------------------------------------------------------------------------


def test_every_switch_is_a_line_that_begins_as_capistranos(app: Destination, source: Path) -> None:
    (Path(app.path) / "revisions.log").write_text("Branch main (at 1234567) deployed as release 1 by bob\n")
    for tag in ("v1", "v2"):
        deploy(app, source, tag)
    switch(app, "v1", origin="ann@desk:/home/ann/build", revision="f00ba4", branch="main")
    switch(app, "v2", origin="odd\nname")
    switch(app, "v1", back=True)
    lines = (Path(app.path) / "revisions.log").read_text().splitlines()
    assert len(lines) == 4
    assert lines[0].endswith("by bob")
    assert lines[1].startswith("Branch main (at f00ba4) deployed as release v1 by ann@desk at 20")
    assert lines[1].endswith(", from ann@desk:/home/ann/build")
    digest = ask(control.ListReleases(app.path))["releases"][0]["digest"]
    assert lines[2].startswith(f"Tree (at {digest[:12]}) deployed as release v2 by ann@desk at 20")
    assert f"digest {digest}, from odd?name" in lines[2]
    assert lines[3].startswith("ann@desk rolled back to release v1 at 20")
    assert lines[3].endswith(", from v2")


def test_a_switch_that_was_taken_back_was_never_made(app: Destination, source: Path) -> None:
    for tag in ("v1", "v2", "v3"):
        deploy(app, source, tag)
    switch(app, "v1")
    switch(app, "v2")
    switch(app, "v3")
    ask(control.SwitchBack(app.path, "v3", "v2", "ann@desk"))
    assert [entry.tag for entry in history.History(app.own).order()] == ["v1", "v2"]
    assert states(app) == {"v1": "good", "v2": "good", "v3": "fetched"}
    assert "ann@desk rolled back to release v2" in (Path(app.path) / "revisions.log").read_text()


def test_a_log_that_cannot_be_written_does_not_undo_the_switch(app: Destination, source: Path) -> None:
    deploy(app, source, "v1")
    os.mkdir(f"{app.path}/revisions.log")
    assert "could not be noted" in switch(app, "v1")["warning"]
    assert app.current() == "v1"


def test_a_log_that_cannot_be_written_does_not_keep_a_host_from_going_back(
    app: Destination, source: Path
) -> None:
    for tag in ("v1", "v2"):
        deploy(app, source, tag)
        switch(app, tag)
    os.unlink(f"{app.path}/revisions.log")
    os.mkdir(f"{app.path}/revisions.log")
    assert ask(control.SwitchBack(app.path, "v2", "v1")) == {}
    assert app.current() == "v1"


def test_a_release_with_a_name_we_would_not_give_is_gone_back_to(app: Destination, source: Path) -> None:
    os.mkdir(f"{app.path}/releases/1.0+build.5")
    os.symlink("releases/1.0+build.5", f"{app.path}/current")
    deploy(app, source, "v1")
    assert switch(app, "v1")["previous"] == "1.0+build.5"
    assert ask(control.SwitchBack(app.path, "v1", "1.0+build.5")) == {}
    assert app.current() == "1.0+build.5"


def test_what_is_current_and_not_noted_after_a_crash_is_noted_by_the_next_switch(
    app: Destination, source: Path
) -> None:
    """Else it would count as never current, and one release more would stay."""
    for tag in ("v1", "v2"):
        deploy(app, source, tag)
    switch(app, "v1")
    app.switch("v2")  # and killed before it was noted
    for _ in range(2):
        switch(app, "v2")
        assert [entry.tag for entry in history.History(app.own).order()] == ["v1", "v2"]


@pytest.mark.parametrize("damage", [b"", b"[]", b'{"order": 1}', b'{"order": [["v1"]]}', b"\xff"])
def test_a_damaged_history_is_an_empty_one(app: Destination, damage: bytes) -> None:
    (Path(app.own) / "history").write_bytes(damage)
    assert history.History(app.own).order() == []


# Good, bad, unknown ---------------------------------------------------------------------------------------


def test_the_way_back_skips_what_is_bad_until_a_switch_names_it(app: Destination, source: Path) -> None:
    for tag in ("v1", "v2", "v3"):
        deploy(app, source, tag)
        switch(app, tag)
    mark_bad(app, "v2", "ann@desk", "it was slow")
    listed = {one["tag"]: one for one in ask(control.ListReleases(app.path))["releases"]}
    assert {tag: one["rank"] for tag, one in listed.items()} == {"v3": 0, "v2": 0, "v1": 1}
    assert listed["v2"]["state"] == "bad"
    assert listed["v2"]["reason"].startswith("it was slow (ann@desk, ")
    assert listed["v1"]["length"] == 5005
    switch(app, "v2")
    assert states(app)["v2"] == "good"
    with pytest.raises(BadInput, match="is no release"):
        mark_bad(app, "v9", "ann@desk", "no")


def test_a_switch_that_was_taken_back_leaves_a_bad_release_bad(app: Destination, source: Path) -> None:
    for tag in ("v1", "v2"):
        deploy(app, source, tag)
        switch(app, tag)
    ask(control.SwitchBack(app.path, "v2", "v1"))
    mark_bad(app, "v2", "ann@desk", "it was slow")
    switch(app, "v2")
    ask(control.SwitchBack(app.path, "v2", "v1"))
    assert states(app)["v2"] == "bad"
    for tag in ("v2", "v1", "v2"):
        switch(app, tag)
    ask(control.SwitchBack(app.path, "v2", "v1"))
    assert states(app)["v2"] == "good"  # the mark was off before that switch


def test_capistranos_releases_are_taken_over_where_they_lie(tmp_path: Path, source: Path) -> None:
    root = tmp_path / "srv" / "cap"
    for name in ("20260101120000", "20260102120000"):
        (root / "releases" / name).mkdir(parents=True)
        (root / "releases" / name / "file").write_text(name)
    (root / "current").symlink_to(root / "releases" / "20260102120000")
    app = Destination(str(root))
    app.prepare()
    assert app.current() == "20260102120000"
    deploy(app, source, "v1")
    assert switch(app, "v1")["previous"] == "20260102120000"
    listed = ask(control.ListReleases(app.path))["releases"]
    assert [(one["tag"], one["state"], one["rank"]) for one in listed] == [
        ("v1", "good", 0),
        ("20260102120000", "unknown", 1),
        ("20260101120000", "unknown", 0),
    ]
    assert switch(app, "20260101120000", back=True)["previous"] == "v1"
    assert os.readlink(root / "current") == "releases/20260101120000"


# What goes ------------------------------------------------------------------------------------------------


def test_old_releases_go_with_their_records_and_closed_directories_too(
    app: Destination, source: Path
) -> None:
    for tag in ("v1", "v2", "v3"):
        deploy(app, source, tag, linked=("log",))
        app.share(["log"], [])
        switch(app, tag)
    (Path(app.shared("log")) / "precious").write_text("stays")
    os.mkdir(app.release("somebodys"))
    assert clean_up(app, 1) == ["v1"]
    assert sorted(os.listdir(f"{app.path}/releases")) == ["somebodys", "v2", "v3"]
    assert sorted(os.listdir(f"{app.own}/receipts")) == ["v2", "v3"]
    assert sorted(os.listdir(f"{app.own}/torrents")) == ["v2", "v3"]
    assert os.listdir(f"{app.own}/staging") == []
    assert (Path(app.shared("log")) / "precious").read_text() == "stays"


def test_what_a_killed_clean_up_left_goes_with_the_next_lock(app: Destination) -> None:
    left = Path(app.own) / "staging" / ".removed-v1"
    (left / "closed").mkdir(parents=True)
    (left / "closed").chmod(0o000)
    app.lock(RUN, "ann@desk")
    assert os.listdir(f"{app.own}/staging") == []
    app.unlock()


def test_what_was_staged_before_the_last_switch_goes_and_what_came_after_stays(
    app: Destination, source: Path
) -> None:
    Path(app.staging("old")).mkdir()
    os.utime(app.staging("old"), (1, 1))
    deploy(app, source, "v1")
    clean_up(app, 1)
    assert os.listdir(f"{app.own}/staging") == ["old"]
    switch(app, "v1")
    Path(app.staging("new")).mkdir()
    os.utime(app.staging("new"), (1 << 32, 1 << 32))
    clean_up(app, 1)
    assert os.listdir(f"{app.own}/staging") == ["new"]


# Reading again --------------------------------------------------------------------------------------------


def test_drift_names_every_file_that_differs(app: Destination, source: Path) -> None:
    deploy(app, source, "v1", linked=("log", "config/secret"), revision="f00ba4")
    switch(app, "v1")
    found = ask(control.Inspect(app.path))
    assert (found["tag"], found["ours"], found["drift"]) == ("v1", True, [])
    release = Path(app.release("v1"))
    release.chmod(0o755)
    (release / "index").write_text("hallo")
    (release / "stranger").touch()
    (release / "REVISION").write_text("another\n")
    (release / "log").unlink()
    found = ask(control.Inspect(app.path))
    assert (found["drift_count"], found["damage_count"], found["strangers"]) == (5, 4, ["stranger"])
    assert found["damage"] == found["drift"][:4]
    assert found["drift"] == [
        ". has the mode 755, and should have 555",
        "REVISION does not say what was deployed",
        "index does not hold the bytes that it should",
        "log is missing",
        "stranger does not belong there",
    ]


def test_a_fast_look_believes_size_and_time_and_reads_what_has_another(
    app: Destination, source: Path
) -> None:
    deploy(app, source, "v1")
    index, site = Path(app.release("v1")) / "index", Path(app.release("v1")) / "config/site"
    then = index.stat()
    index.write_text("hallo")
    site.touch()
    looked = control.Inspect(app.path, "v1", True)
    assert ask(looked)["damage"] == ["index does not hold the bytes that it should"]
    os.utime(index, ns=(then.st_atime_ns, then.st_mtime_ns))
    assert ask(looked)["damage"] == []
    index.chmod(0o777)
    (damage,) = ask(looked)["damage"]
    assert damage.startswith("index has the mode 777, and should have ")
    assert len(ask(control.Inspect(app.path, "v1"))["damage"]) == 1
    index.write_text("hello!")
    assert ask(looked)["damage"] == ["index is 6 bytes long, and should be 5"]


def test_a_release_without_torrent_has_a_digest_of_what_is_there(app: Destination) -> None:
    release = Path(app.release("20260101120000"))
    release.mkdir()
    (release / "log").symlink_to("/srv/app/shared/log")
    (release / "file").write_text("a")
    assert ask(control.Inspect(app.path))["tag"] is None
    switch(app, "20260101120000")
    before = ask(control.Inspect(app.path))
    assert (before["ours"], before["drift"]) == (False, [])
    (release / "file").write_text("b")
    assert ask(control.Inspect(app.path))["digest"] != before["digest"]


def test_a_lost_torrent_is_said_and_not_taken_for_drift(app: Destination, source: Path) -> None:
    deploy(app, source, "v1")
    (Path(app.own) / "torrents" / "v1").write_bytes(b"de")
    with pytest.raises(StorageError, match=r"the torrent of \S+/v1 is lost"):
        drift.drift_of(app, "v1")


# What is shared -------------------------------------------------------------------------------------------


def test_links_and_revision_are_in_the_release_and_directories_stay_closed(
    app: Destination, source: Path
) -> None:
    app.share(["log", "tmp/pids"], [])
    deploy(app, source, "v1", linked=("log", "tmp/pids", "config/secret"), revision="f00ba4")
    release = Path(app.release("v1"))
    assert os.readlink(release / "log") == f"{app.path}/shared/log"
    assert os.readlink(release / "tmp/pids") == f"{app.path}/shared/tmp/pids"
    assert os.readlink(release / "config/secret") == f"{app.path}/shared/config/secret"
    assert (release / "REVISION").read_text() == "f00ba4\n"
    modes = [(release / name).stat().st_mode & 0o777 for name in ("", "config", "tmp", "REVISION")]
    assert modes == [0o555, 0o555, 0o755, 0o644]
    deploy(app, source, "v1", linked=("log", "tmp/pids", "config/secret"), revision="another")
    with pytest.raises(StorageError, match="is there already with other links"):
        deploy(app, source, "v1", linked=("log",))


def test_a_link_never_replaces_what_the_tree_has_itself(app: Destination, source: Path) -> None:
    with pytest.raises(StorageError, match=r"config is to be a link.* the tree has something there itself"):
        deploy(app, source, "v1", linked=("config",))
    assert os.listdir(f"{app.path}/releases") == []


def test_a_tree_with_a_revision_of_its_own_keeps_it(app: Destination, source: Path) -> None:
    source.chmod(0o755)
    (source / "REVISION").write_text("mine")
    deploy(app, source, "v1", revision="f00ba4")
    assert (Path(app.release("v1")) / "REVISION").read_text() == "mine"


def test_a_single_file_gets_links_too(app: Destination, tmp_path: Path) -> None:
    tool = tmp_path / "tool"
    tool.write_text("#!/bin/sh\n")
    deploy(app, tool, "v1", linked=("log",), revision="f00ba4")
    switch(app, "v1")
    assert sorted(os.listdir(app.release("v1"))) == ["REVISION", "log", "tool"]
    assert ask(control.Inspect(app.path))["drift"] == []
    (Path(app.release("v1")) / "log").unlink()
    assert ask(control.Inspect(app.path))["drift"] == ["log is missing"]


def test_verified_again_a_release_with_a_changed_link_is_refused(app: Destination, source: Path) -> None:
    deploy(app, source, "v1", linked=("log",))
    release = Path(app.release("v1"))
    release.chmod(0o755)
    (release / "log").unlink()
    (release / "log").symlink_to("/etc")
    release.chmod(0o555)
    with pytest.raises(VerifyError, match="log is a link to something else"):
        deploy(app, source, "v1", linked=("log",))


def test_a_shared_file_that_is_missing_is_named(app: Destination) -> None:
    with pytest.raises(
        StorageError, match=r"shared/config/secret \(and 1 more\) is missing, and murder.linked"
    ):
        app.share(["log"], ["config/secret", "other"])
    assert os.path.isdir(app.shared("config"))


@pytest.mark.parametrize("name", ["/etc", "../x", "a/../../x", "a\0b"])
def test_nothing_outside_shared_is_linked(app: Destination, name: str) -> None:
    with pytest.raises(BadInput, match="is no path below shared"):
        app.share([name], [])


# The lock that stays --------------------------------------------------------------------------------------


def test_a_held_destination_says_who_since_when_and_why(app: Destination) -> None:
    holding.must_be_free(app, force=False)
    holding.hold(app, "ann@desk", "the database moves")
    with pytest.raises(MurderError, match=r"locked: \S+ is held by ann@desk since 20.*: the database moves;"):
        holding.must_be_free(app, force=False)
    holding.must_be_free(app, force=True)
    with pytest.raises(MurderError, match="held by ann@desk"):
        holding.hold(app, "bob@desk", "me too")
    assert os.listdir(app.own).count("held") == 1
    assert not [name for name in os.listdir(app.own) if name.startswith("held-")]


def test_a_run_that_begins_as_somebody_comes_to_hold_the_destination_is_refused(app: Destination) -> None:
    """Who holds it was told of no run."""
    request = control.Prepare(app.path, None, "r-1", "0" * 32, "ann@desk")
    holding.make_ready(app, request)
    holding.hold(app, "bob@desk", "the database moves")
    with pytest.raises(MurderError, match="is held by bob@desk"):
        holding.take(app, request)
    assert app.run_under_way() is None
    assert holding.take(app, dataclasses.replace(request, force=True))
    assert (app.run_under_way() or {})["operator"] == "ann@desk"
    app.unlock()


def test_only_who_holds_it_lets_go_without_force(app: Destination) -> None:
    assert holding.let_go(app, "bob@desk", force=False) is None
    run = "20261122-063500-3f2a91c07be4"
    holding.hold(app, "ann@desk", "x", run)
    held = holding.holder(app)
    assert held is not None
    assert (held["operator"], held["reason"], held["run"]) == ("ann@desk", "x", run)
    with pytest.raises(MurderError, match="--force takes another's lock off"):
        holding.let_go(app, "bob@desk", force=False)
    assert holding.let_go(app, "bob@desk", force=True) == held
    holding.hold(app, "ann@desk", "x")
    assert holding.let_go(app, "ann@desk", force=False) is not None
    assert holding.holder(app) is None


def test_a_damaged_lock_still_holds(app: Destination) -> None:
    (Path(app.own) / "held").write_text(json.dumps([]))
    with pytest.raises(MurderError, match=r"held by \? since \?"):
        holding.must_be_free(app, force=False)
