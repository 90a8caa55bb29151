"""What an earlier torrent left in an unfinished tree goes; what may still be right stays."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from murder_fabric.errors import StorageError
from murder_fabric.metainfo.values import Info
from murder_fabric.storage.checking import verify_tree
from murder_fabric.storage.clearing import remove_entry, remove_strangers
from murder_fabric.storage.creation import create_metainfo

#: The user and the group that own nothing.
NOBODY = 65534


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    (root / "sub/deep").mkdir(parents=True)
    (root / "file").write_bytes(b"file")
    (root / "sub/deep/file").write_bytes(b"deep")
    (root / "sub/link").symlink_to("deep")
    return root


@pytest.fixture
def info(tree: Path) -> Info:
    return create_metainfo(str(tree), None).info


def test_a_tree_that_is_as_it_should_be_loses_nothing(tree: Path, info: Info) -> None:
    assert remove_strangers(info, str(tree)) == 0
    verify_tree(info, str(tree))


def test_what_the_torrent_does_not_speak_of_goes(tree: Path, info: Info) -> None:
    (tree / "old").write_bytes(b"old")
    (tree / "sub/old/older").mkdir(parents=True)
    (tree / "sub/old/older/file").write_bytes(b"old")
    (tree / "sub/deep/dangling").symlink_to("nowhere")
    assert remove_strangers(info, str(tree)) == 3
    verify_tree(info, str(tree))


def test_what_is_of_another_kind_goes_and_what_may_be_right_stays(tree: Path, info: Info) -> None:
    for path in ("file", "sub/link"):
        (tree / path).unlink()
    (tree / "file").mkdir()
    (tree / "sub/link").write_bytes(b"not a link")
    assert remove_strangers(info, str(tree)) == 2
    assert sorted(os.listdir(tree)) == ["sub"]
    assert (tree / "sub/deep/file").read_bytes() == b"deep"


def as_somebody(work: Callable[[], None]) -> int:
    """Do *work* in a child that is not root, as root may do anything; return how it ended."""
    child = os.fork()
    if not child:
        try:
            if not os.geteuid():
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1]


def test_a_directory_that_is_closed_even_to_its_owner_goes(tree: Path, info: Info) -> None:
    (tree / "old/closed").mkdir(parents=True)
    (tree / "old/closed/file").write_bytes(b"old")
    if not os.geteuid():
        for path, _, _ in [*os.walk(tree)]:
            os.chown(path, NOBODY, NOBODY)
    (tree / "old/closed").chmod(0o555)
    (tree / "old").chmod(0)
    directory = os.open(tree, os.O_RDONLY)
    try:
        assert as_somebody(lambda: remove_entry("old", dir_fd=directory)) == 0
    finally:
        os.close(directory)
    verify_tree(info, str(tree))


def test_a_link_is_removed_and_not_followed(tree: Path, info: Info, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/precious").write_bytes(b"precious")
    (tree / "old").symlink_to(tmp_path / "elsewhere")
    assert remove_strangers(info, str(tree)) == 1
    assert (tmp_path / "elsewhere/precious").read_bytes() == b"precious"


def test_a_root_that_is_not_there_is_named(tree: Path, info: Info, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"No such file or directory: .*/missing"):
        remove_strangers(info, str(tmp_path / "missing"))
