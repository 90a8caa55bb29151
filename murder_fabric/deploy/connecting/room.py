"""How many files and threads `fab` may have here: one for each host it is connected to, and some besides."""

from __future__ import annotations

import resource
import threading
from collections.abc import Callable, Collection

import fabric

from ...errors import BadInput
from ...storage.descriptors import open_now
from ...units import counted
from ..failures import NO_THREADS

#: What is asked for besides the hosts, where the kernel gives it.
AMPLE = 128
#: What a run cannot do without: its record, some of the operator's files, a hook, an agent on this machine.
SPARE = 16
#: What a thread that connects may have open for a moment beside its host: known_hosts, a key, the resolver.
CONNECTING = 2
#: The pipes of a `ProxyCommand`.
PIPES = 3
#: As good as none.
NO_LIMIT = 1 << 30


def make_room(connections: Collection[fabric.Connection], pool_size: int) -> int:
    """
    Raise the soft limit of open files to what *connections* need, as far as the hard limit allows.

    Returns:
        How many of them may be opened at a time: *pool_size*, or fewer where that would be too many files.

    Raises:
        BadInput: they could not all be open.
    """
    taken, hosts = open_now(), _needed(connections)
    allowed = _raised_to(taken + hosts + max(AMPLE, CONNECTING * pool_size))
    room = allowed - taken - hosts
    if room < SPARE:
        raise BadInput(
            f"{counted(len(connections), 'host')} at a time need {taken + hosts + SPARE} open files here, of"
            f" which {allowed} are allowed (ulimit -Hn); raise that limit or name fewer hosts. No host was"
            " touched"
        )
    return min(pool_size, room // CONNECTING)


def start_thread(work: Callable[[], None], name: str) -> threading.Thread:
    """
    Start a thread that the process does not wait for when it ends.

    Raises:
        BadInput: this machine allows no further one.
    """
    thread = threading.Thread(target=work, daemon=True, name=name)
    try:
        thread.start()
    except RuntimeError:
        raise BadInput(f"{NO_THREADS}; raise that limit or name fewer hosts. Nothing was changed") from None
    return thread


def _needed(connections: Collection[fabric.Connection]) -> int:
    """Return how many descriptors all of *connections* have when they are open, jump hosts included."""
    count, jump_hosts = 0, set()
    for one in connections:
        if isinstance(one.gateway, fabric.Connection):
            jump_hosts.add(id(one.gateway))  # what is behind it has a channel of its connection
        else:
            count += PIPES if one.gateway else 1
    return count + len(jump_hosts)


def _raised_to(wanted: int) -> int:
    """Raise the soft limit to *wanted* if it is lower, as far as may be; return what is allowed then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = NO_LIMIT if soft == resource.RLIM_INFINITY else soft
    wanted = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if allowed < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return max(allowed, wanted)
