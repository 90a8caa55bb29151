"""Where releases lie on a host: the lock, what killed runs leave, the switch while others read."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from pathlib import Path

import pytest

from murder_fabric.agent.destination import Destination, expand, expand_source
from murder_fabric.agent.holding import make_ready
from murder_fabric.agent.releases import list_releases
from murder_fabric.control import Prepare
from murder_fabric.errors import BadInput, MurderError, StorageError, UnfitError

RUN, OTHER_RUN = "a1" * 8, "b2" * 8


@pytest.fixture
def app(tmp_path: Path) -> Destination:
    made = Destination(str(tmp_path / "srv" / "app"))
    made.prepare()
    return made


def release(app: Destination, tag: str, text: str = "") -> None:
    staging = Path(app.staging(tag))
    staging.mkdir()
    (staging / "version").write_text(text or tag)
    app.commit(tag, "d1", b"torrent")


def tree_of(root: Path) -> list[str]:
    return sorted(str(path) for path in root.rglob("*"))


def test_to_look_whether_a_destination_fits_makes_nothing(tmp_path: Path) -> None:
    app = Destination(str(tmp_path / "srv" / "app"))
    app.must_fit()
    app.must_be_free()
    free, inodes = app.room(None)
    assert free > 0
    assert inodes is None or inodes > 0
    assert tree_of(tmp_path) == []


def test_a_directory_above_that_is_none_is_found_without_making_anything(tmp_path: Path) -> None:
    (tmp_path / "srv").write_text("a file")
    for below in ("srv/app", "srv"):
        with pytest.raises(StorageError, match=f"{tmp_path}/{below} is no directory, or lies below a file"):
            Destination(str(tmp_path / below)).must_fit()
        with pytest.raises(UnfitError, match="is no directory, or lies below a file") as caught:
            Destination(str(tmp_path / below)).prepare()
        assert caught.value.exit_code == 2


@pytest.mark.parametrize("place", ["", "releases", ".murder"])
def test_a_directory_that_cannot_be_written_is_found_without_writing(
    app: Destination, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """Root may write anywhere, so the answer is the kernel's in name only."""
    closed = str(Path(app.path) / place)
    monkeypatch.setattr(os, "access", lambda path, mode: path != closed)
    with pytest.raises(StorageError, match=f"{closed}: Permission denied"):
        app.must_fit()


def test_a_run_that_has_the_lock_is_seen_and_not_disturbed(app: Destination) -> None:
    Destination(app.path).must_be_free()
    assert app.lock(RUN, "ann@desk")
    with pytest.raises(MurderError, match=r"busy: .* is being deployed to by ann@desk"):
        Destination(app.path).must_be_free()
    assert RUN in (Path(app.own) / "lock").read_text()
    app.unlock()
    Destination(app.path).must_be_free()


def test_what_is_made_beside_the_releases_is_ours_alone(app: Destination) -> None:
    assert sorted(os.listdir(app.path)) == [".murder", "releases"]
    assert Path(app.own).stat().st_mode & 0o777 == 0o700
    assert app.current() is None


def test_a_release_has_a_receipt_and_nothing_of_ours_in_it(app: Destination) -> None:
    release(app, "v1")
    receipt = app.receipt("v1")
    assert receipt is not None
    assert (receipt["tag"], receipt["digest"]) == ("v1", "d1")
    assert os.listdir(app.release("v1")) == ["version"]
    assert (Path(app.own) / "torrents" / "v1").read_bytes() == b"torrent"


def test_switching_and_going_back(app: Destination) -> None:
    release(app, "v1")
    release(app, "v2")
    assert app.switch("v1") is None
    assert app.switch("v2") == "v1"
    assert os.readlink(f"{app.path}/current") == "releases/v2"
    app.switch_back("v2", "v1")
    assert app.current() == "v1"
    app.switch_back("v1", None)
    assert app.current() is None


def test_only_the_switch_that_was_made_is_taken_back(app: Destination) -> None:
    release(app, "v1")
    release(app, "v2")
    app.switch("v2")
    app.switch_back("v1", None)
    assert app.current() == "v2"


