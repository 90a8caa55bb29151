"""Permission bits go to what was meant, whoever swaps it for something else between two calls."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pytest

from murder_fabric.agent.files import move_directory
from murder_fabric.agent.removal import remove_tree
from murder_fabric.errors import StorageError
from murder_fabric.metainfo.values import FileEntry
from murder_fabric.storage.directories import Directories
from murder_fabric.storage.modes import set_mode
from murder_fabric.storage.open_files import OpenFiles


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A directory and a file of somebody, that no mode of ours is for."""
    made = tmp_path / "secret"
    made.mkdir(mode=0o755)
    (made / "file").write_bytes(b"precious")
    (made / "file").chmod(0o644)
    return made


def modes(place: Path) -> list[int]:
    return [stat.S_IMODE(path.stat().st_mode) for path in (place, place / "file")]


def swap_at(monkeypatch: pytest.MonkeyPatch, call: str, name: str, swap: object) -> None:
    """Let *swap* happen once, as soon as `os.call` has answered for what is called *name*."""
    real, left = getattr(os, call), [swap]

    def swapping(path, *args, **options):
        answer = real(path, *args, **options)
        if left and path in (name, os.fsencode(name)):
            left.pop()()
        return answer

    monkeypatch.setattr(os, call, swapping)


def test_what_is_closed_even_to_its_owner_gets_its_mode(tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir(mode=0)
    (tmp_path / "file").touch(mode=0)
    here = os.open(tmp_path, os.O_RDONLY)
    set_mode(b"directory", 0o751, dir_fd=here)
    set_mode(str(tmp_path / "file"), 0o640)
    os.close(here)
    found = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("directory", "file")]
    assert found == [0o751, 0o640]


@pytest.mark.parametrize("put", ["link to a directory", "link to a file", "second name", "pipe"])
def test_what_is_not_ours_alone_gets_no_mode(tmp_path: Path, secret: Path, put: str) -> None:
    place = tmp_path / "place"
    if put == "second name":
        os.link(secret / "file", place)
    elif put == "pipe":
        os.mkfifo(place)
    else:
        place.symlink_to(secret if put == "link to a directory" else secret / "file")
    before, taken = place.lstat().st_mode, len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match="Somebody put something else in its place"):
        set_mode(str(place), 0o600)
    assert (place.lstat().st_mode, modes(secret)) == (before, [0o755, 0o644])
    assert len(os.listdir("/proc/self/fd")) == taken


def test_a_directory_that_is_swapped_while_a_tree_is_removed_is_left_alone(
    tmp_path: Path, secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / "tree" / "open" / "deep"
    deep.mkdir(parents=True)
    deep.chmod(0o500)

    def swap() -> None:
        deep.rename(tmp_path / "away")
        deep.symlink_to(secret)

    swap_at(monkeypatch, "stat", "deep", swap)
    with pytest.raises(StorageError, match=r"deep cannot be removed: Somebody put something else"):
        remove_tree(str(tmp_path / "tree"))
    assert modes(secret) == [0o755, 0o644]
    assert (secret / "file").read_bytes() == b"precious"


def test_a_tree_closed_to_its_owner_is_removed_with_what_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "tree" / "a" / "b").mkdir(parents=True)
    (tmp_path / "tree" / "a" / "b" / "file").touch()
    (tmp_path / "tree" / "link").symlink_to("a")
    for closed in ("a/b", "a", ""):
        (tmp_path / "tree" / closed).chmod(0)
    remove_tree(str(tmp_path / "tree"))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("kind", ["link", "other file"])
def test_a_file_that_is_swapped_as_it_is_opened_is_not_written_to(
    tmp_path: Path, secret: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    (tmp_path / "tree").mkdir()
    target = tmp_path / "tree" / "file"
    target.write_bytes(b"old")
    target.chmod(0o400 if kind == "link" else 0o600)

    def swap() -> None:
        target.unlink()
        if kind == "link":
            target.symlink_to(secret / "file")
        else:
            os.link(secret / "file", target)

    swap_at(monkeypatch, "stat", "file", swap)
    entry = FileEntry((b"file",), 3)
    files = OpenFiles([entry], Directories(str(tmp_path / "tree")))
    with pytest.raises(OSError, match=r"Somebody put something else|in the place of a file"):
        files.for_writing(0)
    assert modes(secret) == [0o755, 0o644]
    assert (secret / "file").read_bytes() == b"precious"


def test_a_closed_directory_that_was_moved_is_closed_again_and_what_took_its_place_is_not_touched(
    tmp_path: Path, secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release, real, tried = tmp_path / "v1", os.rename, []
    release.mkdir(mode=0o500)

    def rename(path, target):
        tried.append(path)
        if len(tried) == 1:  # as it is for who is not root
            raise PermissionError
        real(path, target)

    monkeypatch.setattr(os, "rename", rename)
    move_directory(str(release), str(tmp_path / "moved"))
    assert stat.S_IMODE((tmp_path / "moved").stat().st_mode) == 0o500
    shutil.rmtree(tmp_path / "moved")
    release.symlink_to(secret)
    tried.clear()
    with pytest.raises(OSError, match="Somebody put something else"):
        move_directory(str(release), str(tmp_path / "moved"))
    assert modes(secret) == [0o755, 0o644]
