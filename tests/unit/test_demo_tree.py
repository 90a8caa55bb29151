"""The demonstration's tree is the same every time, and its comparison sees every kind of difference."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from demo import demo, tree


@pytest.fixture
def source(tmp_path: Path) -> Path:
    tree.generate(tmp_path / "source", length=200_000, count=300)
    return tmp_path / "source"


def copied(source: Path) -> Path:
    return Path(shutil.copytree(source, source.with_name("copy"), symlinks=True))


def test_the_same_tree_comes_out_every_time(source: Path, tmp_path: Path) -> None:
    tree.generate(tmp_path / "again", length=200_000, count=300)
    assert tree.differences(source, tmp_path / "again") == []


def test_it_has_what_a_deploy_may_get_wrong(source: Path) -> None:
    entries = list(source.rglob("*"))
    files = [entry for entry in entries if entry.is_file() and not entry.is_symlink()]
    assert abs(len(files) - 300) <= 1
    assert 0.9 < sum(entry.stat().st_size for entry in files) / 200_000 < 1.1
    assert any(entry.stat().st_size == 0 for entry in files)
    assert any(os.access(entry, os.X_OK) for entry in files)
    assert any(entry.is_symlink() for entry in entries)
    assert any(entry.is_dir() and not any(entry.iterdir()) for entry in entries)


def test_as_many_entries_change_as_are_said_to(source: Path) -> None:
    before = copied(source)
    said = tree.change(source)
    assert len(tree.differences(before, source)) in range(
        said, said + 3
    )  # a file made or gone, a directory moved


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda at: (at / "bin/tool-0000").unlink(), "bin/tool-0000 is missing"),
        (lambda at: (at / "extra").touch(), "extra should not be there"),
        (
            lambda at: (at / "bin/tool-0001").write_bytes(b"#!/bin/sh\necho tool 2\n"),
            "bin/tool-0001 has other bytes",
        ),
        (lambda at: (at / "bin/tool-0001").chmod(0o700), "bin/tool-0001 is a file of 22 bytes with mode 700"),
        (lambda at: (at / "var/empty").rmdir(), "var/empty is missing"),
        (
            lambda at: ((at / "bin/latest").unlink(), (at / "bin/latest").symlink_to("x")),
            "bin/latest is a link to x",
        ),
    ],
)
def test_a_difference_is_named(source: Path, spoil: object, expected: str) -> None:
    copy = copied(source)
    assert callable(spoil)
    spoil(copy)
    (found,) = tree.differences(source, copy)
    assert found.startswith(expected)


@pytest.mark.parametrize(
    ("text", "length"), [("200MB", 200_000_000), ("1.5 g", 1_500_000_000), ("64k", 64_000), ("7", 7)]
)
def test_sizes(text: str, length: int) -> None:
    assert demo.size(text) == length


@pytest.mark.parametrize("text", ["", "MB", "-1MB", "200 TB", "200MiB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no size"):
        demo.size(text)
