"""What goes from a host when it is asked to be clean, and what stays whatever is asked."""

from __future__ import annotations

import json
import os

import pytest
from twisted.internet.defer import Deferred

from murder_fabric import control
from murder_fabric.agent import cleaning, detached, staging
from murder_fabric.agent.kept import keep, recall
from murder_fabric.agent.state import state_directory
from murder_fabric.errors import BadInput, MurderError, StorageError

DEAD = 2**22 + 1  # more than any pid


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def leave(name, pid=DEAD):
    """Leave the files of an agent; of one that runs, if *pid* is ours."""
    for path in detached.paths_of(name):
        with open(path, "w") as file:
            json.dump({"name": name, "pid": pid, "start_time": detached.start_time(pid) or 1}, file)


def left():
    return sorted(os.listdir(state_directory()))


def test_a_tag_goes_with_all_it_left_and_another_stays():
    for name in ("peer-foo", "seeder-foo", "peer-foobar", "tracker"):
        leave(name)
    keep("foo", b"torrent", "/srv/build")
    keep("foobar", b"other", "/srv/other")
    seeds = os.path.join(state_directory(), "seeds")
    for name in (f"{DEAD}-foo", f"{DEAD}-foobar", f"{os.getpid()}-foo"):
        os.makedirs(os.path.join(seeds, name))
    removed, running = cleaning.clean("foo")
    assert (len(removed), running) == (3 + 3 + 2 + 1, [])
    assert [name for name in left() if "foo" in name] == ["peer-foobar.json", "peer-foobar.log"]
    assert set(os.listdir(seeds)) == {f"{os.getpid()}-foo", f"{DEAD}-foobar"}
    with pytest.raises(BadInput):
        recall("foo")
    assert recall("foobar")[:2] == (b"other", "/srv/other")
    assert cleaning.clean("foo") == ([], [])


@pytest.mark.parametrize(("runs", "torrent_stays"), [("seeder-foo", True), ("peer-foo", False)])
def test_what_runs_keeps_what_it_needs(runs, torrent_stays):
    leave("seeder-foo")
    leave("peer-foo")
    leave(runs, os.getpid())
    keep("foo", b"torrent", "/srv/build")
    removed, running = cleaning.clean("foo")
    assert running == [runs]
    assert f"{runs}.json" in left()
    assert not any(os.path.basename(path).startswith(f"{runs}.") for path in removed)
    assert os.path.exists(os.path.join(state_directory(), "torrents", "foo.torrent")) is torrent_stays


@pytest.mark.parametrize("tag", ["../x", "a/b", ""])
def test_a_tag_cannot_lead_elsewhere(tag):
    with pytest.raises(BadInput):
        cleaning.clean(tag)


def dismissed(kind):
    """Return what `dismiss_all` comes to; nothing in it waits here."""
    outcome = []
    Deferred.fromCoroutine(cleaning.dismiss_all(None, kind)).addBoth(outcome.append)
    return outcome[0]


def test_all_of_a_kind_end_and_no_other(monkeypatch):
    asked = []

    async def dismiss(reactor, name):
        asked.append(name)

    monkeypatch.setattr(cleaning, "dismiss", dismiss)
    for name in ("peer-foo", "peer-bar", "seeder-foo", "tracker"):
        leave(name, os.getpid())
    leave("peer-ended")
    assert dismissed("peer") == ["peer-bar", "peer-foo"]
    assert asked == ["peer-bar", "peer-foo"]
    assert dismissed("tracker").check(BadInput)


def test_one_that_does_not_go_does_not_keep_the_others(monkeypatch):
    asked = []

    async def dismiss(reactor, name):
        asked.append(name)
        if name == "peer-bar":
            raise MurderError("peer-bar does not end")

    monkeypatch.setattr(cleaning, "dismiss", dismiss)
    leave("peer-foo", os.getpid())
    leave("peer-bar", os.getpid())
    assert "does not end" in str(dismissed("peer").value)
    assert asked == ["peer-bar", "peer-foo"]


def test_who_hangs_keeps_nobody_from_being_told(monkeypatch):
    asked, gone = [], Deferred()

    async def dismiss(reactor, name):
        asked.append(name)
        await gone

    monkeypatch.setattr(cleaning, "dismiss", dismiss)
    leave("peer-foo", os.getpid())
    leave("peer-bar", os.getpid())
    ending = Deferred.fromCoroutine(cleaning.dismiss_all(None, "peer"))
    assert asked == ["peer-bar", "peer-foo"]
    gone.callback(None)
    assert ending.result == ["peer-bar", "peer-foo"]


@pytest.fixture
def data(tmp_path):
    """A directory with things in it, one of them a link to what is precious."""
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").write_text("mine")
    full = tmp_path / "data" / "foo"
    (full / "sub").mkdir(parents=True)
    (full / "sub" / "file").write_text("old")
    (full / "link").symlink_to(tmp_path / "precious")
    (full / "sub" / "link").symlink_to(tmp_path / "precious")
    (tmp_path / "data" / "foobar").mkdir()
    return tmp_path / "data"


def test_a_directory_is_emptied_and_only_it(data, tmp_path):
    assert cleaning.empty(str(data / "foo")) == 2
    assert (os.listdir(data / "foo"), sorted(os.listdir(data))) == ([], ["foo", "foobar"])
    assert (tmp_path / "precious" / "file").read_text() == "mine"
    assert cleaning.empty(str(data / "none")) == 0


@pytest.mark.parametrize("link", ["last", "middle"])
def test_nothing_is_emptied_through_a_link(data, tmp_path, link):
    (tmp_path / "last").symlink_to(data / "foo")
    (tmp_path / "middle").symlink_to(data)
    with pytest.raises(StorageError, match="reached through a link"):
        cleaning.empty(str(tmp_path / ("last" if link == "last" else "middle/foo")))
    assert (data / "foo" / "sub" / "file").exists()


def test_what_is_seeded_and_our_own_files_are_not_emptied(data, home):
    (home / ".murder").mkdir()
    for root, needed in ((data, data / "foo"), (data / "foo" / "sub", data / "foo"), (home, None)):
        with pytest.raises(StorageError, match="nothing was deleted"):
            cleaning.empty(str(root), None if needed is None else str(needed))
    assert (data / "foo" / "sub" / "file").exists()


def test_a_file_is_no_directory_to_be_emptied(data):
    with pytest.raises(StorageError, match="is no directory"):
        cleaning.empty(str(data / "foo" / "sub" / "file"))


@pytest.mark.parametrize("path", ["/srv", "/", "relative/x", "/srv/../etc/x"])
def test_what_is_emptied_is_two_levels_deep(path):
    request = control.Stage("foo", "0" * 64, path, "plain", None, True)
    with pytest.raises(BadInput):
        staging._make_empty(request)


@pytest.mark.parametrize(("layout", "empty"), [("plain", False), ("release", True), ("temporary", True)])
def test_nothing_is_emptied_unasked(data, layout, empty):
    request = control.Stage("foo", "0" * 64, str(data / "foo"), layout, None, empty)
    assert staging._make_empty(request) == 0
    assert (data / "foo" / "sub" / "file").exists()
