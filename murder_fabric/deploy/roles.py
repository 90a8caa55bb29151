"""Which host is what: tracker, seeder, peer, from `-H` and `murder.roles`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..errors import HostRangeError, SettingsError
from .ranges import RoleHosts, expand

#: What people write instead of a role; as groups they would be ignored in silence.
_PLURALS = ("trackers", "seeders", "peers")


class Roles(NamedTuple):
    """The hosts of one run, each as SSH is to reach it."""

    tracker: str
    seeder: str
    peers: list[str]

    def hosts(self) -> list[str]:
        """Return every host once, peers first."""
        return list(dict.fromkeys([*self.peers, self.seeder, self.tracker]))


def assign_roles(hosts: Sequence[str], roles: Mapping[str, RoleHosts]) -> Roles:
    """
    Decide who is what.

    1. *hosts*, those of `-H`, are the peers; without them the role `peer` says who is.
    2. The role `tracker` names the tracker; without it the first peer is. So with `seeder`.

    Raises:
        SettingsError: no peer is named, or more than one tracker or seeder; or a role is in the plural.
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
    return Roles(_one("tracker", roles, peers[0]), _one("seeder", roles, peers[0]), peers)


def _hosts_of(role: str, roles: Mapping[str, RoleHosts]) -> list[str]:
    if not roles.get(role):
        return []
    try:
        return expand(f"@{role}", roles=roles)
    except HostRangeError as error:
        raise HostRangeError(f"{error} (in murder.roles.{role})") from None


def _one(role: str, roles: Mapping[str, RoleHosts], default: str) -> str:
    named = _hosts_of(role, roles)
    if len(named) > 1:
        raise SettingsError(f"murder.roles.{role} names {len(named)} hosts; a swarm has one {role}")
    return named[0] if named else default
