"""Row 81 in plain destinations: somebody without rights puts other directories, and links, in their place."""

from __future__ import annotations

import os
import subprocess

import pytest

from murder_fabric import control
from murder_fabric.agent import cleaning, staging
from murder_fabric.agent.staging import discard, stage
from murder_fabric.errors import StorageError
from murder_fabric.storage.creation import create_metainfo

#: Somebody who is neither we nor root; only root can give him anything, or be him.
STRANGER = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")


@pytest.fixture
def staged(tmp_path):
    """Stage a payload that has nothing yet, plainly at a path."""
    (tmp_path / "source/deep").mkdir(parents=True)
    (tmp_path / "source/deep/empty").touch()
    (tmp_path / "source/file").write_bytes(b"x" * 70_000)
    metainfo = create_metainfo(str(tmp_path / "source"), None)

    def run(path):
        return stage(control.Stage("foo", metainfo.info.digest.hex(), str(path), "plain"), metainfo.encode())

    return run


@pytest.fixture
def secret(tmp_path):
    """What only we may enter; in it there is a directory that is called as the destination."""
    root = tmp_path / "secret"
    for name in ("mine", "data/deep/mine", "data/mine"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("mine")
    root.chmod(0o700)
    return root


def names(root):
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


ALL_OF_IT = ["data", "data/deep", "data/deep/mine", "data/mine", "mine"]


@pytest.fixture
def his(tmp_path):
    """A directory of the stranger's, in which there is one of ours."""
    home = tmp_path / "home"
    (home / "srv").mkdir(parents=True)
    os.chown(home, STRANGER, STRANGER)
    return home


def as_stranger(home, *commands):
    for command in commands:
        subprocess.run(command, cwd=home, user=STRANGER, group=STRANGER, extra_groups=[], check=True)


def swap(home, secret):
    """Lead what is called `home/srv/data` elsewhere: no link is its last name."""
    as_stranger(home, ["mv", "srv", "away"], ["ln", "-s", secret, "srv"])


@pytest.mark.parametrize("where", ["data", "data/foo"])
@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o2777])
def test_a_plain_destination_that_everybody_can_write_to_is_refused(staged, tmp_path, where, mode):
    (tmp_path / "data").mkdir()
    (tmp_path / "data").chmod(mode)
    if where == "data" or not mode & 0o1000:  # below a sticky one is as good as below /tmp
        with pytest.raises(StorageError, match=r"by everybody; nothing was changed\. chmod o-w \S+/data$"):
            staged(tmp_path / where)
        assert names(tmp_path / "data") == []
    (tmp_path / "data").chmod(0o755)
    discard(staged(tmp_path / where))
    assert names(tmp_path / "data") == []


@pytest.mark.parametrize("mode", [0o755, 0o700, 0o2775])
def test_a_plain_destination_of_ours_may_lie_behind_a_link_of_ours_in_a_directory_like_tmp(
    staged, tmp_path, mode
):
    (tmp_path / "tmp/data").mkdir(parents=True)
    (tmp_path / "tmp").chmod(0o1777)
    (tmp_path / "tmp/data").chmod(mode)
    (tmp_path / "link").symlink_to(tmp_path / "tmp/data")
    for place in ("link", "tmp/data"):
        taken = staged(tmp_path / place)
        assert names(tmp_path / "tmp/data") == ["deep", "deep/empty"]
        taken.payload.close()
        discard(taken)
        assert names(tmp_path / "tmp") == ["data"]


@as_root
def test_a_plain_destination_of_somebody_else_is_refused(staged, tmp_path):
    (tmp_path / "data").mkdir()
    os.chown(tmp_path / "data", STRANGER, STRANGER)
    with pytest.raises(StorageError, match=r"data belongs to .*nothing was changed\. chown -h root"):
        staged(tmp_path / "data")
    assert names(tmp_path / "data") == []


@as_root
@pytest.mark.parametrize("was_there", [True, False])
def test_row_81_what_was_not_verified_is_not_removed_where_it_is_not(staged, his, secret, was_there):
    if was_there:
        (his / "srv/data").mkdir()
    taken = staged(his / "srv/data")
    taken.payload.close()
    swap(his, secret)
    discard(taken)
    assert names(secret) == ALL_OF_IT


@as_root
def test_a_link_in_the_place_of_a_directory_that_we_made_stays(staged, his, secret):
    os.chown(his / "srv", STRANGER, STRANGER)
    taken = staged(his / "srv/data")
    taken.payload.close()
    as_stranger(his / "srv", ["mv", "data", "away"], ["ln", "-s", secret / "data", "data"])
    discard(taken)
    assert names(secret) == ALL_OF_IT


@as_root
@pytest.mark.parametrize("was_there", [True, False])
def test_row_81_what_is_swapped_after_we_looked_is_neither_written_to_nor_emptied(
    staged, his, secret, was_there, monkeypatch
):
    if was_there:
        (his / "srv/data").mkdir()
    looked = staging._must_have_room

    def look_and_see_it_swapped(*what):
        looked(*what)
        swap(his, secret)

    monkeypatch.setattr(staging, "_must_have_room", look_and_see_it_swapped)
    with pytest.raises(StorageError, match="and is no more; nothing was written or deleted"):
        staged(his / "srv/data")
    assert names(secret) == ALL_OF_IT


@as_root
def test_a_directory_of_somebody_else_is_not_emptied(tmp_path, secret):
    os.chown(secret / "data", STRANGER, STRANGER)
    with pytest.raises(StorageError, match=r"data belongs to .*nothing was changed"):
        cleaning.empty(str(secret / "data"))
    assert names(secret) == ALL_OF_IT


@as_root
def test_row_81_what_is_emptied_is_what_was_looked_at(his, secret, monkeypatch):
    (his / "srv/data/deep").mkdir(parents=True)
    (his / "srv/data/a-file").touch()
    unlink = os.unlink

    def unlink_and_be_swapped(*what, **where):
        unlink(*what, **where)
        swap(his, secret)

    monkeypatch.setattr(os, "unlink", unlink_and_be_swapped)
    assert cleaning.empty(str(his / "srv/data")) == 2
    assert (names(secret), names(his / "away/data")) == (ALL_OF_IT, [])


@as_root
def test_row_81_what_is_swapped_before_it_is_emptied_stays(his, secret, monkeypatch):
    (his / "srv/data").mkdir()
    monkeypatch.setattr(cleaning, "must_be_trusted", lambda path: swap(his, secret), raising=False)
    with pytest.raises(StorageError, match="was replaced while we looked at it; nothing was deleted"):
        cleaning.empty(str(his / "srv/data"))
    assert names(secret) == ALL_OF_IT
