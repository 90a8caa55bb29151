"""Modules that load when they are first used: `fab --list` and every TAB of completion use none of them."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType


def lazily(name: str) -> ModuleType:
    """Return the module *name* of this room; its code runs at the first look at one of its attributes."""
    full = f"{__package__}.{name}"
    if full in sys.modules:
        return sys.modules[full]
    spec = importlib.util.find_spec(full)
    if spec is None or spec.loader is None:
        raise ImportError(f"there is no module {full}")
    spec.loader = loader = importlib.util.LazyLoader(spec.loader)
    module = sys.modules[full] = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module
