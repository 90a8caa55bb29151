"""Which commit of a git checkout is deployed; without git or a checkout there is none."""

from __future__ import annotations

import os
import re
import subprocess
from typing import NamedTuple

#: Seconds that git may take to read two files.
_PATIENCE = 10.0


class Revision(NamedTuple):
    """A commit (hex) and the branch it was found on; both empty where there is none."""

    commit: str = ""
    branch: str = ""
    #: The tree is part of the checkout, and not something that was built there and is ignored by git.
    is_tree: bool = False


NO_REVISION = Revision()


def revision_of(path: str) -> Revision:
    """Return the commit that is checked out around *path*."""
    directory, name = (path, ".") if os.path.isdir(path) else os.path.split(path)
    said = _git(directory, "rev-parse", "HEAD", "--abbrev-ref", "HEAD")
    lines = said.split("\n") if said is not None else []
    if len(lines) < 2 or not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", lines[0]):
        return NO_REVISION
    ignored = _git(directory, "check-ignore", "--", name) is not None
    return Revision(lines[0], "" if lines[1] == "HEAD" else lines[1], not ignored)


def _git(directory: str, *arguments: str) -> str | None:
    """Return what git prints; None where it fails, or is not there."""
    try:
        done = subprocess.run(
            ["git", "-C", directory or ".", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None
