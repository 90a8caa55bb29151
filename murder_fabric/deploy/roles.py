"""Which host is what: tracker, seeder, peer, from `-H` and `murder.roles`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..errors import HostRangeError, SettingsError
from .ranges import RoleHosts, expand

#: What people write instead of a role; as groups they would be ignored in silence.
_PLURALS = ("trackers", "seeders", "peers")
#: The operator's own machine, where it takes part as a seeder; no host expression can say that.
HERE = "this machine"


class Roles(NamedTuple):
    """The hosts of one run, each as SSH is to reach it."""

    tracker: str
    #: One at least; where the operator has the tree, it is brought to the first.
    seeders: list[str]
    peers: list[str]

    def hosts(self) -> list[str]:
        """Return every host once, peers first."""
        return list(dict.fromkeys([*self.peers, *self.seeders, self.tracker]))


def assign_roles(hosts: Sequence[str], roles: Mapping[str, RoleHosts]) -> Roles:
    """
    Decide who is what.

    1. *hosts*, those of `-H`, are the peers; without them the role `peer` says who is.
    2. The role `tracker` names the tracker; without it the first peer is.
    3. So with `seeder`, which may name several.

    Raises:
        SettingsError: no peer is named, or more than one tracker; or a role is in the plural.
        HostRangeError: a role is no host expression.
    """
    for name in _PLURALS:
        if name in roles:
            raise SettingsError(f"murder.roles.{name} is no role; did you mean {name[:-1]}?")
    peers = list(dict.fromkeys(hosts or _hosts_of("peer", roles)))
    if not peers:
        raise SettingsError(
            "no hosts are named; use `fab -H 'web[1-3]' …` or set murder.roles in fabric.yaml"
        )
    trackers, seeders = _hosts_of("tracker", roles), list(dict.fromkeys(_hosts_of("seeder", roles)))
    if len(trackers) > 1:
        raise SettingsError(f"murder.roles.tracker names {len(trackers)} hosts; a swarm has one tracker")
    return Roles((trackers or peers)[0], seeders or peers[:1], peers)


def _hosts_of(role: str, roles: Mapping[str, RoleHosts]) -> list[str]:
    if not roles.get(role):
        return []
    try:
        return expand(f"@{role}", roles=roles)
    except HostRangeError as error:
        raise HostRangeError(f"{error} (in murder.roles.{role})") from None
