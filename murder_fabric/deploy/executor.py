"""
Fabric's executor, taught two things: host ranges in `-H`, and tasks that get all hosts in one call.

Importing `murder_fabric` in a fabfile puts it in place (`install`). Off switch, in `fabric.yaml`:
`tasks: {executor_class: fabric.executor.Executor}`.
"""

from __future__ import annotations

import gc
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Optional, Union, cast, overload

import fabric
from fabric.tasks import ConnectionCall as FabricConnectionCall
from invoke.collection import Collection
from invoke.config import AmbiguousMergeError, Config, merge_dicts
from invoke.context import Context
from invoke.exceptions import Exit, UncastableEnvVar
from invoke.parser.context import ParserContext
from invoke.tasks import Call, Task

from ..errors import HostRangeError, Interrupted, MurderError, SettingsError
from .connecting.connections import Gateways, HostKwargs, connection, host_keys_of, host_kwargs
from .connecting.host_keys import HostKeys, tell_on_stderr
from .failures import HostKeyError
from .ranges import expand
from .settings import SECTION, Settings

HostValue = Union[str, HostKwargs]
#: A task's function.
Body = Callable[..., Any]
#: What values of settings are called by people.
_KINDS = {"dict": "mapping", "str": "text", "int": "number", "bool": "yes or no"}


class GroupContext(Context):
    """
    What a group task gets instead of a connection: every host the call is for. `run` is local.

    Two times the same host, user and port is one host here.
    """

    def __init__(
        self, config: Optional[Config] = None, hosts: Iterable[HostValue] = (), **kwargs: Any
    ) -> None:
        super().__init__(config=config, **kwargs)
        given = [host_kwargs(host) if isinstance(host, str) else host for host in hosts]
        unique = {(host["host"], host.get("user"), host.get("port")): host for host in given}
        self._set(host_kwargs=list(unique.values()))

    host_kwargs: list[HostKwargs]

    @property
    def hosts(self) -> list[str]:
        """The hosts as they were written, with user and port where these were given."""
        return [_written(host) for host in self.host_kwargs]

    def kwargs_of(self, host: str) -> HostKwargs:
        """Return what the connection to *host* is made of; it need not be one of the group."""
        own = (given for given in self.host_kwargs if _written(given) == host)
        return next(own, None) or host_kwargs(host)

    def gateways(self, tell: Callable[[str, str], None] = tell_on_stderr) -> Gateways:
        """
        Return what makes and opens this context's connections, with jump hosts shared among them.

        Args:
            tell: what somebody should know of a host's key; see `HostKeys`.
        """
        return Gateways(fabric_config(self.config), tell)

    def connections(self) -> list[fabric.Connection]:
        """Make a new connection to each host, none of them open."""
        gateways = self.gateways()
        return [gateways.connection(host) for host in self.host_kwargs]


class GroupTask(fabric.Task):
    """A task that is called once, with a `GroupContext` of all hosts, instead of once for each host."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the task; a `Connection` or plain `Context` from Python code becomes a `GroupContext` too."""
        if args and isinstance(args[0], Context):
            args = (group_context(args[0]), *args[1:])
        return super().__call__(*args, **kwargs)

    def refused(self, error: MurderError, flags: Mapping[str, Any]) -> None:
        """It will not be called, because of *error*, which is told on stderr; *flags* are those given."""


@overload
def group_task(body: Body, /) -> GroupTask: ...
@overload
def group_task(**options: Any) -> Callable[[Body], GroupTask]: ...
def group_task(*args: Any, **options: Any) -> Any:
    """
    Make a `GroupTask` of a function: `@group_task`, or with the options of Fabric's own `@task`.

    Short flags are off unless asked for: Invoke would make `-t` out of `--tag`, and `fab` itself has a `-t`.
    """
    options.setdefault("auto_shortflags", False)
    return fabric.task(*args, **{"klass": GroupTask, **options})