def test_going_back_to_a_release_that_somebody_else_made(app: Destination) -> None:
    """As after the `mv` that we tell people to do: it has no receipt, but it was current."""
    os.mkdir(app.release("before-murder"))
    os.symlink("releases/before-murder", f"{app.path}/current")
    release(app, "v1")
    assert app.switch("v1") == "before-murder"
    app.switch_back("v1", "before-murder")
    assert app.current() == "before-murder"


@pytest.mark.parametrize("name", ["1.0+build.5", "_live", "release 7"])
def test_going_back_to_a_release_with_a_name_we_would_not_give(app: Destination, name: str) -> None:
    os.mkdir(f"{app.path}/releases/{name}")
    os.symlink(f"releases/{name}", f"{app.path}/current")
    release(app, "v1")
    app.switch_back("v1", app.switch("v1"))
    assert app.current() == name


@pytest.mark.parametrize("previous", ["", ".", "..", "../..", "v0/x", "/etc"])
def test_going_back_never_leads_out_of_the_releases(app: Destination, previous: str) -> None:
    release(app, "v1")
    app.switch("v1")
    with pytest.raises(BadInput, match="names no release"):
        app.switch_back("v1", previous)
    assert app.current() == "v1"


def test_what_was_not_verified_is_not_switched_to(app: Destination) -> None:
    with pytest.raises(StorageError, match="was not verified"):
        app.switch("v1")
    os.mkdir(app.release("v1"))
    with pytest.raises(StorageError, match="not a release of ours"):
        app.switch("v1")
    assert not os.path.lexists(f"{app.path}/current")


def test_a_receipt_that_a_crash_left_without_its_release_means_nothing(app: Destination) -> None:
    (Path(app.own) / "receipts" / "v1").write_text(json.dumps({"tag": "v1", "digest": "old"}))
    assert app.receipt("v1") is None
    release(app, "v1")
    receipt = app.receipt("v1")
    assert receipt is not None
    assert receipt["digest"] == "d1"


@pytest.mark.parametrize(
    "damage",
    [b"", b"{", b"[]", b'{"digest": 7}', b'{"tag": "v0", "digest": "d"}', b"\xff" * 100, b"[" * 60_000],
)
def test_a_damaged_receipt_makes_a_stranger_of_a_release(app: Destination, damage: bytes) -> None:
    release(app, "v1")
    (Path(app.own) / "receipts" / "v1").write_bytes(damage)
    with pytest.raises(StorageError, match="not a release of ours; nothing was changed"):
        app.receipt("v1")


@pytest.mark.parametrize("kind", ["file", "dangling link", "link elsewhere", "directory"])
def test_what_has_the_name_of_a_release_is_refused_before_it_is_fetched(app: Destination, kind: str) -> None:
    """Row 36: it stays as it is."""
    release(app, "v1")
    place = Path(app.release("v2"))
    if kind == "file":
        place.write_text("precious")
    elif kind == "directory":
        place.mkdir()
    else:
        place.symlink_to("nowhere" if kind == "dangling link" else "v1")
    before = os.lstat(place)
    with pytest.raises(UnfitError, match=f"{place} is there already and is not a release of ours; nothing"):
        make_ready(app, Prepare(app.path, "v2", RUN, "mark", "ann@desk"))
    with pytest.raises(StorageError, match="is there already and is not a release of ours"):
        app.switch("v2")
    assert os.lstat(place) == before
    assert not app.is_verified("v2")
    make_ready(app, Prepare(app.path, "v1", RUN, "mark", "ann@desk"))
    make_ready(app, Prepare(app.path, "v3", RUN, "mark", "ann@desk"))


@pytest.mark.parametrize("copied", [False, True])
def test_a_receipt_of_another_destination_says_nothing(
    app: Destination, tmp_path: Path, copied: bool
) -> None:
    """Row 67; nor does it make of a directory what a clean-up may remove."""
    away = Destination(str(tmp_path / "away"))
    away.prepare()
    release(away, "v2")
    release(app, "v1")
    os.mkdir(app.release("v2"))
    if copied:
        shutil.copy(f"{away.own}/receipts/v2", f"{app.own}/receipts/v2")
    assert not app.may_be_current("v2")
    with pytest.raises(StorageError, match="not a release of ours"):
        app.receipt("v2")
    assert {one.tag: bool(one.digest) for one in list_releases(app)} == {"v1": True, "v2": False}


