"""How amounts are said to people: sizes in decimal units, and things with how many there are."""

from __future__ import annotations


def shown_size(count: float) -> str:
    """Return *count* bytes in the largest decimal unit that fits, as links are sold: `512 B`, `48.0 MB`."""
    if round(count) < 1000:
        return f"{round(count)} B"
    for unit in ("kB", "MB", "GB"):
        count /= 1000
        if round(count, 1) < 1000:
            return f"{count:.1f} {unit}"
    return f"{count / 1000:.1f} TB"


def counted(count: int, thing: str) -> str:
    """Return how many of *thing* there are: `1 host`, `8 hosts`."""
    return f"{count} {thing}" + "s" * (count != 1)
