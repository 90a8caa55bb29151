"""A deploy as one host's disk sees it: everything an agent does there, in its order, and nothing else."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from murder_fabric import control
from murder_fabric.agent.destination import Destination
from murder_fabric.agent.leftovers import NEW_LINK
from murder_fabric.agent.release_duties import RELEASE_DUTIES
from murder_fabric.agent.removal import remove_tree
from murder_fabric.agent.staging import Staged, discard, stage, store, verify_staged
from murder_fabric.storage.checking import verify_tree
from murder_fabric.storage.creation import create_metainfo
from murder_fabric.storage.payload import Payload

PIECE = 16384
#: A file of a thousand pieces would only make the same calls more often.
V1 = {"same": b"s" * 40_000, "deep/small": b"1" * 300, "deep/gone": b"g", "big": b"1" * 50_000, "empty": b""}
V2 = {
    "same": b"s" * 40_000,
    "deep/small": b"2" * 301,
    "new/one": b"n" * 20,
    "big": b"2" * 50_000,
    "empty": b"",
}


def write_tree(root: Path, files: dict[str, bytes]) -> Path:
    """Write a tree with a link, an executable, and directories that are closed to writing, its root too."""
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    (root / "big").chmod(0o750)
    (root / "latest").symlink_to("deep/small")
    (root / "deep").chmod(0o555)
    root.chmod(0o555)
    return root


class HostLife:
    """One host: its destination, and the trees that may be deployed there, by tag."""

    def __init__(self, app: Path, trees: dict[str, Path]) -> None:
        self.app = app
        self.trees = trees
        self.torrents = {
            tag: create_metainfo(str(tree), None, piece_length=PIECE, name=b"app")
            for tag, tree in trees.items()
        }

    def deploy(self, tag: str, run: str = "a1" * 8) -> None:
        """Bring *tag* here and switch to it; raises MurderError as an agent would."""
        destination = Destination(str(self.app))
        destination.prepare()
        destination.share(["log"], [])
        assert destination.lock(run, "ann@desk", tag)
        destination.leave_mark(run, "mark")
        try:
            staged = self.stage(tag)
            try:
                self.fill(staged, tag)
                verify_staged(staged, control.Verify(tag, ["log"], "0123abc"))
                self.duty(control.Switch(str(self.app), tag))
                self.duty(control.CleanUp(str(self.app), keep=2))
            finally:
                staged.payload.close()
                discard(staged)
        finally:
            destination.clear_marks(run)
            destination.unlock()

    def stage(self, tag: str) -> Staged:
        """Make ready for *tag*, with what is there already."""
        digest = self.torrents[tag].info.digest.hex()
        return stage(control.Stage(tag, digest, str(self.app)), self.torrents[tag].encode())

    def fill(self, staged: Staged, tag: str) -> int:
        """Store every piece that is missing; return how many those were."""
        info = staged.metainfo.info
        origin = Payload(info, str(self.trees[tag]))
        try:
            missing = list(staged.holdings.pieces.missing())
            for index in missing:
                data = b"".join(origin.read(index, *part) for part in staged.holdings.lacking(index))
                assert store(staged, index, data)
        finally:
            origin.close()
        return len(missing)

    def duty(self, request: Any) -> Any:
        """Do what an agent does for a request about releases."""
        return RELEASE_DUTIES[type(request)](request)

    def current(self) -> str | None:
        """Return the release that is current, read again from its first byte to its last."""
        destination = Destination(str(self.app))
        tag = destination.current()
        if tag is not None:
            self.must_be_whole(tag)
        return tag

    def must_be_whole(self, tag: str) -> None:
        """Fail unless *tag* has its receipt, and every byte, mode and link of its tree."""
        destination, metainfo = Destination(str(self.app)), self.torrents[tag]
        receipt = destination.receipt(tag)
        assert receipt is not None
        assert (receipt["tag"], receipt["digest"]) == (tag, metainfo.info.digest.hex())
        verify_tree(
            metainfo.info,
            destination.release(tag),
            mtimes=metainfo.mtimes,
            additions=destination.additions(tag),
        )

    def leftovers(self) -> list[str]:
        """Return what no run that came to its end leaves, relative to the destination."""
        own = self.app / ".murder"
        found = [*self.app.glob(f"{NEW_LINK}*"), *own.glob("**/.murder-*"), *own.glob("staging/.*")]
        return sorted(str(path.relative_to(self.app)) for path in [*found, *own.glob("runs/*")])


def copy_of(place: Path, copy: Path) -> Path:
    """Put a destination at *copy* as it is at *place*, whatever was there before."""
    if os.path.lexists(copy):
        remove_tree(str(copy))
    shutil.copytree(place, copy, symlinks=True)
    return copy
