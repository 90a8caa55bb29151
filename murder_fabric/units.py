"""How amounts are said to people, and read: sizes and rates in decimal units, times, counts of things."""

from __future__ import annotations

import re


def shown_size(count: float) -> str:
    """Return *count* bytes in the largest decimal unit that fits, as links are sold: `512 B`, `48.0 MB`."""
    if round(count) < 1000:
        return f"{round(count)} B"
    for unit in ("kB", "MB", "GB"):
        count /= 1000
        if round(count, 1) < 1000:
            return f"{count:.1f} {unit}"
    return f"{count / 1000:.1f} TB"


def shown_seconds(seconds: float) -> str:
    """Return a time as long as people wait for it: `4 s`, `2 min 5 s`, `1 h 3 min`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def counted(count: int, thing: str) -> str:
    """Return how many of *thing* there are: `1 host`, `8 hosts`."""
    return f"{count} {thing}" + "s" * (count != 1)


def every(count: int, thing: str) -> str:
    """Return that it is all of them: `the only host`, `all 8 hosts`."""
    return f"the only {thing}" if count == 1 else f"all {count} {thing}s"


#: Bytes a second below which no limit goes: with less, peers would take us for dead.
LEAST_RATE = 10_000
_BYTES_OF = {
    "": 1.0,
    "B": 1.0,
    "kB": 1e3,
    "MB": 1e6,
    "GB": 1e9,
    "kbit": 1e3 / 8,
    "Mbit": 1e6 / 8,
    "Gbit": 1e9 / 8,
}


def parse_rate(text: str) -> int:
    """
    Return the bytes a second that *text* stands for: `10MB`, `1.5 MB/s`, `80Mbit`, `500000`.

    Raises:
        ValueError: it stands for none, or for less than `LEAST_RATE`; says what it must be.
    """
    found = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,6})?) ?([a-zA-Z]*?)(?:/s)?", text)
    unit = None if found is None else _BYTES_OF.get(found[2])
    rate = 0 if found is None or unit is None else int(float(found[1]) * unit)
    if rate < LEAST_RATE:
        raise ValueError(
            "bytes a second such as 10MB, 500kB or 80Mbit, at least"
            f" {shown_size(LEAST_RATE)}; without a limit, leave it out"
        )
    return rate
