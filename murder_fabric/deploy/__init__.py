"""
The operator's side: Fabric tasks, SSH, and what goes on between the first connection and the last.

This room has the name of a function: `from murder_fabric import deploy` gives the room where it was imported
before. So the room can be called, and is that function then (docs/adr/0010).
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _Room(ModuleType):
    def __call__(self, *args: Any, **options: Any) -> Any:
        from .tasks import deploy

        return deploy.function()(*args, **options)


sys.modules[__name__].__class__ = _Room
