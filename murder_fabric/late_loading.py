"""Modules that load when they are first used, for whoever names more of them than it needs."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType


def load_late(name: str) -> ModuleType:
    """
    Return the module *name*; its code runs at the first look at one of its attributes.

    Raises:
        ImportError: there is none.
    """
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        raise ImportError(f"there is no module {name}")
    spec.loader = loader = importlib.util.LazyLoader(spec.loader)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    package, _, child = name.rpartition(".")
    if package:  # `from package import child` looks there first, and else at the module, which then loads
        setattr(sys.modules[package], child, module)
    return module
