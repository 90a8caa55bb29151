"""Modules that load when they are first used, for whoever names more of them than it needs."""

from __future__ import annotations

import importlib.util
import sys
import threading
from importlib.abc import Loader
from types import ModuleType
from typing import Any


def load_late(name: str) -> ModuleType:
    """
    Return the module *name*; its code runs at the first look at one of its attributes.

    Where that fails, be it by Ctrl-C, the next look runs it again, and from the beginning: the standard
    library's `LazyLoader` leaves a half of the module behind, in which whoever cleans up finds nothing.

    Raises:
        ImportError: there is none.
    """
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        raise ImportError(f"there is no module {name}")
    module = importlib.util.module_from_spec(spec)
    spec.loader_state = _Code(spec.loader)
    module.__class__ = _Late
    sys.modules[name] = module
    package, _, child = name.rpartition(".")
    if package:  # `from package import child` looks there first, and else at the module, which then loads
        setattr(sys.modules[package], child, module)
    return module


class _Late(ModuleType):
    """A module whose code has not been run to its end."""

    def __getattribute__(self, name: str) -> Any:
        code: _Code = ModuleType.__getattribute__(self, "__spec__").loader_state
        code.run(self)
        return ModuleType.__getattribute__(self, name)


class _Code:
    """What runs a module's code, once; other threads wait for the first that looks."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader
        self._lock = threading.RLock()
        self._under_way = False

    def run(self, module: ModuleType) -> None:
        """Fill *module*, unless it is full, or being filled by what looks at it now."""
        with self._lock:
            kind = type(module)
            if self._under_way or kind is not _Late:
                return
            namespace = ModuleType.__getattribute__(module, "__dict__")
            before = dict(namespace)
            try:
                self._under_way = True
                self._loader.exec_module(module)
                module.__class__ = ModuleType
            except BaseException:
                module.__class__ = _Late  # where Ctrl-C came at the last moment
                for name in namespace.keys() - before.keys():
                    del namespace[name]
                namespace.update(before)
                raise
            finally:
                self._under_way = False
