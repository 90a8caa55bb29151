"""
Murder for Fabric 3: puts a directory tree on every host by BitTorrent and switches all of them at once.

In a fabfile, `from murder_fabric import murder` and `ns.add_collection(murder)` are all there is to do.
Fabric is imported only then: on a host this package runs without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .version import __version__

if TYPE_CHECKING:
    from .deploy.executor import GroupContext, group_task
    from .deploy.tasks import murder

__all__ = ["GroupContext", "__version__", "group_task", "murder"]


def __getattr__(name: str) -> Any:
    if name not in ("GroupContext", "group_task", "murder"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .deploy import executor, tasks

    executor.install()
    executor.take_underscores(tasks.murder.task_names)
    return tasks.murder if name == "murder" else getattr(executor, name)
