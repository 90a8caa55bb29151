"""The hosts that Python code deploys to, how they are reached, and who is told."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Union

import fabric
from invoke.config import AmbiguousMergeError
from invoke.context import Context
from invoke.util import yaml  # type: ignore[attr-defined]  # its own, or the system's where that was split off

from ..errors import SettingsError
from .connecting.connections import HostKwargs, host_kwargs
from .executor import GroupContext, fabric_config, group_context, load_environment, misfit
from .ranges import expand
from .settings import SECTION, Settings, defaults, write_settings
from .watching.view import View

#: What every function takes for a fleet.
AnyFleet = Union["Fleet", Context, fabric.Group, str, Iterable[str]]


class Fleet:
    """
    The hosts of one or more tasks.

    Args:
        hosts: a host expression as after `-H`, or several; without any the role `peer` says who is meant.
        config: how they are reached, and the settings: a Fabric configuration, which is not changed, or the
            path of a file such as `fabric.yaml`. In its absence, and below such a file, Fabric's own files
            (`/etc/fabric.yaml`, `~/.fabric.yaml`) and the environment (`FABRIC_MURDER_…`) count.
        view: told what happens while it happens; on stderr if not given, `View(None)` is silent.
        settings: those of `murder:`, by name; they win over the configuration's.

    Raises:
        BadInput: a host expression, the file or a setting is wrong.
    """

    def __init__(
        self,
        hosts: str | Iterable[str] = (),
        config: fabric.Config | str | None = None,
        view: View | None = None,
        **settings: Any,
    ) -> None:
        self.view = view or View(sys.stderr)
        # A clone, as each clone of a configuration that has read ssh_config makes that one read it again.
        self.config = (config if isinstance(config, fabric.Config) else _load(config)).clone()
        write_settings(self.config, settings)
        roles = Settings.from_config(self.config).roles
        expressions = [hosts] if isinstance(hosts, str) else list(hosts)
        self._hosts: list[HostKwargs] = [
            host_kwargs(host) for text in expressions if text for host in expand(text, roles=roles)
        ]

    @classmethod
    def of(cls, given: AnyFleet, view: View | None = None) -> Fleet:
        """
        Return the hosts that *given* is about.

        Args:
            given: what a task of a fabfile gets, be it a connection to one host or a `GroupContext`; a group
                of Fabric's; whatever `Fleet` itself takes for hosts; or a fleet, which is returned as it is.
        """
        if isinstance(given, Fleet):
            return given
        if isinstance(given, fabric.Group):
            return cls._of_contexts(given, view)
        if isinstance(given, Context):
            return cls._of_contexts([given], view)
        return cls(given, view=view)

    @classmethod
    def _of_contexts(cls, contexts: Iterable[Context], view: View | None) -> Fleet:
        groups = [group_context(context) for context in contexts]
        fleet = cls(config=fabric_config(groups[0].config) if groups else None, view=view)
        # Invoke reads a variable for a key that is there; a task of the user's own has none of ours.
        there = fleet.config.get(SECTION, {})
        write_settings(fleet.config, {name: one for name, one in _environment().items() if name not in there})
        fleet._hosts = [host for group in groups for host in group.host_kwargs]
        return fleet

    @property
    def hosts(self) -> list[str]:
        """The hosts as they were written, and as a `Result` names them; none where roles say who is meant."""
        return GroupContext(self.config, self._hosts).hosts

    def context(self) -> GroupContext:
        """Return what a group task of these hosts gets, with a configuration of its own."""
        return GroupContext(self.config.clone(), self._hosts)


def _environment() -> dict[str, Any]:
    """Return the settings that variables of the environment give."""
    config = fabric.Config(lazy=True)
    config.load_collection({SECTION: defaults()})
    load_environment(config)
    found = {name: dict(one) if hasattr(one, "keys") else one for name, one in config[SECTION].items()}
    return {name: found[name] for name, one in defaults().items() if found[name] != one}


def _load(path: str | None) -> fabric.Config:
    """Return the configuration that `fab` would have outside of any project, with the file at *path*."""
    if path is not None and not os.path.isfile(path):
        raise SettingsError(f"{path} is no file of settings; no host was touched")
    config = fabric.Config(lazy=True, runtime_path=None if path is None else Path(path))
    try:
        config.load_base_conf_files()
        config.load_collection({SECTION: defaults()}, merge=False)
        config.load_runtime(merge=False)
        config.merge()
        load_environment(config)
        config.load_ssh_config()
    except AmbiguousMergeError as error:
        raise misfit(error) from None
    except yaml.YAMLError as error:
        raise SettingsError(f"settings cannot be read: {' '.join(str(error).split())}") from None
    return config
