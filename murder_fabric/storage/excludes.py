"""Which names of a source tree stay at home, by patterns as `.gitignore` has them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from fnmatch import translate
from typing import NamedTuple, Optional

from ..metainfo.paths import Path

#: As in Murder, a checkout can be deployed where it stands.
ALWAYS = (".git*",)


#: A name, compiled; None is `**`.
_Name = Optional["re.Pattern[bytes]"]


class _Pattern(NamedTuple):
    names: tuple[_Name, ...]
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
        parsed = [_parse(pattern) for pattern in (*ALWAYS, *patterns) if pattern.strip("!/")]
        self._patterns = parsed[::-1]

    def __call__(self, path: Path, is_directory: bool) -> bool:
        """Say whether something at this path stays at home."""
        for pattern in self._patterns:
            if pattern.only_directories and not is_directory:
                continue
            first = pattern.names[0]
            if pattern.anchored or first is None:
                matches = _matches(pattern.names, path if pattern.anchored else path[-1:])
            else:  # one name, as nearly every pattern is
                matches = first.match(path[-1]) is not None
            if matches:
                return pattern.excludes
        return False


def _parse(text: str) -> _Pattern:
    excludes = not text.startswith("!")
    body = text if excludes else text[1:]
    stripped = body.rstrip("/")
    names = tuple(
        # Byte by byte, as names are: Latin-1 has a character for each.
        None if name == "**" else re.compile(translate(os.fsencode(name).decode("latin-1")).encode("latin-1"))
        for name in stripped.split("/")
        if name
    )
    return _Pattern(names, "/" in stripped, stripped != body, excludes)


def _matches(names: tuple[_Name, ...], path: Path) -> bool:
    if not names or not path:
        return not names and not path
    first = names[0]
    if first is None:
        return _matches(names[1:], path) or _matches(names, path[1:])
    return first.match(path[0]) is not None and (
        len(names) == len(path) == 1 or _matches(names[1:], path[1:])
    )
