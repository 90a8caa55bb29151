"""What rows come to: medians over rounds, the gates that hold or do not, as JSON and as Markdown. No I/O."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional

OURS = "murder_fabric"
#: Seconds since the start -> share of all bytes that are where they belong.
Curve = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Sample:
    """What one contender did in one round: figures by name, unit included, such as `last s`."""

    figures: Mapping[str, float]
    curve: Curve = ()


@dataclass(frozen=True)
class Gate:
    """
    A figure of a contender, or how it relates to another one's, and the limit that it has to keep.

    `of` and `over` are pairs of contender and figure; the limit is the most, or with `least` the least.
    """

    says: str
    of: tuple[str, str]
    limit: float
    over: Optional[tuple[str, str]] = None
    least: bool = False

    def value(self, medians: Mapping[str, Mapping[str, float]]) -> Optional[float]:
        """Return what the rounds give for it; None where a contender is missing or failed."""
        found = [medians.get(name, {}).get(figure) for name, figure in filter(None, (self.of, self.over))]
        if None in found or (self.over is not None and not found[1]):
            return None
        return float(found[0] or 0.0) / float(found[1] or 1.0) if self.over else found[0]

    def holds(self, value: float) -> bool:
        """Say whether *value* keeps the limit."""
        return value >= self.limit if self.least else value <= self.limit


@dataclass
class Measured:
    """One row in one run of the benchmark."""

    row: str
    shape: str
    small: bool
    gates: Sequence[Gate]
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    #: Contender -> why it was not measured, or what went wrong when it was.
    missing: dict[str, str] = field(default_factory=dict)
    failures: dict[str, list[str]] = field(default_factory=dict)

    @property
    def medians(self) -> dict[str, dict[str, float]]:
        """By contender and figure."""
        return {
            name: {
                figure: statistics.median(one.figures[figure] for one in samples if figure in one.figures)
                for figure in dict.fromkeys(figure for one in samples for figure in one.figures)
            }
            for name, samples in self.samples.items()
        }

    def judged(self) -> list[dict[str, Any]]:
        """Return each gate with what came of it; `holds` is None where it could not be judged."""
        found = []
        for gate in self.gates:
            value = gate.value(self.medians)
            holds = None if value is None else gate.holds(value)
            found.append({**dataclasses.asdict(gate), "value": value, "holds": holds})
        return found

    def document(self, machine: Mapping[str, Any]) -> dict[str, Any]:
        """Return all of it as JSON has it."""
        return {
            "row": self.row,
            "shape": self.shape,
            "small": self.small,
            "machine": dict(machine),
            "medians": self.medians,
            "rounds": {name: [dict(one.figures) for one in them] for name, them in self.samples.items()},
            "missing": self.missing,
            "failures": self.failures,
            "gates": self.judged(),
            "curves": {name: _middle(samples).curve for name, samples in self.samples.items() if samples},
        }


def _middle(samples: Sequence[Sample]) -> Sample:
    """Return the round whose time is the median of all: its curve stands for them."""
    by_time = sorted(samples, key=lambda one: one.figures.get("last s", 0.0))
    return by_time[len(by_time) // 2]


def told(document: Mapping[str, Any]) -> list[str]:
    """Return a row's document as lines for a terminal."""
    lines = [f"{document['row']}: {document['shape']}"]
    for name, figures in document["medians"].items():
        rounds = len(document["rounds"][name])
        shown = "  ".join(f"{figure} {value:.2f}" for figure, value in figures.items())
        lines.append(f"  {name:14}{shown}  ({rounds} round{'' if rounds == 1 else 's'})")
    lines += [f"  {name:14}missing: {why}" for name, why in document["missing"].items()]
    lines += [f"  {name:14}failed: {why}" for name, whys in document["failures"].items() for why in whys]
    return lines + [f"  {_verdict(gate)}" for gate in document["gates"]]


def table(documents: Sequence[Mapping[str, Any]]) -> str:
    """Return rows' documents as one table of Markdown."""
    lines = ["| row | what is asked | what came | |", "|---|---|---|---|"]
    for document in documents:
        for gate in document["gates"]:
            value = "not measured" if gate["value"] is None else f"{gate['value']:.2f}"
            verdict = {None: "", True: "holds", False: "**does not hold**"}[gate["holds"]]
            asked = f"{gate['says']}: {_limit(gate)}"
            lines.append(f"| {document['row']} | {asked} | {value} | {verdict} |")
    lines += ["", "| row | contender | rounds | medians |", "|---|---|---|---|"]
    for document in documents:
        for name, figures in document["medians"].items():
            shown = ", ".join(f"{figure} {value:.2f}" for figure, value in figures.items())
            lines.append(f"| {document['row']} | {name} | {len(document['rounds'][name])} | {shown} |")
        lines += [
            f"| {document['row']} | {name} | 0 | missing: {why} |"
            for name, why in document["missing"].items()
        ]
    return "\n".join(lines) + "\n"


def _verdict(gate: Mapping[str, Any]) -> str:
    if gate["value"] is None:
        return f"gate: {gate['says']}: {_limit(gate)}: not judged, a contender is missing"
    words = "holds" if gate["holds"] else "DOES NOT HOLD"
    return f"gate: {gate['says']}: {gate['value']:.2f}, {_limit(gate)}: {words}"


def _limit(gate: Mapping[str, Any]) -> str:
    return f"at {'least' if gate['least'] else 'most'} {gate['limit']:g}"
