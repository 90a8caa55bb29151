"""Taking files over from an older release where the file system clones: btrfs in an image of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo import tree
from murder_fabric.metainfo.holdings import Holdings
from murder_fabric.storage.checking import verify_tree
from murder_fabric.storage.creation import create_metainfo
from murder_fabric.storage.payload import Payload
from murder_fabric.storage.reuse import Former, reuse

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root"),
    pytest.mark.skipif(shutil.which("mkfs.btrfs") is None, reason="mkfs.btrfs is not installed"),
]


@pytest.fixture
def cloning(tmp_path: Path) -> Iterator[Path]:
    """A directory on btrfs."""
    image, place = tmp_path / "image", tmp_path / "btrfs"
    place.mkdir()
    with open(image, "wb") as file:
        file.truncate(120 << 20)
    subprocess.run(["mkfs.btrfs", "-q", str(image)], check=True)
    mounted = subprocess.run(["mount", "-o", "loop", str(image), str(place)], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"btrfs cannot be mounted here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def used(place: Path) -> int:
    """Return the bytes that the data of a file system takes on the disk."""
    os.sync()
    found = os.statvfs(place)
    return (found.f_blocks - found.f_bfree) * found.f_frsize


def test_a_clone_takes_no_room_and_shares_nothing_that_can_be_changed(cloning: Path) -> None:
    live, root = cloning / "v1", cloning / "v2"
    tree.generate(live, 30_000_000, 60)
    metainfo = create_metainfo(str(live), None)
    holdings = Holdings.none(metainfo.info)
    payload = Payload(metainfo.info, str(root))
    payload.prepare()
    before = used(cloning)
    reused = reuse(metainfo, str(root), holdings, [Former("v1", metainfo, str(live))])
    payload.finish(metainfo.mtimes)
    payload.close()
    assert holdings.pieces.complete
    assert reused.bytes_of == {"v1": metainfo.info.geometry.length}
    verify_tree(metainfo.info, str(root), mtimes=metainfo.mtimes)
    assert tree.differences(live, root) == []
    assert used(cloning) - before < 5_000_000
    big, original = root / "bin/big-file.bin", live / "bin/big-file.bin"
    assert original.stat().st_nlink == 1
    assert big.stat().st_ino != original.stat().st_ino
    was = original.read_bytes()
    big.chmod(0o600)
    big.write_bytes(b"changed")
    assert original.read_bytes() == was
    assert original.stat().st_mode & 0o777 == 0o644
