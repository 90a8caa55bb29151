"""Tasks of the user's as hooks: a fabfile adds them to `murder.hooks`, and runs call them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import fabric
from invoke.collection import Collection
from invoke.exceptions import UnexpectedExit
from invoke.tasks import Task

from ..errors import BadInput, MurderError
from .executor import GroupContext, GroupTask
from .failures import NO_THREADS, HostFailure, printable
from .hook_names import complaint
from .roles import HERE
from .settings import SECTION

#: `murder.hooks`: what is added here under the name of a hook is called by every run.
HOOKS = Collection("hooks")
#: Where a task finds what the hook is about, as `c.murder_hook.tag` and so on.
ABOUT = "murder_hook"
#: Characters of what a command said that are shown of it, from its end.
_TAIL = 300


def hook_tasks() -> dict[str, Task[Any]]:
    """
    Return the tasks in `murder.hooks` by the hook they are.

    Raises:
        BadInput: one has a name that no hook has.
    """
    found = {}
    for dashed, task in HOOKS.tasks.items():
        name = dashed.replace("-", "_")
        if wrong := complaint(name):
            raise BadInput(f"murder.hooks: {wrong}; no host was touched")
        found[name] = task
    return found


def call(
    task: Task[Any], context: GroupContext, hosts: Sequence[str], about: Mapping[str, str], pool_size: int
) -> dict[str, HostFailure]:
    """
    Call *task*: a group task once with all *hosts*, any other once for each, with a connection.

    What commands say goes to stderr, as stdout is for records.

    Args:
        about: what it finds below `c.murder_hook`.
        pool_size: how many connections at a time.

    Returns:
        The hosts where it failed, and why; all of them, where a group task did, or this machine if there is
        none.
    """
    config: Any = context.config.clone()
    config[ABOUT] = dict(about)
    config.run.out_stream = sys.stderr
    if SECTION in config:  # a task of ours that is called from this one means the same release
        config[SECTION].update(default_tag=about["tag"], default_destination_path=about["destination"])
    group = GroupContext(config, [context.kwargs_of(host) for host in hosts])
    if isinstance(task, GroupTask):
        failure = _failure_of(lambda: task(group))
        return {} if failure is None else dict.fromkeys(hosts or [HERE], failure)
    return _call_each(task, group, hosts, pool_size)


def _call_each(
    task: Task[Any], group: GroupContext, hosts: Sequence[str], pool_size: int
) -> dict[str, HostFailure]:
    if not hosts:
        return {}
    gateways = group.gateways()
    connections = {host: gateways.connection(group.kwargs_of(host)) for host in hosts}

    def of_host(connection: fabric.Connection) -> HostFailure | None:
        return gateways.try_open(connection) or _failure_of(lambda: task(connection))

    pool = ThreadPoolExecutor(min(pool_size, len(hosts)), thread_name_prefix="hook")
    try:
        futures: dict[str, Future[HostFailure | None]] = {
            host: pool.submit(of_host, connection) for host, connection in connections.items()
        }
        results = {host: future.result() for host, future in futures.items()}
    except RuntimeError:  # of `submit`: what a task raises is its result
        return dict.fromkeys(hosts, HostFailure("failed", NO_THREADS))
    finally:
        # After a Ctrl-C the threads that wait for a command come back once their connection is closed.
        pool.shutdown(wait=False, cancel_futures=True)
        for connection in connections.values():
            connection.close()
        gateways.close()
    return {host: failure for host, failure in results.items() if failure is not None}


def _failure_of(act: Callable[[], Any]) -> HostFailure | None:
    """Return why *act* failed, None if it did not; whatever a task of the user's raises."""
    try:
        act()
    except UnexpectedExit as error:
        result = error.result
        said = (result.stderr or result.stdout).strip()[-_TAIL:]
        why = f"`{result.command}` ended with exit code {result.exited}" + f": {said}" * bool(said)
    except MurderError as error:
        why = str(error)
    except (Exception, SystemExit) as error:
        why = f"{type(error).__name__}: {error}"
    else:
        return None
    return HostFailure("failed", printable(why))
