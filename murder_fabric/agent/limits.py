"""What the kernel lets this process have."""

from __future__ import annotations

import contextlib
import resource

#: Descriptors that suffice: connections, files of the tree, and what Python and Twisted need.
OPEN_FILES = 8192
#: Those that are no connections where few files stay open; connections that there are all the same.
NO_CONNECTIONS, LEAST_CONNECTIONS = 20, 2


def raise_open_files() -> None:
    """Allow ourselves more open files than the usual 1,024, as far as the hard limit goes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):  # then with what there is
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def connections_allowed(most: int) -> int:
    """
    Return how many connections a swarm or a tracker may have, *most* of all.

    That is half of our descriptors, or fewer where what else must be open needs more than the other half.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return most
    return min(most, soft // 2, max(soft - NO_CONNECTIONS, LEAST_CONNECTIONS))
