"""What rounds of the benchmark come to: medians, ratios and gates."""

from __future__ import annotations

import json

from bench.results import OURS, Gate, Measured, Sample, table, told

GATES = (
    Gate("ours ÷ theirs", (OURS, "last s"), 0.5, ("other", "last s")),
    Gate("throughput", (OURS, "MB/s"), 100, least=True),
    Gate("ours ÷ gone", (OURS, "last s"), 0.5, ("gone", "last s")),
)


def measured() -> Measured:
    found = Measured("swarm", "3 peers", False, GATES)
    found.samples[OURS] = [Sample({"last s": s, "MB/s": 90.0}, [(0.0, s)]) for s in (3.0, 1.0, 2.0)]
    found.samples["other"] = [Sample({"last s": 4.0})]
    found.missing["gone"] = "gone is not installed"
    found.failures["other"] = ["it ended"]
    return found


def test_gates_judge_medians_and_what_is_missing_is_not_judged() -> None:
    judged = measured().judged()
    assert [(gate["value"], gate["holds"]) for gate in judged] == [(0.5, True), (90.0, False), (None, None)]


def test_the_curve_is_that_of_the_round_in_the_middle() -> None:
    document = measured().document({"cores": 2})
    assert document["curves"][OURS] == [(0.0, 2.0)]
    assert document["rounds"][OURS][0] == {"last s": 3.0, "MB/s": 90.0}


def test_nobody_is_left_out_in_silence() -> None:
    document = json.loads(json.dumps(measured().document({})))
    lines = "\n".join(told(document))
    for words in ("gone is not installed", "failed: it ended", "DOES NOT HOLD", "a contender is missing"):
        assert words in lines
    shown = table([document])
    assert "| swarm | throughput: at least 100 | 90.00 | **does not hold** |" in shown
    assert "| swarm | ours ÷ gone: at most 0.5 | not measured |  |" in shown
    assert "missing: gone is not installed" in shown


def test_a_ratio_to_nothing_is_none() -> None:
    gate = Gate("", (OURS, "s"), 1.0, ("other", "s"))
    assert gate.value({OURS: {"s": 1.0}, "other": {"s": 0.0}}) is None
