"""
Which symbolic links a tree may hold: relative ones that stay inside it.

The text of a link is kept byte for byte.  BEP 47 instead names the target from the root of the torrent
(`symlink path`); `link_target` and `link_text` go from one to the other.  Links to nothing, and links
that go round in a circle, harm nobody outside the tree and are kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Optional

from .paths import LONGEST_PATH, Path, shown

#: Linux gives up after this many links on the way to one file, so nobody can get further.
MOST_HOPS = 40
#: No link made for use needs a tenth of this; it bounds the work a hostile torrent can cause.
MOST_STEPS = 1000


def link_target(link: Path, text: bytes) -> Path:
    """Return where `text` in the link at `link` points, from the root, other links not considered."""
    target = list(link[:-1])
    for name in text.split(b"/"):
        if name == b"..":
            del target[-1:]
        elif name not in (b"", b"."):
            target.append(name)
    return tuple(target)


def link_text(link: Path, target: Path) -> bytes:
    """Return the shortest text by which the link at `link` points to `target`."""
    here = link[:-1]
    shared = 0
    while shared < min(len(here), len(target)) and here[shared] == target[shared]:
        shared += 1
    return b"/".join([b".."] * (len(here) - shared) + list(target[shared:])) or b"."


def link_fault(links: Mapping[Path, bytes]) -> Optional[str]:
    """Say which of the links of one tree (path and text of each) must be refused; None when none must."""
    for link, text in links.items():
        fault = _text_fault(text) or _follow(link, links)
        if fault is not None:
            return f"the link {shown(link)} -> {shown(text)} {fault}"
    return None


def _text_fault(text: bytes) -> Optional[str]:
    if not text or b"\0" in text or len(text) > LONGEST_PATH:
        return "points to what cannot be a path"
    if text.startswith(b"/"):
        return "is absolute"
    return None


def _follow(link: Path, links: Mapping[Path, bytes]) -> Optional[str]:
    """Go where a link leads, through other links as the kernel would: `..` means the parent found there."""
    here = list(link[:-1])
    ahead = links[link].split(b"/")[::-1]
    hops = steps = 0
    while ahead:
        name = ahead.pop()
        steps += 1
        if steps > MOST_STEPS:
            return f"takes more than {MOST_STEPS} steps to follow"
        if name in (b"", b"."):
            continue
        if name == b"..":
            if not here:
                return "leads out of the tree"
            here.pop()
            continue
        here.append(name)
        text = links.get(tuple(here))
        if text is not None:
            hops += 1
            if hops >= MOST_HOPS:
                return None
            here.pop()
            ahead += text.split(b"/")[::-1]
    return None