class ConnectionCall(FabricConnectionCall):
    """
    Fabric's call of a task for one host, whose key is checked as for tasks of ours.

    Also understands Invoke 3, whose second argument Fabric lacks.
    """

    def __init__(self, *args: Any, host_keys: Optional[HostKeys] = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.host_keys = host_keys

    def clone_data(self) -> dict[str, Any]:
        return {**super().clone_data(), "init_kwargs": self.init_kwargs, "host_keys": self.host_keys}

    def make_context(self, config: Config, core_parse_result: Any = None) -> fabric.Connection:
        made = connection(fabric_config(config), self.init_kwargs)
        (self.host_keys or host_keys_of(config)).guard(made)
        return made


class GroupCall(Call):
    """The call of a group task; *origin* is the call that Fabric multiplied by the hosts."""

    def __init__(self, *args: Any, hosts: Sequence[HostKwargs], origin: Call, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.group_hosts = list(hosts)
        self.origin = origin

    def clone_data(self) -> dict[str, Any]:
        return {**super().clone_data(), "hosts": self.group_hosts, "origin": self.origin}

    def make_context(self, config: Config, core_parse_result: Any = None) -> GroupContext:
        extra = {} if core_parse_result is None else {"remainder": core_parse_result.remainder}
        return GroupContext(config, self.group_hosts, **extra)


class Executor(fabric.Executor):
    """
    Fabric's executor with ranges, roles and group tasks; all else is as in Fabric.

    An error of ours becomes one line on stderr and its exit code.
    """

    _expanded = False
    _host_keys: Optional[HostKeys] = None

    def execute(self, *tasks: Any) -> Any:
        try:
            if any(name.startswith(f"FABRIC_{SECTION.upper()}_") for name in os.environ):
                self._loaded_config()
            return super().execute(*tasks)
        except MurderError as error:
            if error.result is None:  # it did not come to any task of ours
                self._refuse(tasks, error)
            which = f"{error.host}: " if isinstance(error, HostKeyError) and error.host else ""
            raise Exit(f"{SECTION}: {which}{error}", code=error.exit_code) from None
        except AmbiguousMergeError as error:
            wrong = misfit(error)
            self._refuse(tasks, wrong)
            raise Exit(f"{SECTION}: {wrong}", code=wrong.exit_code) from None
        except KeyboardInterrupt:  # Invoke would end with 1, as if something had failed
            raise Exit("fab: interrupted", code=Interrupted.exit_code) from None

    def expand_calls(self, calls: Iterable[Union[Call, Task[Any]]], apply_hosts: bool = True) -> list[Call]:
        self._expand_command_line()
        merged: list[Call] = []
        # Fabric would run what follows `--` with the pre-tasks of each task already, where it has no hosts,
        # and knows none but those of -H.
        command, self.core.remainder = self.core.remainder, ""
        try:
            expanded = super().expand_calls(calls, apply_hosts)
        finally:
            self.core.remainder = command
        if command and apply_hosts:
            expanded += self._calls_of_command(command)
        for call in expanded:
            last = merged[-1] if merged else None
            if isinstance(call, GroupCall) and isinstance(last, GroupCall) and last.origin is call.origin:
                last.group_hosts += call.group_hosts
            else:
                merged.append(call)
        return merged

    def normalize_hosts(self, hosts: Optional[Sequence[HostValue]]) -> list[HostKwargs]:
        normal = []
        for given in super().normalize_hosts(hosts):
            for host in self._expand(given.get("host") or ""):
                normal.append({**given, **host_kwargs(host)})
        return normal

    def parameterize(self, call: Call, connection_init_kwargs: HostKwargs) -> Call:
        if isinstance(call.task, GroupTask):
            return call.clone(into=GroupCall, with_={"hosts": [connection_init_kwargs], "origin": call})
        # The task's own part of the configuration would lack what the environment says of our settings.
        self._host_keys = self._host_keys or host_keys_of(self._loaded_config())
        own = {"init_kwargs": connection_init_kwargs, "host_keys": self._host_keys}
        return call.clone(into=ConnectionCall, with_=own)

    def _calls_of_command(self, command: str) -> list[Call]:
        """Return the calls that run *command* on the hosts of `-H`, or those that roles name."""
        from .commands import run_command
        from .roles import assign_roles

        named = self.core[0].args.hosts.value
        roles = Settings.from_config(self._loaded_config()).roles
        hosts = assign_roles(named.split(",") if named else [], roles).peers
        call = Call(run_command, args=(command,))
        return [self.parameterize(call, host) for host in self.normalize_hosts(hosts)]

    def _refuse(self, tasks: Iterable[Any], error: MurderError) -> None:
        for asked in tasks:
            task = self.collection[asked.name] if isinstance(asked, ParserContext) else None
            if isinstance(task, GroupTask) and not task.called:
                task.refused(error, asked.as_kwargs)

    def _expand_command_line(self) -> None:
        """Rewrite `-H` once; what is left holds no bracket, so that Fabric may split it at its commas."""
        if self._expanded:
            return
        self._expanded = True
        argument = self.core[0].args.hosts
        if argument.value:
            try:
                argument.value = ",".join(self._expand(argument.value))
            except HostRangeError as error:
                raise HostRangeError(f"-H/--hosts: {error}") from None

    def _expand(self, text: str) -> list[str]:
        roles = Settings.from_config(self._loaded_config()).roles if "@" in text else {}
        return expand(text, roles=roles)

    def _loaded_config(self) -> Config:
        """Return the configuration with the collections' part and the environment, as tasks will see it."""
        collected: dict[str, Any] = {}
        for part in _configurations(self.collection):
            merge_dicts(collected, part)
        config = self.config.clone()
        config.load_collection(collected)
        load_environment(config)
        return config


def load_environment(config: Config) -> None:
    """
    Read variables of the environment into *config*, for each key that it has already.

    Raises:
        SettingsError: one cannot be what its key is.
    """
    try:
        config.load_shell_env()
    except (ValueError, UncastableEnvVar) as error:
        raise SettingsError(f"a FABRIC_… variable of the environment has a wrong value: {error}") from None


def misfit(error: AmbiguousMergeError) -> SettingsError:
    """Say that a setting is a mapping in one place and none in another; Invoke shows the whole of both."""
    said = str(error)
    told = re.search(r"merge <class '(\w+)'> \((.*)\) with <class '(\w+)'> \((.*)\)$", said, re.DOTALL)
    if told is None:
        return SettingsError(f"settings do not go together: {' '.join(said.split()):.200}")
    wanted, default, found, given = told.groups()
    is_ours = "'keep_releases': " in default
    name, example = (SECTION, f" (`{SECTION}: {{keep_releases: 3}}`)") if is_ours else ("a setting", "")
    return SettingsError(
        f"{name} is to be a {_KINDS.get(wanted, wanted)}{example}, but is a {_KINDS.get(found, found)}:"
        f" {given:.60}; look into fabric.yaml. No host was touched"
    )


def install() -> bool:
    """
    Make `Executor` the executor of the running `fab`, unless another one was chosen.

    Returns:
        Whether it was put in place; never outside `fab`, as in a plain Python or under `inv`.
    """
    main = sys.modules.get("fabric.main")
    if main is None or main.program.executor_class is not fabric.Executor:
        return False
    main.program.executor_class = Executor
    # What fab and we have loaded stays until the end. To look for garbage in it, at each collection and once
    # more when the process ends, would take an eighth of the time of `fab --list`.
    gc.freeze()
    return True


def take_underscores(names: Iterable[str]) -> None:
    """
    Let the running `fab` take `murder.start_tracker`, as Murder spelled it, for `murder.start-tracker`.

    Invoke knows names with dashes alone. The fabfile, and with it this module, is imported after `fab` has
    read its own flags and before it looks up the tasks; what is left for that is spelled anew here.

    Args:
        names: of our tasks, with dashes.
    """
    main = sys.modules.get("fabric.main")
    core = getattr(main.program, "core", None) if main is not None else None
    if core is None:
        return
    with_underscores = {name.replace("-", "_"): name for name in names}
    for position, word in enumerate(core.unparsed):
        collection, dot, task = word.rpartition(".")
        if dot and task in with_underscores:
            core.unparsed[position] = f"{collection}.{with_underscores[task]}"


def group_context(context: Context) -> GroupContext:
    """Return *context* as a group task has it: a connection is a group of one, a plain context of none."""
    if isinstance(context, GroupContext):
        return context
    if not isinstance(context, fabric.Connection):
        return GroupContext(context.config)
    host: HostKwargs = {
        "host": context.original_host,
        "user": context.user,
        "port": context.port,
        "connect_kwargs": context.connect_kwargs,
    }
    # What ssh_config says about the way there is found again, and then shared with other hosts.
    if context.gateway and not {"proxyjump", "proxycommand"} & set(context.ssh_config):
        host["gateway"] = context.gateway
    return GroupContext(context.config, [host])


def fabric_config(config: Config) -> fabric.Config:
    """Return a configuration that knows what Fabric's defaults are; Invoke's own does not."""
    return (
        config if isinstance(config, fabric.Config) else cast(fabric.Config, config.clone(into=fabric.Config))
    )


def _written(host: HostKwargs) -> str:
    user, name, port = host.get("user"), str(host["host"]), host.get("port")
    if port and ":" in name:
        name = f"[{name}]"
    return f"{user}@" * bool(user) + name + f":{port}" * bool(port)


def _configurations(collection: Collection) -> Iterable[dict[str, Any]]:
    """Yield the configuration of every collection, those nearer to the root later, as they win."""
    for part in collection.collections.values():
        yield from _configurations(part)
    yield collection.configuration()
