"""Completion over time as a picture: how much of all bytes has arrived, contender by contender."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .results import OURS


def draw(document: Mapping[str, Any], path: Path) -> str:
    """Draw the curves of a row as PNG; return why there is none, or nothing."""
    curves = {name: curve for name, curve in document["curves"].items() if curve}
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return "no picture: matplotlib is not installed (PyPI: matplotlib)"
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    for name, curve in curves.items():
        last = document["medians"][name]["last s"]
        times, shares = zip(*curve)
        axes.plot(
            (0, *times, max(last, times[-1])),
            [100 * share for share in (0, *shares, shares[-1])],
            label=f"{name}: {last:.1f} s",
            linewidth=2.5 if name == OURS else 1.2,
        )
    axes.set_xlabel("seconds since the first peer was started")
    axes.set_ylabel("% of all bytes there")
    axes.set_title(f"{document['row']}: {document['shape']}", fontsize="medium")
    axes.set_ylim(0, 102)
    axes.set_xlim(left=0)
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    figure.savefig(path, dpi=110)
    return ""
