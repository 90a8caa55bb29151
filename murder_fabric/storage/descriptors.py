"""How many files and directories may stay open: few, where the kernel lets this process have few."""

from __future__ import annotations

import resource

#: What is open of one tree gets this part of all descriptors; connections are worth more.
SHARE = 16
#: With fewer nothing could be opened beside what is in use.
LEAST = 2


def kept_open(most: int) -> int:
    """Return how many may stay open where *most* would be useful."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return most if soft == resource.RLIM_INFINITY else max(LEAST, min(most, soft // SHARE))
