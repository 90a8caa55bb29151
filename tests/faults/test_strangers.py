"""Row 81: a stranger on a host puts links and pipes where we are about to write, read or remove."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time

import pytest
import stranger
from extent import so_many
from host_life import HostLife, write_tree

from murder_fabric.errors import MurderError

FILES = {
    **{f"open/deep-{number}/file": b"1" * 300 for number in range(stranger.NAMES)},
    **{f"open/data-{number}": b"2" * 30_000 for number in range(2)},
    **{"deep/small": b"3", "big": b"4", "empty": b""},
}
#: Seconds for all of it, on a busy machine.
PATIENCE = 900.0


def told(root):
    """Return all there is to say about a directory and what is in it."""
    found = {}
    for path in [root, *sorted(root.rglob("*"))]:
        status = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        found[str(path)] = (status.st_mode, status.st_uid, status.st_nlink, status.st_mtime_ns, content)
    return found


def release(place, number):
    """Return a tree with a directory that anybody may write to, of which some is as it was before."""
    root = write_tree(place, {**FILES, "open/deep-1/file": b"%d" % number})
    (root / "open").chmod(0o777)
    return root


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_row_81_a_stranger_who_swaps_files_for_links_has_nothing_of_ours_changed_elsewhere(tmp_path):
    secret = tmp_path / "secret"
    secret.mkdir()
    for name in ("file", "data-0"):
        (secret / name).write_bytes(b"1" * 300)
    before = told(secret)
    trees = [release(tmp_path / f"tree{number}", number) for number in range(2)]
    life = HostLife(tmp_path / "app", {f"v{number}": trees[number % 2] for number in range(400)})
    life.deploy("v0")
    command = [sys.executable, stranger.__file__, str(life.app), str(secret), str(so_many(5000, 200_000))]
    somebody = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    deadline, number = time.monotonic() + PATIENCE, 0
    try:
        while (somebody.poll() is None or number < 5) and number + 1 < len(life.trees):
            assert time.monotonic() < deadline, "the stranger does not come to an end"
            number += 1
            with contextlib.suppress(MurderError):  # he may well be in our way
                life.deploy(f"v{number}")
        said, _ = somebody.communicate(timeout=PATIENCE)
    finally:
        somebody.kill()
        somebody.wait()
    assert told(secret) == before
    assert said == "0\n"  # never was a name of ours his
    life.deploy("v1")
    assert life.current() == "v1"
    assert life.leftovers() == []
