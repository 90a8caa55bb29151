"""A file that is there when its directory is read, and gone when it is looked at."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


def vanishes_once_listed(monkeypatch: pytest.MonkeyPatch, victim: Path) -> None:
    """Remove *victim* as soon as a directory that holds one of that name has been read."""
    real = os.scandir

    @contextlib.contextmanager
    def scandir(path: Any) -> Iterator[list[os.DirEntry[Any]]]:
        with real(path) as entries:
            listed = list(entries)
            if victim.name in [os.fsdecode(entry.name) for entry in listed]:
                victim.unlink(missing_ok=True)
            yield listed

    monkeypatch.setattr(os, "scandir", scandir)
