"""Modules that load when they are first used: `fab --list` and every TAB of completion use none of them."""

from __future__ import annotations

from types import ModuleType

from ..late_loading import load_late


def lazily(name: str) -> ModuleType:
    """Return the module *name* of this room; its code runs at the first look at one of its attributes."""
    return load_late(f"{__package__}.{name}")
