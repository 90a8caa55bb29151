"""`create`: a directory or a file becomes a torrent."""

from __future__ import annotations

import argparse

from ..storage.creation import create_metainfo
from .files import write_atomically
from .report import Report


def create(options: argparse.Namespace) -> int:
    """Write a torrent; print what identifies it."""
    report = Report(json=options.json)
    metainfo = create_metainfo(
        options.path, options.announce, piece_length=options.piece_length, exclude=options.exclude
    )
    write_atomically(options.output, metainfo.encode())
    info = metainfo.info
    facts = {
        "info_hash": info.info_hash.hex(),
        "digest": info.digest.hex(),
        "length": info.geometry.length,
        "files": len(info.files),
        "piece_length": info.piece_length,
        "pieces": info.geometry.piece_count,
    }
    text = "\n".join(f"{name.replace('_', ' '):12}  {value}" for name, value in facts.items())
    report.result("created", text, path=options.output, **facts)
    return 0
