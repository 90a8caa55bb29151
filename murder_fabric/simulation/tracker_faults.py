"""What happens to trackers (rows 7 to 9 of the fault matrix)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Optional

from .host_faults import nothing

if TYPE_CHECKING:
    from .world import World


def tracker_dies(world: World, seconds: float) -> Optional[Callable[[], None]]:
    """The tracker is killed, and comes back knowing nobody (rows 7 and 9)."""
    if not world.tracker.up:
        return None
    world.tracker.up = False
    return world.tracker.restart


def tracker_forgets(world: World, seconds: float) -> Optional[Callable[[], None]]:
    """The tracker is started anew at once (row 9)."""
    if not world.tracker.up:
        return None
    world.tracker.restart()
    return nothing
