"""`./dev simulate`: many seeds on all cores; what breaks is named, some are replayed in a fresh process."""

from __future__ import annotations

import argparse
import os
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import NamedTuple

from murder_fabric.simulation.drawing import drawn
from murder_fabric.simulation.faults import FAULTS
from murder_fabric.simulation.run import simulate

#: Seeds between two lines about how far it is.
STEP = 500


class Result(NamedTuple):
    """What is kept of one seed."""

    seed: int
    violations: list[str]
    faults: dict[str, int]
    trace: str


def run_seed(seed: int) -> Result:
    """Simulate *seed*; a crash is a violation too."""
    try:
        account = simulate(drawn(seed))
    except Exception:
        return Result(seed, [traceback.format_exc()], {}, "")
    return Result(seed, account.violations, account.faults, account.trace_sha256)


def in_processes(seeds: Iterable[int], count: int) -> Iterable[Result]:
    """Yield the results of *seeds*, in their order, from *count* fresh interpreters."""
    with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
        yield from pool.map(run_seed, seeds, chunksize=4)


def main() -> int:
    """Run what the arguments say; 1 where a seed broke something, or came out differently on replay."""
    parser = argparse.ArgumentParser(prog="./dev simulate", description="Many seeds of the simulation.")
    parser.add_argument("--seeds", type=int, default=500, help="how many (default 500)")
    parser.add_argument("--first", type=int, default=1, help="the first of them (default 1)")
    parser.add_argument("--replay", type=int, default=200, help="how many to run once more (default 200)")
    options = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    began, broken, struck = time.monotonic(), 0, Counter[str]()
    traces: dict[int, str] = {}
    for result in in_processes(range(options.first, options.first + options.seeds), cores):
        traces[result.seed] = result.trace
        struck.update(result.faults)
        if result.violations:
            broken += 1
            print(f"seed {result.seed}: {'; '.join(result.violations)}", flush=True)
        if len(traces) % STEP == 0:
            print(f"{len(traces)} seeds after {time.monotonic() - began:.0f} s, {broken} broken", flush=True)
    again = [*traces][: options.replay]
    differing = [r.seed for r in in_processes(again, cores) if r.trace != traces[r.seed]]
    took = time.monotonic() - began
    print(f"{len(traces)} of {options.seeds} seeds ran, {broken} broken; {took:.0f} s on {cores} cores")
    print(
        f"{len(again) - len(differing)} of {len(again)} the same on replay; differing: {differing or 'none'}"
    )
    print("faults: " + ", ".join(f"{struck[name]} {name}" for name in FAULTS))
    return 1 if broken or differing or len(traces) != options.seeds else 0


if __name__ == "__main__":
    sys.exit(main())
