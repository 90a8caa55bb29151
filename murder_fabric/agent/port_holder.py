"""Which process of this host has a port, as far as it can be seen from here."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import sys
from collections.abc import Iterator

from ..errors import quoted

#: How a socket that listens is called in /proc/net/tcp (proc(5)).
_LISTENS = "0A"


def holder_of(address: str, port: int) -> str | None:
    """Return the pid and the name of the process that listens there, for people; None: we may not see it."""
    sockets = {f"socket:[{inode}]" for inode in _listening(address, port)}
    for pid in filter(str.isdigit, os.listdir("/proc")) if sockets else ():
        with contextlib.suppress(OSError):  # another user's, or gone meanwhile
            descriptors = f"/proc/{pid}/fd"
            if any(os.readlink(f"{descriptors}/{one}") in sockets for one in os.listdir(descriptors)):
                with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
                    return f"process {pid}, {quoted(file.read().strip())}"
    return None


def _listening(address: str, port: int) -> Iterator[str]:
    """Yield the inode of each socket that keeps others from listening there."""
    ours = _in_hex(ipaddress.ip_address(address))
    for kind in ("tcp", "tcp6"):
        with contextlib.suppress(OSError), open(f"/proc/net/{kind}", encoding="ascii") as file:
            for line in file.readlines()[1:]:
                _, local, _, state, *rest = line.split()
                theirs, _, theirs_port = local.partition(":")
                same = theirs == ours or not int(theirs, 16) or not int(ours, 16)
                if state == _LISTENS and int(theirs_port, 16) == port and same:
                    yield rest[5]


def _in_hex(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """Return *address* as the kernel prints it: words of four bytes, each in this machine's order."""
    packed = address.packed
    words = (int.from_bytes(packed[at : at + 4], sys.byteorder) for at in range(0, len(packed), 4))
    return "".join(f"{word:08X}" for word in words)
