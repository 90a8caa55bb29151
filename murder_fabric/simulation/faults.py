"""What can go wrong: each kind is struck when its time has come, undone after a while, and counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, NamedTuple, Optional

from . import disk_faults, host_faults, network_faults, tracker_faults
from .hostile import (
    Corrupter,
    Crowder,
    Flooder,
    HostilePeer,
    Impostor,
    Liar,
    Mute,
    Rude,
    ShapeShifter,
    Stranger,
    Trickler,
)

if TYPE_CHECKING:
    from .world import World

#: Undoes a fault; nothing may be left to undo.
Undo = Callable[[], None]
#: Strikes, for so many seconds; returns None where there is nobody to strike at the moment.
Strike = Callable[["World", float], Optional[Undo]]


class Kind(NamedTuple):
    """One kind of fault, and for how many seconds it lasts, from the least to the most."""

    strike: Strike
    least: float = 0.0
    most: float = 0.0


def joins(hostile: type[HostilePeer]) -> Strike:
    """Return a fault by which such a peer joins the swarm, beside the hosts of the run."""

    def strike(world: World, seconds: float) -> Undo:
        world.join(hostile)
        return lambda: None

    return strike


#: All kinds by name, in the order of the fault matrix's sections.
FAULTS: dict[str, Kind] = {
    "restart": Kind(host_faults.restart, 0.1, 10),
    "killed": Kind(host_faults.killed),
    "power-cut": Kind(host_faults.power_cut, 1, 20),
    "hung": Kind(host_faults.hung, 1, 25),
    "starved": Kind(host_faults.starved, 1, 10),
    "few-connections": Kind(host_faults.few_connections, 5, 20),
    "seeder-moves": Kind(host_faults.seeder_moves, 1, 10),
    "seeder-dies-early": Kind(host_faults.seeder_dies_early, 5, 20),
    "seeder-lost": Kind(host_faults.seeder_lost),
    "seeder-dies-after-one-copy": Kind(host_faults.seeder_dies_after_one_copy),
    "cut-off": Kind(network_faults.cut_off, 1, 30),
    "split": Kind(network_faults.split, 1, 30),
    "no-tracker": Kind(network_faults.no_tracker, 1, 30),
    "one-way": Kind(network_faults.one_way, 1, 30),
    "half-open": Kind(network_faults.half_open, 15, 30),
    "reset": Kind(network_faults.reset),
    "loss": Kind(network_faults.loss, 5, 30),
    "straggler": Kind(network_faults.straggler),
    "flapping": Kind(network_faults.flapping, 5, 30),
    "latency": Kind(network_faults.latency, 5, 30),
    "swizzle-clog": Kind(network_faults.swizzle_clog, 2, 30),
    "no-inbound": Kind(network_faults.no_inbound, 5, 30),
    "disk-full": Kind(disk_faults.disk_full, 1, 10),
    "write-error": Kind(disk_faults.write_error),
    "bit-rot": Kind(disk_faults.bit_rot),
    "slow-disk": Kind(disk_faults.slow_disk, 5, 30),
    "tracker-dies": Kind(tracker_faults.tracker_dies, 1, 30),
    "tracker-forgets": Kind(tracker_faults.tracker_forgets),
    "corrupter": Kind(joins(Corrupter)),
    "liar": Kind(joins(Liar)),
    "mute": Kind(joins(Mute)),
    "trickler": Kind(joins(Trickler)),
    "rude": Kind(joins(Rude)),
    "flooder": Kind(joins(Flooder)),
    "stranger": Kind(joins(Stranger)),
    "impostor": Kind(joins(Impostor)),
    "shape-shifter": Kind(joins(ShapeShifter)),
    "crowder": Kind(joins(Crowder)),
}