def test_a_receipt_without_an_id_counts_and_is_bound_once_its_release_was_read(app: Destination) -> None:
    release(app, "v1")
    assert app.receipts.is_bound("v1")
    (Path(app.own) / "receipts/v1").write_text(json.dumps({"tag": "v1", "digest": "d1"}))
    assert app.is_verified("v1")
    assert not app.receipts.is_bound("v1")
    app.receipts.bind("v1")
    assert app.receipts.is_bound("v1")


@pytest.mark.parametrize("damage", [b"", b"x" * 32, b"\xff" * 32, b"ab" * 100])
def test_an_id_that_is_none_is_as_one_that_is_lost(app: Destination, damage: bytes) -> None:
    release(app, "v1")
    (Path(app.own) / "id").write_bytes(damage)
    assert app.is_verified("v1")
    assert not app.receipts.is_bound("v1")
    release(app, "v2")  # which draws another
    assert app.is_verified("v1")
    assert [app.receipts.is_bound(tag) for tag in ("v1", "v2")] == [False, True]


def test_readers_never_find_current_missing_or_mixed(app: Destination) -> None:
    """Row 83: four readers during a few thousand switches."""
    release(app, "v1")
    release(app, "v2")
    app.switch("v1")
    over, wrong, reads = threading.Event(), [], [0]

    def read() -> None:
        while not over.is_set():
            try:
                directory = os.open(f"{app.path}/current", os.O_RDONLY | os.O_DIRECTORY)
                seen = os.open("version", os.O_RDONLY, dir_fd=directory)
                if os.read(seen, 10) not in (b"v1", b"v2"):
                    wrong.append("mixed")
                os.close(seen)
                os.close(directory)
                reads[0] += 1
            except OSError as error:
                wrong.append(str(error))

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for number in range(300):
        app.switch(("v2", "v1")[number % 2])
    over.set()
    for reader in readers:
        reader.join()
    assert wrong == []
    assert reads[0] > 100


@pytest.mark.parametrize("target", ["/etc", "../elsewhere", "releases/v1/deep", "."])
def test_a_current_that_leads_elsewhere_is_left_alone(app: Destination, target: str) -> None:
    os.symlink(target, f"{app.path}/current")
    with pytest.raises(StorageError, match="nothing was changed"):
        Destination(app.path).prepare()
    assert os.readlink(f"{app.path}/current") == target


def test_a_current_that_is_a_directory_is_left_alone_and_nothing_made_beside_it(tmp_path: Path) -> None:
    (tmp_path / "app" / "current").mkdir(parents=True)
    with pytest.raises(StorageError, match=r"To keep it as a release: mv .*current .*before-murder"):
        Destination(str(tmp_path / "app")).prepare()
    assert os.listdir(tmp_path / "app") == ["current"]


def test_a_destination_below_a_file_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"/file/app is no directory, or lies below a file; nothing was"):
        Destination(str(tmp_path / "file" / "app")).prepare()


def test_of_two_runs_the_later_is_told_who_has_the_destination(app: Destination) -> None:
    assert app.lock(RUN, "ann@desk")
    later = Destination(app.path)
    with pytest.raises(
        MurderError, match=rf"busy: {app.path} is being deployed to by ann@desk since .*{RUN}"
    ):
        later.lock(OTHER_RUN, "bob@desk")
    app.unlock()
    assert (Path(app.own) / "lock").read_text() == ""
    assert later.lock(OTHER_RUN, "bob@desk")
    later.unlock()


def test_a_second_name_of_the_host_shares_the_lock_of_its_run(app: Destination) -> None:
    assert app.lock(RUN, "ann@desk") is True
    again = Destination(app.path)
    assert again.lock(RUN, "ann@desk") is False
    again.unlock()
    assert RUN in (Path(app.own) / "lock").read_text()
    app.unlock()


def test_each_name_finds_the_marks_of_all_names(app: Destination) -> None:
    app.leave_mark(RUN, "mark1")
    Destination(app.path).leave_mark(RUN, "mark2")
    assert app.marks(RUN) == ["mark1", "mark2"]
    app.clear_marks(RUN)
    assert os.listdir(f"{app.own}/runs") == []


