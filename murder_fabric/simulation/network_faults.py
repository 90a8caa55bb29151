"""What networks do to hosts (section B of the fault matrix)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Optional

from .host import Host
from .host_faults import nothing
from .network import Rule
from .tracker import TRACKER

if TYPE_CHECKING:
    from .world import World

#: Bytes a second of a straggler's link: 256 kbit/s.
STRAGGLING = 32_000
#: Seconds that a flapping link is down, and up.
FLAP = 2.0


def _healing(world: World, *rules: Rule) -> Callable[[], None]:
    def heal() -> None:
        for rule in rules:
            world.network.heal(rule)

    return heal


def _cut(world: World, host: Host) -> list[Rule]:
    """Cut *host* off from everybody, both ways."""
    others = [*(name for name in world.names() if name != host.name), TRACKER]
    return [world.network.block([host.name], others), world.network.block(others, [host.name])]


def cut_off(world: World, seconds: float) -> Optional[Callable[[], None]]:
    """Nothing reaches a peer, and nothing comes from it (row 14)."""
    host = world.some_peer()
    return None if host is None else _healing(world, *_cut(world, host))


def split(world: World, seconds: float) -> Optional[Callable[[], None]]:
    """The hosts are in two halves that do not reach each other; seeder and tracker in one (row 15)."""
    names = [peer.name for peer in world.peers]
    away = world.rng.sample(names, (len(names) + 1) // 2)
    here = [*(name for name in world.names() if name not in away), TRACKER]
    return _healing(world, world.network.block(away, here), world.network.block(here, away))


def no_tracker(world: World, seconds: float) -> Optional[Callable[[], None]]:
    """A peer does not reach the tracker (row 16)."""
    host = world.some_peer()
    return None if host is None else _healing(world, world.network.block([host.name], [TRACKER]))


def one_way(world: World, seconds: float) -> Optional[Callable[[], None]]:
    """What one host sends does not reach another; what the other sends does (row 17)."""
    pair = world.some_pair()
    return None if pair is None else _healing(world, world.network.block([pair[0]], [pair[1]]))


def half_open(world: World, seconds: float) -> Optional[Callable[[], None]]:
    """Between two hosts nothing gets through, and nobody says so (row 18)."""
    pair = world.some_pair()
    if pair is None:
        return None
    one, other = pair
    return _healing(world, world.network.block([one], [other]), world.network.block([other], [one]))


def reset(world: World, seconds: float) -> Optional[Callable[[], None]]:
    """A few connections are reset (row 19)."""
    ends = [end for host in world.peers if host.up for end in host.ends if not end.closed]
    if not ends:
        return None
    for end in world.rng.sample(ends, min(5, len(ends))):
        end.cut()
        end.reset()
    return nothing


def loss(world: World, seconds: float) -> Optional[Callable[[], None]]:
    """A host's link loses parts, which come a while later (row 20)."""
    host = world.some_peer()
    if host is None:
        return None
    host.link.loss = world.rng.choice((0.01, 0.1))

    def mend() -> None:
        host.link.loss = 0.0

    return mend


def straggler(world: World, seconds: float) -> Optional[Callable[[], None]]:
    """A host's link is slow from now on (row 21)."""
    host = world.some_peer()
    if host is None:
        return None
    host.link.rate = min(host.link.rate, STRAGGLING)
    return nothing


def flapping(world: World, seconds: float) -> Optional[Callable[[], None]]:
    """A host's link is down for two seconds, up for two, and so on (row 24)."""
    host = world.some_peer()
    if host is None:
        return None
    rules: list[Rule] = []
    over = False

    def flap() -> None:
        if rules:
            up()
        elif not over:
            rules.extend(_cut(world, host))
        if not over:
            world.clock.call_later(FLAP, flap)

    def up() -> None:
        while rules:
            world.network.heal(rules.pop())

    def mend() -> None:
        nonlocal over
        over = True
        up()

    flap()
    return mend


def latency(world: World, seconds: float) -> Optional[Callable[[], None]]:
    """A host is far away for a while: up to 200 ms (row 25)."""
    host = world.some_peer()
    if host is None:
        return None
    before, host.link.latency = host.link.latency, world.rng.uniform(0.02, 0.2)

    def mend() -> None:
        host.link.latency = before

    return mend


def swizzle_clog(world: World, seconds: float) -> Optional[Callable[[], None]]:
    """Some hosts are cut off one by one, and come back in another order (row 27)."""
    names = [peer for peer in world.peers if world.rng.random() < 0.5] or world.peers[:1]
    rules = [_cut(world, names[0])]
    for host in names[1:]:
        world.clock.call_later(
            world.rng.uniform(0, seconds / 2), lambda host=host: rules.append(_cut(world, host))
        )

    def unclog() -> None:
        world.rng.shuffle(rules)
        for number, cut in enumerate(rules):
            world.trouble(0.1 * number, _healing(world, *cut))

    return unclog


def no_inbound(world: World, seconds: float) -> Optional[Callable[[], None]]:
    """A host can connect to others, and nobody to it (row 29)."""
    host = world.some_peer()
    if host is None:
        return None
    return _healing(world, world.network.block(world.names(), [host.name], only_new=True))
