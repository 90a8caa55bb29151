"""Filling a release from older ones: what is taken over, how, and that the older ones stay as they are."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from murder_fabric.errors import StorageError
from murder_fabric.metainfo.holdings import Holdings
from murder_fabric.metainfo.values import Metainfo
from murder_fabric.storage import replicas
from murder_fabric.storage import reuse as reuse_module
from murder_fabric.storage.checking import check, verify_tree
from murder_fabric.storage.creation import create_metainfo
from murder_fabric.storage.payload import Payload
from murder_fabric.storage.reuse import Former, Reused, reuse

PIECE = 1024
#: Every file of the old tree; each shares its pieces with others.
OLD = {"a": b"a" * 1500, "b": b"b" * 700, "d/c": b"c" * 3000, "d/e": b"e" * 10, "f": b"f" * 2200}


def write(root: Path, files: dict[str, bytes]) -> None:
    for number, (name, content) in enumerate(files.items()):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o640)
        os.utime(path, ns=(10**18 + number, 10**18 + number))


def facts(root: Path) -> dict[str, tuple[bytes, int, int, int]]:
    """Return bytes, mode, time and inode of every file."""
    return {
        str(path.relative_to(root)): (path.read_bytes(), s.st_mode, s.st_mtime_ns, s.st_ino)
        for path in sorted(root.rglob("*"))
        if not path.is_dir() and (s := path.lstat())
    }


class Scene:
    """A source tree, the release `v1` that was made of it, and the staging tree of `v2`."""

    def __init__(self, place: Path) -> None:
        self.source, self.live, self.root = place / "source", place / "v1", place / "v2"
        write(self.source, OLD)
        shutil.copytree(self.source, self.live, symlinks=True)
        self.former = Former(
            "v1", create_metainfo(str(self.source), None, piece_length=PIECE), str(self.live)
        )
        self.before = facts(self.live)
        self.metainfo: Metainfo = self.former.metainfo
        self.holdings = Holdings.none(self.metainfo.info)

    def next_version(self) -> Metainfo:
        self.metainfo = create_metainfo(str(self.source), None, piece_length=PIECE)
        return self.metainfo

    def reuse(self, *formers: Former, fast: bool = False) -> Reused:
        """Fill `v2` as an agent does: from what is there, then from *formers*, v1 if there are none."""
        self.holdings = Holdings.none(self.metainfo.info)
        payload = Payload(self.metainfo.info, str(self.root))
        payload.prepare()
        for index in check(self.metainfo.info, payload):
            self.holdings.pieces.add(index)
        payload.close()
        return reuse(self.metainfo, str(self.root), self.holdings, formers or (self.former,), fast=fast)

    def fetch_the_rest(self) -> int:
        """Write what is lacking, and nothing else, and make the tree a finished one; return the bytes."""
        payload, original = (
            Payload(self.metainfo.info, str(self.root)),
            Payload(self.metainfo.info, str(self.source)),
        )
        fetched = 0
        for index in self.holdings.pieces.missing():
            for begin, length in self.holdings.lacking(index):
                payload.write(index, begin, original.read(index, begin, length))
                fetched += length
        payload.finish(self.metainfo.mtimes)
        payload.close()
        original.close()
        verify_tree(self.metainfo.info, str(self.root), mtimes=self.metainfo.mtimes)
        return fetched

    def links(self) -> set[str]:
        return {
            name for name, fact in facts(self.root).items() if self.before.get(name, (0,) * 4)[3] == fact[3]
        }

    def assert_live_is_as_it_was(self) -> None:
        assert facts(self.live) == self.before


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


@pytest.fixture(autouse=True)
def no_clones(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file system below may be able to clone; what happens where it cannot is to be seen anywhere."""

    def ioctl(clone: int, request: int, source: int) -> int:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(replicas.fcntl, "ioctl", ioctl)


# What is taken over ---------------------------------------------------------------------------------------


def test_the_same_tree_again_is_linked_and_nothing_is_lacking(scene: Scene) -> None:
    reused = scene.reuse()
    assert scene.holdings.pieces.complete
    assert reused.bytes_of == {"v1": sum(map(len, OLD.values()))}
    assert scene.links() == set(OLD)
    assert scene.fetch_the_rest() == 0
    scene.assert_live_is_as_it_was()