def test_what_killed_runs_left_goes_with_the_next_lock_but_staged_pieces_stay(app: Destination) -> None:
    release(app, "v1")
    app.leave_mark(OTHER_RUN, "mark")
    os.symlink("releases/v1", f"{app.path}/.current-4711")
    (Path(app.own) / "receipts" / ".murder-x1").touch()
    Path(app.staging("v2")).mkdir()
    assert app.lock(RUN, "ann@desk")
    app.leave_mark(RUN, "mark")
    assert os.listdir(f"{app.own}/runs") == [RUN]
    assert sorted(os.listdir(app.path)) == [".murder", "releases"]
    assert os.listdir(f"{app.own}/receipts") == ["v1"]
    assert os.listdir(f"{app.own}/staging") == ["v2"]
    app.unlock()


@pytest.mark.parametrize(
    ("tag", "hours", "left"),
    [
        ("v3", 23, ["v1", "v2"]),
        ("v3", 25, []),
        ("v2", 25, ["v2"]),
        (None, 25, ["v1", "v2"]),
    ],
)
def test_what_nobody_goes_on_with_for_a_day_makes_room_for_another_tag(
    app: Destination, monkeypatch: pytest.MonkeyPatch, tag: str | None, hours: float, left: list[str]
) -> None:
    for staged in ("v1", "v2"):
        (Path(app.staging(staged)) / "dir").mkdir(parents=True)
        (Path(app.staging(staged)) / "dir" / "half").write_bytes(b"half")
        os.utime(Path(app.staging(staged)) / "dir" / "half", (0, 0))
    later = time.time() + hours * 3600
    monkeypatch.setattr("murder_fabric.agent.destination.time.time", lambda: later)
    assert app.lock(RUN, "ann@desk", tag)
    assert sorted(os.listdir(f"{app.own}/staging")) == left
    app.unlock()


def test_what_a_release_has_on_disk_already_is_room_for_it(app: Destination) -> None:
    Path(app.staging("v1")).mkdir()
    (Path(app.staging("v1")) / "half").write_bytes(bytes(1 << 20))
    fresh, inodes = app.room("v2")
    resumed, more_inodes = app.room("v1")
    assert resumed >= fresh + (1 << 20) - (1 << 16)  # others may write to this disk meanwhile
    assert inodes is None or more_inodes is not None


@pytest.mark.parametrize("path", ["relative", "/", "/srv", "//srv", "/srv/../app/x", "~/../x", "", "/a\0/b"])
def test_a_path_that_cannot_be_meant_is_refused(path: str) -> None:
    with pytest.raises(BadInput):
        expand(path)


def test_the_home_directory_is_the_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/deploy")
    assert expand("~/app") == "/home/deploy/app"
    assert expand("/srv//app/") == "/srv/app"


def test_what_is_only_read_may_lie_at_the_top() -> None:
    with pytest.raises(BadInput, match="two directories deep"):
        expand("/build")
    assert expand_source("/build/") == "/build"
    with pytest.raises(BadInput, match="absolute path"):
        expand_source("/srv/../build")


@pytest.mark.parametrize("path", ["srv\n", "~root\0x", "/srv/a\0b", "/srv/\ud800", "\udcff/", "~\x1b[2J"])
def test_a_path_that_is_none_is_refused_on_one_line(path: str) -> None:
    with pytest.raises(BadInput, match="give an absolute path") as refused:
        expand_source(path)
    assert str(refused.value).isprintable()


#: Somebody who is neither we nor root; only root can give him anything.
STRANGER = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give away what is his")


@pytest.fixture
def laid_out(tmp_path: Path) -> Path:
    """A destination as Capistrano leaves it, and we."""
    root = tmp_path / "srv" / "app"
    for name in ("releases", "shared", ".murder/receipts"):
        (root / name).mkdir(parents=True)
    (root / ".murder").chmod(0o700)
    return root


@pytest.mark.parametrize(
    ("name", "modes"),
    [
        ("", [0o777]),
        ("..", [0o777]),
        ("releases", [0o777, 0o1777]),
        ("shared", [0o777, 0o1777]),
        (".murder", [0o777, 0o1777, 0o770]),
        (".murder/receipts", [0o777, 0o1777, 0o770]),
    ],
)
def test_a_destination_that_others_can_write_to_is_refused(
    laid_out: Path, name: str, modes: list[int]
) -> None:
    """Row 81; a group may share the destination itself, as Capistrano's often does."""
    place = laid_out.parent if name == ".." else laid_out / name
    before = tree_of(laid_out)
    for mode in modes:
        place.chmod(mode)
        with pytest.raises(UnfitError, match=rf"nothing was changed.*chmod g?o-w {place}$"):
            Destination(str(laid_out)).prepare()
    assert tree_of(laid_out) == before
    place.chmod(0o755)
    Destination(str(laid_out)).prepare()


