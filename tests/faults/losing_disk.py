"""A disk that loses power: of what was written, only what was synced is sure to be there afterwards."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

#: What a power cut may leave of what was not synced. "nothing": neither names nor bytes, which is more than
#: any file system with a journal loses. "names": every name that was given, with torn bytes below it.
LOSSES = ("nothing", "names")


class _Node:
    """One file, directory or link, and what of it is on the disk for good."""

    def __init__(self, path: str) -> None:
        # While it is open, its number is not given to another one.
        self._handle = os.open(path, os.O_PATH | os.O_NOFOLLOW)
        self.seen = f"/proc/self/fd/{self._handle}"
        status = os.fstat(self._handle)
        self.number = status.st_ino
        self.is_directory = stat.S_ISDIR(status.st_mode)
        self.target = os.readlink(path) if stat.S_ISLNK(status.st_mode) else None
        self.mode, self.mtime = 0o700 if self.is_directory else 0o600, 0
        self.content: bytes | None = None
        self.entries: dict[str, int] = {}

    def names(self) -> list[str]:
        """Return what a directory has now; nothing once it is removed."""
        with contextlib.suppress(FileNotFoundError):
            return os.listdir(self.seen)
        return []

    def keep(self) -> None:
        """What a file holds now stays."""
        status = os.fstat(self._handle)
        self.mode, self.mtime = stat.S_IMODE(status.st_mode), status.st_mtime_ns
        if self.target is None and not self.is_directory:
            self.content = Path(self.seen).read_bytes()

    def torn(self) -> bytes:
        """Return a file of the right length of which half never came to the disk."""
        held = Path(self.seen).read_bytes()
        return held[: len(held) // 2] + bytes(len(held) - len(held) // 2)


class LosingDisk:
    """Everything below *root*, which is on the disk for good when this begins to look on."""

    def __init__(self, root: Path) -> None:
        self._nodes: dict[int, _Node] = {}
        self._root = self._node(str(root))
        self.sync_all()

    def sync_all(self) -> None:
        """All that there is stays (syncfs)."""
        below = [self._root]
        while below:
            node = below.pop()
            self._keep(node)
            below += [self._nodes[number] for number in node.entries.values()]

    def sync(self, descriptor: int) -> None:
        """One file stays as it is, or the names in one directory do (fsync)."""
        self._keep(self._node(f"/proc/self/fd/{descriptor}", follow=True))

    def cut(self, loss: str, place: Path) -> None:
        """Put at *place* what is there once power is back."""
        self._write(self._root, str(place), loss == "names")

    def _node(self, path: str, *, follow: bool = False) -> _Node:
        node = _Node(os.readlink(path) if follow else path)
        return self._nodes.setdefault(node.number, node)

    def _keep(self, node: _Node) -> None:
        node.keep()
        if node.is_directory:
            node.entries = self._entries(node)

    def _entries(self, node: _Node) -> dict[str, int]:
        return {name: self._node(f"{node.seen}/{name}").number for name in node.names()}

    def _write(self, node: _Node, path: str, names: bool) -> None:
        if node.target is not None:
            os.symlink(node.target, path)
            os.utime(path, ns=(node.mtime, node.mtime), follow_symlinks=False)
            return
        if node.is_directory:
            os.mkdir(path)
            entries = self._entries(node) if names else node.entries
            for name, number in entries.items():
                self._write(self._nodes[number], f"{path}/{name}", names)
        else:
            content = node.content
            if content is None:
                content = node.torn() if names else b""
            Path(path).write_bytes(content)
            os.utime(path, ns=(node.mtime, node.mtime))
        os.chmod(path, node.mode)
