"""What disks do to hosts (section C of the fault matrix)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Optional

from .host_faults import nothing

if TYPE_CHECKING:
    from .world import World

#: Bytes a second of a slow disk.
SLOW = 1 << 20


def disk_full(world: World, seconds: float) -> Optional[Callable[[], None]]:
    """A disk is full after a few more bytes, until somebody makes room (rows 30 and 31)."""
    host = world.some_peer(incomplete=True)
    if host is None:
        return None
    host.disk.room = world.rng.randrange(world.info.geometry.length + 1)

    def make_room() -> None:
        host.disk.room = None

    return make_room


def write_error(world: World, seconds: float) -> Optional[Callable[[], None]]:
    """A disk takes nothing any more; its host is lost to the run unless it had everything (row 33)."""
    host = world.some_peer()
    if host is None or len(world.remaining()) < 2:
        return None
    host.disk.broken = "Input/output error"
    host.lost = True
    return nothing


def bit_rot(world: World, seconds: float) -> Optional[Callable[[], None]]:
    """A bit flips in a piece that was right, behind the back of its host (row 34)."""
    host = world.some_peer()
    if host is None:
        return None
    right = sorted(host.disk.right())
    if not right:
        return None
    host.disk.rot(world.rng.choice(right))
    return nothing


def slow_disk(world: World, seconds: float) -> Optional[Callable[[], None]]:
    """A disk is slower than the network for a while (row 40)."""
    host = world.some_peer()
    if host is None:
        return None
    host.disk.rate = SLOW

    def mend() -> None:
        host.disk.rate = None

    return mend