def test_a_group_of_ours_and_a_sticky_bit_are_good_enough(laid_out: Path) -> None:
    for name in ("", "releases", "shared"):
        (laid_out / name).chmod(0o2775)
    laid_out.parent.chmod(0o1777)
    Destination(str(laid_out)).prepare()
    laid_out.chmod(0o1777)
    Destination(str(laid_out)).prepare()


@as_root
def test_what_a_group_that_is_not_ours_may_write_to_is_refused(laid_out: Path) -> None:
    for place in (laid_out, laid_out / "releases"):
        os.chown(place, -1, STRANGER)
        place.chmod(0o775)
        with pytest.raises(StorageError, match=rf"the group .*, which is none of ours.*chmod g-w {place}$"):
            Destination(str(laid_out)).must_fit()
        place.chmod(0o755)
    Destination(str(laid_out)).must_fit()


@as_root
@pytest.mark.parametrize("name", ["", "releases", "shared", ".murder", ".murder/receipts"])
def test_what_belongs_to_somebody_else_is_refused(laid_out: Path, name: str) -> None:
    os.chown(laid_out / name, STRANGER, -1)
    with pytest.raises(StorageError, match=rf"{laid_out / name} .*belongs to .*nothing was changed\."):
        Destination(str(laid_out)).must_fit()


@as_root
def test_releases_may_lie_behind_a_link_of_ours_in_a_directory_of_ours(laid_out: Path) -> None:
    (laid_out / "releases").rmdir()
    (laid_out.parent / "big").mkdir()
    (laid_out / "releases").symlink_to(laid_out.parent / "big")
    Destination(str(laid_out)).prepare()
    os.chown(laid_out / "releases", STRANGER, -1, follow_symlinks=False)
    with pytest.raises(StorageError, match=f"{laid_out}/releases belongs to .* chown -h root"):
        Destination(str(laid_out)).must_fit()
    os.chown(laid_out / "releases", 0, -1, follow_symlinks=False)
    os.chown(laid_out.parent / "big", STRANGER, -1)
    with pytest.raises(StorageError, match=f"{laid_out.parent}/big belongs to .* chown -h root"):
        Destination(str(laid_out)).must_fit()


@pytest.mark.parametrize("link", ["app", "srv"])
def test_a_link_that_lies_where_everybody_can_write_is_refused(laid_out: Path, link: str) -> None:
    """Row 81: what it leads to may be closed to all; whoever replaces the link says what is deployed to."""
    everybodys = laid_out.parent.parent / "everybodys"
    everybodys.mkdir()
    (everybodys / link).symlink_to(laid_out if link == "app" else laid_out.parent)
    destination = Destination(str(everybodys / ("app" if link == "app" else "srv/app")))
    everybodys.chmod(0o777)
    with pytest.raises(StorageError, match=f"^{everybodys} can be written by everybody"):
        destination.must_fit()
    everybodys.chmod(0o1777)
    destination.must_fit()


@as_root
def test_whose_name_nobody_knows_is_told_by_number(laid_out: Path) -> None:
    os.chown(laid_out, 4_000_001, 4_000_002)
    with pytest.raises(StorageError, match=r"belongs to user 4000001, who could replace"):
        Destination(str(laid_out)).must_fit()
    os.chown(laid_out, 0, 4_000_002)
    laid_out.chmod(0o775)
    with pytest.raises(StorageError, match=r"by the group 4000002, which is none of ours"):
        Destination(str(laid_out)).must_fit()


def test_records_of_ours_are_not_looked_for_behind_a_link(tmp_path):
    root = tmp_path / "srv" / "app"
    root.mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (root / ".murder").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageError, match="is a link"):
        Destination(str(root)).prepare()
    assert list((tmp_path / "elsewhere").iterdir()) == []
