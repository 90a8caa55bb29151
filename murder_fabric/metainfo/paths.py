"""Which paths a torrent may name: names and nothing more, below one directory, none in another's way."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Optional, Union

#: Components from the root of the tree down; () is the root itself.
Path = tuple[bytes, ...]

#: What Linux takes: NAME_MAX, and PATH_MAX less its closing NUL.
LONGEST_NAME = 255
LONGEST_PATH = 4095
#: Characters of a path that a sentence can bear.
LONGEST_SHOWN = 400


#: Short paths of names that begin with no dot.
_HARMLESS = re.compile(rb"[^./\0][^/\0]*(?:/[^./\0][^/\0]*)*")


def shown(path: Union[bytes, Path]) -> str:
    """Return a path as text for people: odd bytes and control characters escaped, long ones cut."""
    joined = path if isinstance(path, bytes) else b"/".join(path) or b"."
    text = joined.decode("utf-8", "backslashreplace")
    if len(text) > LONGEST_SHOWN:
        text = f"{text[: LONGEST_SHOWN // 2]}...{text[-LONGEST_SHOWN // 2 :]}"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def name_fault(name: bytes) -> Optional[str]:
    """Say what keeps `name` from being the name of a file in a directory; None when nothing does."""
    if not name:
        return "is empty"
    if name in (b".", b".."):
        return f'is "{name.decode()}"'
    if b"/" in name:
        return "holds a slash"
    if b"\0" in name:
        return "holds a NUL"
    if len(name) > LONGEST_NAME:
        return f"is {len(name)} bytes long, and {LONGEST_NAME} is the most"
    return None


def path_fault(path: Path) -> Optional[str]:
    """Say what keeps `path` from being the path of something below the root; None when nothing does."""
    joined = b"/".join(path)
    if len(joined) <= LONGEST_NAME and _HARMLESS.fullmatch(joined) and joined.count(b"/") == len(path) - 1:
        return None  # nearly every path is found to be one here, in a tenth of the time
    if not path:
        return "is empty"
    for name in path:
        fault = name_fault(name)
        if fault is not None:
            return f"{fault} in one component" if len(path) > 1 else fault
    length = sum(map(len, path)) + len(path) - 1
    if length > LONGEST_PATH:
        return f"is {length} bytes long, and {LONGEST_PATH} is the most"
    return None


def conflict(files: Iterable[Path], directories: Iterable[Path]) -> Optional[str]:
    """
    Say which two of these cannot exist in one tree; None when all can.

    Links count as files: so nothing can be placed through one.
    """
    entries = [(path, False) for path in files]
    entries += ((path, True) for path in directories)
    # Sorted as tuples, whatever lies below a path comes right after it.
    entries.sort()
    for (path, is_directory), (following, _) in zip(entries, entries[1:]):
        if path == following:
            return f"{shown(path)} is there twice"
        if not is_directory and following[: len(path)] == path:
            return f"{shown(path)} is a file, and {shown(following)} would be below it"
    return None
