"""
Murder for Fabric 3: puts a directory tree on every host by BitTorrent and switches all of them at once.

In a fabfile, `from murder_fabric import murder` and `ns.add_collection(murder)` are all there is to do.
Python code calls functions: `from murder_fabric import Fleet, deploy`.
Fabric is imported only then: on a host this package runs without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .version import __version__

if TYPE_CHECKING:
    from .api import (
        Fleet,
        HostResult,
        HostState,
        Result,
        View,
        catch_up,
        cleanup,
        deploy,
        doctor,
        fetch,
        lock,
        releases,
        rollback,
        status,
        switch,
        unlock,
        verify,
    )
    from .deploy.executor import GroupContext, group_task
    from .deploy.tasks import murder

__all__ = [
    "Fleet",
    "GroupContext",
    "HostResult",
    "HostState",
    "Result",
    "View",
    "__version__",
    "catch_up",
    "cleanup",
    "deploy",
    "doctor",
    "fetch",
    "group_task",
    "lock",
    "murder",
    "releases",
    "rollback",
    "status",
    "switch",
    "unlock",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .deploy import executor, tasks

    executor.install()
    executor.take_underscores(tasks.murder.task_names)
    if name == "murder":
        return tasks.murder
    if name in ("GroupContext", "group_task"):
        return getattr(executor, name)
    from . import api

    return getattr(api, name)