def test_of_a_tree_with_one_new_file_only_its_bytes_are_lacking(scene: Scene) -> None:
    (scene.source / "b").write_bytes(b"B" * 701)
    scene.next_version()
    reused = scene.reuse()
    assert reused.bytes_of == {"v1": sum(map(len, OLD.values())) - 700}
    assert scene.holdings.bytes_lacking == 701
    assert scene.fetch_the_rest() == 701
    assert scene.links() == set(OLD) - {"b"}
    scene.assert_live_is_as_it_was()


def test_a_file_that_moved_or_has_a_twin_is_found_by_its_contents(scene: Scene) -> None:
    (scene.source / "d/c").rename(scene.source / "moved")
    shutil.copy2(scene.source / "a", scene.source / "twin")
    scene.next_version()
    scene.reuse()
    assert scene.fetch_the_rest() == 0
    scene.assert_live_is_as_it_was()


def test_what_no_release_has_is_asked_of_all_of_them_and_no_more_than_needed(scene: Scene) -> None:
    def formers() -> Iterator[Former]:
        yield scene.former
        raise AssertionError("nothing is wanted any more")

    scene.holdings = Holdings.none(scene.metainfo.info)
    Payload(scene.metainfo.info, str(scene.root)).prepare()
    reuse(scene.metainfo, str(scene.root), scene.holdings, formers())
    assert scene.holdings.pieces.complete


def test_a_second_release_has_what_the_first_has_not(scene: Scene, tmp_path: Path) -> None:
    older = Scene(tmp_path / "older")
    write(older.source, {"z": b"z" * 900})
    shutil.copytree(older.source, tmp_path / "v0")
    v0 = Former("v0", create_metainfo(str(older.source), None), str(tmp_path / "v0"))
    write(scene.source, {"z": b"z" * 900})
    scene.next_version()
    reused = scene.reuse(scene.former, v0)
    assert reused.bytes_of == {"v1": sum(map(len, OLD.values())), "v0": 900}


def test_of_a_torrent_without_file_hashes_nothing_is_taken(scene: Scene) -> None:
    info = scene.metainfo.info
    without = replace(info, files=tuple(one._replace(sha256=None) for one in info.files))
    scene.metainfo = scene.metainfo._replace(info=without)
    assert scene.reuse() == Reused()
    assert scene.holdings.pieces.have == 0


# How ------------------------------------------------------------------------------------------------------


def test_a_file_with_another_mode_or_time_is_copied_and_gets_its_own(scene: Scene) -> None:
    (scene.source / "a").chmod(0o600)
    os.utime(scene.source / "b", ns=(5, 5))
    scene.next_version()
    scene.reuse()
    assert scene.fetch_the_rest() == 0
    assert scene.links() == set(OLD) - {"a", "b"}
    scene.assert_live_is_as_it_was()


def test_a_live_file_whose_mode_somebody_changed_is_copied(scene: Scene) -> None:
    (scene.live / "a").chmod(0o666)
    scene.before = facts(scene.live)
    scene.reuse()
    assert scene.fetch_the_rest() == 0
    assert "a" not in scene.links()
    scene.assert_live_is_as_it_was()


@pytest.mark.parametrize(
    ("name", "found"),
    [("listxattr", ["security.capability"]), ("geteuid", 12345)],
    ids=["attributes", "owner"],
)
def test_what_a_link_would_carry_along_makes_it_a_copy(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, name: str, found: object
) -> None:
    monkeypatch.setattr(replicas.os, name, lambda *arguments: found)
    scene.reuse()
    monkeypatch.undo()
    assert scene.fetch_the_rest() == 0
    assert scene.links() == set()


def test_a_label_that_every_file_has_does_not(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replicas.os, "listxattr", lambda descriptor: ["security.selinux"])
    scene.reuse()
    assert scene.links() == set(OLD)


