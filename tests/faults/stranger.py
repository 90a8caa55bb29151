"""
Somebody without any rights, who swaps what he can: `stranger.py APP SECRET COUNT`.

Below APP he puts links to SECRET, and pipes, in the place of files and directories of every release that lets
him write there, and puts back what was there; COUNT times. Then he prints how often he got something in where
only we may write.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable

NOBODY = 65534
DIRECTORY = os.O_RDONLY | os.O_DIRECTORY
#: What is in every directory that he may write to: `data-0` and `deep-0`, and so on.
NAMES = 10
#: Directories that he goes on in, also while they are moved or removed.
MOST_OPEN = 6
#: Where our own names would be.
OURS = (".current-1", "current", ".murder/lock", ".murder/staging/v9", ".murder/receipts/v9", "releases/v9")


def swap(directory: int, name: str, put: Callable[[str], None]) -> bool:
    """Put something in the place of a file or a directory, and the original back."""
    try:
        os.rename(name, ".away", src_dir_fd=directory, dst_dir_fd=directory)
        put(name)
        return True
    except OSError:
        return False
    finally:
        with contextlib.suppress(OSError):
            os.unlink(name, dir_fd=directory)
        with contextlib.suppress(OSError):
            os.rename(".away", name, src_dir_fd=directory, dst_dir_fd=directory)


def attack(directory: int, secret: str) -> int:
    """Swap everything in a directory once; return how often that worked."""
    done = 0
    for number in range(NAMES):
        done += swap(directory, f"deep-{number}", lambda name: os.symlink(secret, name, dir_fd=directory))
    done += swap(directory, "data-0", lambda name: os.symlink(f"{secret}/data-0", name, dir_fd=directory))
    return done + swap(directory, "data-1", lambda name: os.mkfifo(name, dir_fd=directory))


def open_directories(app: int, known: dict[int, int]) -> None:
    """Open what anybody may write to in the releases there are, beside those *known* by their numbers."""
    with contextlib.suppress(OSError):
        releases = os.open("releases", DIRECTORY, dir_fd=app)
        names = os.listdir(releases)
        os.close(releases)
        for name in names:
            with contextlib.suppress(OSError):
                found = os.open(f"releases/{name}/open", DIRECTORY, dir_fd=app)
                os.close(known.pop(number := os.fstat(found).st_ino, os.dup(found)))
                known[number] = found
    while len(known) > MOST_OPEN:
        os.close(known.pop(next(iter(known))))


def plant(app: int, secret: str) -> int:
    """Try our own names; return how often that worked."""
    planted = 0
    for name in OURS:
        with contextlib.suppress(OSError):
            os.symlink(secret, name, dir_fd=app)
            planted += 1
    return planted


def main(app_path: str, secret: str, count: int) -> None:
    """Swap so often, and print how often a name of ours could be taken."""
    app = os.open(app_path, os.O_RDONLY | os.O_DIRECTORY)
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    swapped = planted = 0
    known: dict[int, int] = {}
    while swapped < count:
        planted += plant(app, secret)
        open_directories(app, known)
        swapped += sum(attack(directory, secret) for directory in known.values())
    print(planted)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
