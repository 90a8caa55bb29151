"""Files with their bytes into a builder of torrents, one after the other."""

from __future__ import annotations

from murder_fabric.metainfo.building import InfoBuilder
from murder_fabric.metainfo.paths import Path


def add_file(builder: InfoBuilder, path: Path, mode: int, content: bytes = b"", cut: int = 1 << 20) -> None:
    """Add a file that holds *content*, of which each hash is told *cut* bytes at a time."""
    builder.add_file(path, mode, len(content))
    *parts, last = [memoryview(content)[at : at + cut] for at in range(0, len(content) or 1, cut)]
    for update in builder.hashes:
        for part in parts:
            update(part, ())
        update(last, [len(last)])
