"""The collection `murder`: what `fab` lists and runs."""

from __future__ import annotations

from invoke.collection import Collection

from .executor import GroupContext, group_task
from .ranges import fold
from .roles import assign_roles
from .settings import SECTION, Settings, defaults


@group_task
def hosts(c: GroupContext) -> None:
    """Show which hosts the arguments and roles name."""
    roles = assign_roles(c.hosts, Settings.from_config(c.config).roles)
    print(f"tracker: {roles.tracker}")
    print(f"seeder: {roles.seeder}")
    print(f"peers: {fold(roles.peers)} ({len(roles.peers)})")


murder = Collection("murder", hosts)
murder.configure({SECTION: defaults()})
