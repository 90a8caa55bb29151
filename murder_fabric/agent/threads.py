"""A blocking call in a thread of the reactor's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread

from ..errors import MurderError

T = TypeVar("T")


def in_thread(act: Callable[..., T], *arguments: Any, **more: Any) -> Deferred[T]:
    """
    Call *act* in a thread; what it returns comes later.

    Raises:
        MurderError: the kernel lets us have none.
    """
    try:
        return deferToThread(act, *arguments, **more)
    except RuntimeError as error:
        raise MurderError(
            f"this process may not have another thread ({error}): a limit of processes is reached (pids.max,"
            " ulimit -u); nothing was changed. Raise the limit, then run the same command again"
        ) from None
