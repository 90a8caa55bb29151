"""Says at the end what became of the inputs that chance drew for each parser, and what draws them again."""

from __future__ import annotations

import pytest
from bounded import EXAMPLES, FIRST_SEED, INPUTS


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = terminalreporter.getreports("passed")
    fuzzed = [value for report in reports for key, value in report.user_properties if key == "fuzzed"]
    if fuzzed:
        terminalreporter.section("inputs that chance drew")
    for name in dict.fromkeys(name for name, *_ in fuzzed):
        count, taken, seconds = (
            sum(column) for column in zip(*(rest for one, *rest in fuzzed if one == name))
        )
        terminalreporter.write_line(f"{name}: {count:,}, {taken / count:.1%} taken, {seconds:.1f} s of CPU")
    if any(report.nodeid.startswith("tests/fuzz/") for report in terminalreporter.getreports("failed")):
        again = f"./dev fuzz --seed {FIRST_SEED} --inputs {INPUTS} --examples {EXAMPLES}"
        terminalreporter.write_line(f"what failed in tests/fuzz is drawn again by {again}")
