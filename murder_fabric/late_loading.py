"""Modules that load when they are first used, for whoever names more of them than it needs."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import sys
import threading
from collections.abc import Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.abc import Loader  # which loads a dozen others

#: What there is before any code has run; the import system looks at it, as does who searches all modules.
_FROM_THE_START = frozenset(
    {"__name__", "__spec__", "__loader__", "__package__", "__path__", "__file__", "__cached__"}
)


def load_late(name: str, parts: Mapping[str, str] | None = None) -> ModuleType:
    """
    Return the module *name*; its code runs at the first look at one of its attributes.

    Where that fails, be it by Ctrl-C, the next look runs it again, and from the beginning: the standard
    library's `LazyLoader` leaves a half of the module behind, in which whoever cleans up finds nothing.

    A package with *parts* does with less: an attribute named there is asked of the submodule beside it, and a
    submodule loads alone; all of the package loads when it is asked for anything else.

    Raises:
        ImportError: there is none.
    """
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        raise ImportError(f"there is no module {name}")
    module = importlib.util.module_from_spec(spec)
    spec.loader_state = _Code(spec.loader, parts)
    module.__class__ = _Late
    sys.modules[name] = module
    package, _, child = name.rpartition(".")
    if package:  # `from package import child` looks there first, and else at the module, which then loads
        setattr(sys.modules[package], child, module)
    return module


class _Late(ModuleType):
    """A module whose code has not been run to its end."""

    def __getattribute__(self, name: str) -> Any:
        if name not in _FROM_THE_START:
            spec = ModuleType.__getattribute__(self, "__spec__")
            code: _Code = spec.loader_state
            if code.parts is not None:
                with contextlib.suppress(AttributeError):
                    return _part(spec.name, name, code.parts)
            code.run(self)
        return ModuleType.__getattribute__(self, name)


def _part(package: str, name: str, parts: Mapping[str, str]) -> Any:
    """
    Return what a package calls *name*, without loading more of it than that.

    Raises:
        AttributeError: for that all of the package has to load.
    """
    if name in parts:
        return getattr(importlib.import_module(f"{package}.{parts[name]}"), name)
    if name.startswith("__") or importlib.util.find_spec(f"{package}.{name}") is None:
        raise AttributeError(name)
    return importlib.import_module(f"{package}.{name}")


class _Code:
    """What runs a module's code, once; other threads wait for the first that looks."""

    def __init__(self, loader: Loader, parts: Mapping[str, str] | None) -> None:
        self.parts = parts
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
