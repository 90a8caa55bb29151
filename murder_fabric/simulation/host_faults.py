"""Death, restart and sleep of hosts (section A of the fault matrix, and rows 85, 87 and 89)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Optional

from .host import Host
from .tracker import TRACKER

if TYPE_CHECKING:
    from .world import World

#: CPU seconds that each event takes on a starved host.
EFFORT = 0.003
#: Connections that a host has room for when descriptors are few.
FEW = 8


def nothing() -> None:
    """Leave it as it is."""


def come_back(host: Host) -> Callable[[], None]:
    """Return what starts *host* again, with its disk, unless that has happened."""

    def start() -> None:
        if not host.up and not host.lost:
            host.start()

    return start


def restart(world: World, seconds: float) -> Optional[Callable[[], None]]:
    """A peer is killed, and comes back with what is on its disk (rows 1 and 3)."""
    host = world.some_peer()
    if host is None:
        return None
    host.die()
    return come_back(host)


def killed(world: World, seconds: float) -> Optional[Callable[[], None]]:
    """A peer is killed for good; the last one is spared."""
    host = world.some_peer()
    if host is None or len(world.remaining()) < 2:
        return None
    host.die()
    host.lost = True
    return nothing


def power_cut(world: World, seconds: float) -> Optional[Callable[[], None]]:
    """A host is off in the middle of everything, and some of what was not synced is gone (row 13)."""
    host = world.some_peer()
    if host is None:
        return None
    everybody = [*world.names(), TRACKER]
    rules = [world.network.block([host.name], everybody), world.network.block(everybody, [host.name])]
    host.die(silently=True)
    host.disk.power_cut(world.rng)
    start = come_back(host)

    def power() -> None:
        for rule in rules:
            world.network.heal(rule)
        start()

    return power


def hung(world: World, seconds: float) -> Optional[Callable[[], None]]:
    """A process stops for a while and then goes on, as after SIGSTOP and SIGCONT (rows 10 and 89)."""
    host = world.some_peer()
    if host is None:
        return None
    host.freeze(seconds)
    return nothing


def starved(world: World, seconds: float) -> Optional[Callable[[], None]]:
    """A host has hardly any CPU (row 87)."""
    host = world.some_peer()
    if host is None:
        return None
    host.effort = EFFORT

    def feed() -> None:
        host.effort = 0.0

    return feed


def few_connections(world: World, seconds: float) -> Optional[Callable[[], None]]:
    """A peer comes back with room for a few connections only (row 85)."""
    host = world.some_peer()
    if host is None:
        return None
    host.die()
    most, host.max_connections = host.max_connections, FEW
    host.start()

    def more() -> None:
        host.max_connections = most  # from its next start on

    return more


def seeder_moves(world: World, seconds: float) -> Optional[Callable[[], None]]:
    """The seeder dies, and comes back on another port (row 6)."""
    if not world.seeder.up:
        return None
    world.seeder.die()
    world.seeder.port += 1
    return come_back(world.seeder)


def seeder_dies_early(world: World, seconds: float) -> Optional[Callable[[], None]]:
    """The seeder is killed, whether or not there is a second copy, and started again (row 4)."""
    if not world.seeder.up:
        return None
    world.seeder.die()
    return come_back(world.seeder)


def seeder_lost(world: World, seconds: float) -> Optional[Callable[[], None]]:
    """The seeder is killed for good, whether or not there is a second copy (row 4)."""
    if world.seeder.up:
        world.seeder.die()
    world.seeder.lost = True
    return nothing


def seeder_dies_after_one_copy(world: World, seconds: float) -> Optional[Callable[[], None]]:
    """The seeder is killed for good once every piece is somewhere else too (row 5)."""
    if not world.seeder.lost:
        if not world.holds_everything(world.remaining()):
            return None
        seeder_lost(world, seconds)
    return nothing