@pytest.mark.parametrize("number", [errno.EPERM, errno.EMLINK, errno.EXDEV])
def test_where_the_system_refuses_links_files_are_copied(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def link(*arguments: object, **more: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(replicas.os, "link", link)
    scene.reuse()
    assert scene.fetch_the_rest() == 0
    assert scene.links() == set()
    scene.assert_live_is_as_it_was()


@pytest.mark.parametrize("fault", [None, errno.EXDEV, "missing"])
def test_copies_are_made_with_or_without_the_kernels_help(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, fault: object
) -> None:
    monkeypatch.setattr(replicas, "_link", lambda *arguments: False)
    if fault == "missing":
        monkeypatch.delattr(replicas.os, "copy_file_range")
    elif isinstance(fault, int):

        def refuse(*arguments: object) -> int:
            raise OSError(fault, os.strerror(int(str(fault))))

        monkeypatch.setattr(replicas.os, "copy_file_range", refuse)
    scene.reuse()
    assert scene.fetch_the_rest() == 0


def test_where_the_file_system_clones_every_replica_is_a_file_of_its_own(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ioctl(clone: int, request: int, source: int) -> int:
        assert request == 0x40049409
        os.write(clone, os.pread(source, 1 << 20, 0))
        return 0

    monkeypatch.setattr(replicas.fcntl, "ioctl", ioctl)
    scene.reuse()
    assert scene.fetch_the_rest() == 0
    assert scene.links() == set()
    scene.assert_live_is_as_it_was()


def test_a_live_file_that_is_replaced_in_that_moment_is_not_linked(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = os.link

    def late(*arguments: object, **more: object) -> None:
        (scene.live / "b").rename(scene.live / "was")
        (scene.live / "b").write_bytes(b"other")
        monkeypatch.setattr(replicas.os, "link", link)
        link(*arguments, **more)  # type: ignore[arg-type]

    (scene.source / "a").write_bytes(b"new")
    scene.next_version()
    monkeypatch.setattr(replicas.os, "link", late)
    scene.reuse()
    assert scene.fetch_the_rest() == 3
    assert (scene.root / "b").read_bytes() == OLD["b"]


def test_a_full_disk_is_said_with_the_path(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(replicas, "_link", lambda *arguments: False)
    monkeypatch.setattr(replicas.os, "copy_file_range", full)
    with pytest.raises(StorageError, match=r"No space left on device: .*/v2/a"):
        scene.reuse()
    scene.assert_live_is_as_it_was()


# What is not taken over -----------------------------------------------------------------------------------


def tamper(path: Path) -> None:
    """Change a byte, and leave size and time as they are."""
    status = path.stat()
    path.write_bytes(b"X" + path.read_bytes()[1:])
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_a_live_file_that_was_tampered_with_comes_anew(scene: Scene) -> None:
    tamper(scene.live / "d/c")
    (scene.live / "a").unlink()
    (scene.live / "b").write_bytes(b"longer than before" * 100)
    scene.before = facts(scene.live)
    reused = scene.reuse()
    assert reused.changed == 3
    assert reused.bytes_of == {"v1": 10 + 2200}
    assert scene.fetch_the_rest() == 1500 + 700 + 3000
    scene.assert_live_is_as_it_was()


def test_a_link_in_the_place_of_a_live_file_is_not_followed(scene: Scene, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "c").write_bytes(OLD["d/c"])
    (outside / "b").write_bytes(OLD["b"])
    (scene.live / "b").unlink()
    (scene.live / "b").symlink_to(outside / "b")
    shutil.rmtree(scene.live / "d")
    (scene.live / "d").symlink_to(outside)
    assert scene.reuse().changed == 3
    assert scene.fetch_the_rest() == 700 + 3000 + 10


def test_one_file_in_the_place_of_another_as_long_is_not_taken_for_it(scene: Scene) -> None:
    """Files are known by their inodes, so that what releases share is read once."""
    (scene.source / "b").write_bytes(b"B" * 1500)
    v1 = Former("v1", create_metainfo(str(scene.source), None, piece_length=PIECE), str(scene.live))
    (scene.live / "b").unlink()
    os.link(scene.live / "a", scene.live / "b")
    scene.next_version()
    assert scene.reuse(v1).changed == 1
    assert scene.fetch_the_rest() == 1500


def test_what_two_releases_share_is_read_once(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    tamper(scene.live / "a")
    monkeypatch.setattr(
        reuse_module, "digest_of", lambda descriptor: read.append(os.fstat(descriptor).st_ino)
    )
    scene.reuse(scene.former, replace(scene.former, tag="v0"))
    assert len(read) == len(set(read)) == len(OLD)


def test_fast_believes_size_and_time_and_nothing_else(scene: Scene) -> None:
    tamper(scene.live / "a")
    tamper(scene.live / "b")
    os.utime(scene.live / "b", ns=(1, 1))
    reused = scene.reuse(fast=True)
    assert reused.changed == 1
    assert (scene.root / "a").read_bytes()[:1] == b"X"
    assert scene.holdings.bytes_lacking == 700


def test_fast_reads_again_what_a_try_that_failed_has_left(scene: Scene) -> None:
    """The next try must end otherwise than the one before."""
    tamper(scene.live / "a")
    scene.reuse(fast=True)
    reused = scene.reuse(fast=True)
    assert reused.changed == 1
    assert scene.fetch_the_rest() == PIECE, "the other piece that it has a part in is right"
    assert (scene.live / "a").read_bytes()[:1] == b"X"


def test_an_unreadable_live_file_comes_anew(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def refusing(path: object, *arguments: int, dir_fd: int | None = None) -> int:
        if path == b"f":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return real(path, *arguments, dir_fd=dir_fd)  # type: ignore[arg-type]

    monkeypatch.setattr(replicas.os, "open", refusing)
    assert scene.reuse().changed == 1
    monkeypatch.undo()
    assert scene.fetch_the_rest() == 2200


# Being killed ---------------------------------------------------------------------------------------------


class _Killed(BaseException):
    """What `kill -9` is to the code that it ends."""


CALLS = ["open", "unlink", "link", "close", "copy_file_range", "fstat"]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("links", [True, False], ids=["links", "copies"])
def test_killed_at_any_moment_the_live_release_stays_and_the_next_try_completes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, links: bool
) -> None:
    for moment in (1, 2, 4, 7, 11, 16):
        scene = Scene(tmp_path / str(moment))
        tamper(scene.live / "d/e")
        (scene.source / "b").write_bytes(b"B" * 701)
        scene.before = facts(scene.live)
        scene.next_version()
        with monkeypatch.context() as patch:
            if not links:
                patch.setattr(replicas, "_may_be_shared", lambda *arguments: False)
            _kill_at(patch, call, moment)
            with contextlib.suppress(_Killed):
                scene.reuse()
        scene.assert_live_is_as_it_was()
        scene.reuse()
        assert scene.fetch_the_rest() == 701 + 10
        scene.assert_live_is_as_it_was()


def _kill_at(patch: pytest.MonkeyPatch, call: str, moment: int) -> None:
    real, count = getattr(os, call), 0

    def counting(*arguments: object, **more: object) -> object:
        nonlocal count
        count += 1
        if count == moment:
            raise _Killed
        return real(*arguments, **more)

    patch.setattr(replicas.os, call, counting)


def test_a_piece_that_is_missing_between_files_that_are_there_is_found_after_a_restart(scene: Scene) -> None:
    """Files that came whole count for all pieces that they have a part in, without any older release."""
    for name in ("a", "d/c", "f"):
        (scene.root / name).parent.mkdir(parents=True, exist_ok=True)
        (scene.root / name).write_bytes(OLD[name])
    nothing = Former("v0", scene.metainfo, str(scene.root / "none"))
    reused = scene.reuse(nothing)
    assert reused.bytes_of == {}
    assert scene.holdings.bytes_lacking == 700 + 10


def test_of_a_large_file_that_came_in_part_nothing_is_read_twice(scene: Scene) -> None:
    """Its size is right as soon as its end has come, and its pieces were checked one by one already."""
    scene.root.mkdir()
    with open(scene.root / "f", "wb") as file:
        file.seek(2000)
        file.write(b"f" * 200)
    nothing = Former("v0", scene.metainfo, str(scene.root / "none"))
    scene.reuse(nothing)
    assert not any(file in scene.holdings.files for file in range(5))


def test_modes_of_a_finished_tree_are_exact_whatever_was_linked(scene: Scene) -> None:
    scene.reuse()
    scene.fetch_the_rest()
    assert {stat.S_IMODE((scene.root / name).stat().st_mode) for name in OLD} == {0o640}
