"""How many files and directories may stay open: few, where the kernel lets this process have few."""

from __future__ import annotations

import os
import resource

#: What is open of one tree gets this part of all descriptors; connections are worth more.
SHARE = 16
#: And this part of those that are left: `fab` has one for each of a thousand hosts already.
SHARE_OF_REST = 4
#: With fewer nothing could be opened beside what is in use.
LEAST = 2


def kept_open(most: int) -> int:
    """Return how many may stay open where *most* would be useful."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return most
    return max(LEAST, min(most, soft // SHARE, (soft - open_now()) // SHARE_OF_REST))


def open_now() -> int:
    """Return how many descriptors this process has; 0 where the kernel does not tell."""
    try:
        return len(os.listdir("/dev/fd")) - 1  # what lists them is one too
    except OSError:
        return 0
