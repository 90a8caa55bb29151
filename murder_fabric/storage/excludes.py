"""Which names of a source tree stay at home, by patterns as `.gitignore` has them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import NamedTuple

from ..metainfo.paths import Path

#: As in Murder, a checkout can be deployed where it stands.
ALWAYS = (".git*",)


class _Pattern(NamedTuple):
    names: Path
    anchored: bool
    only_directories: bool
    excludes: bool


class Excludes:
    """
    Decides by the last pattern that matches, after `.git*`, which always comes first.

    1. A pattern without a slash (`*.pyc`) matches a name at any depth.
    2. One with a slash (`log/*.log`, `/build`) matches a path from the root; `**` stands for any
       directories, other wildcards stay within a name.
    3. A slash at the end (`tmp/`) restricts it to directories.
    4. `!` in front takes back in what an earlier pattern left out.
    """

    def __init__(self, patterns: Iterable[str] = ()) -> None:
        self._patterns = [_parse(pattern) for pattern in (*ALWAYS, *patterns) if pattern.strip("!/")]

    def __call__(self, path: Path, is_directory: bool) -> bool:
        """Say whether something at this path stays at home."""
        for pattern in reversed(self._patterns):
            if pattern.only_directories and not is_directory:
                continue
            if _matches(pattern.names, path if pattern.anchored else path[-1:]):
                return pattern.excludes
        return False


def _parse(text: str) -> _Pattern:
    excludes = not text.startswith("!")
    body = text if excludes else text[1:]
    stripped = body.rstrip("/")
    names = tuple(os.fsencode(name) for name in stripped.split("/") if name)
    return _Pattern(names, "/" in stripped, stripped != body, excludes)


def _matches(names: Path, path: Path) -> bool:
    if not names or not path:
        return not names and not path
    if names[0] == b"**":
        return _matches(names[1:], path) or _matches(names, path[1:])
    return fnmatchcase(path[0], names[0]) and _matches(names[1:], path[1:])
