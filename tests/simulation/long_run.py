"""`./dev simulate`: many seeds on all cores; what breaks is named, some are replayed in a fresh process."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from murder_fabric.simulation.arguments import Parser, between, seeds
from murder_fabric.simulation.drawing import drawn
from murder_fabric.simulation.faults import FAULTS
from murder_fabric.simulation.run import simulate

#: Seeds between two lines about how far it is.
STEP = 500
#: Of so many seeds each kind of fault strikes once in a hundred at the least: drawn it is in twelve or more.
ENOUGH, RARELY = 1000, 0.01
#: Seconds in which a seed ends, if it is not killed; the longest takes 31 s of a core.
PATIENCE = 1800.0


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


def in_processes(chosen: Sequence[int], count: int) -> Iterator[Result]:
    """Yield the results of seeds, in their order, from *count* fresh interpreters, which end with us."""
    # A terminal interrupts all that it can reach: what is ignored here as they start, is ignored there too.
    ours = signal.signal(signal.SIGINT, signal.SIG_IGN)
    with multiprocessing.get_context("spawn").Pool(count) as pool:
        signal.signal(signal.SIGINT, ours)
        results = pool.imap(run_seed, chosen)
        for _ in chosen:
            yield results.next(PATIENCE)


def seldom(struck: Mapping[str, int], seeds: int) -> list[str]:
    """Return the kinds of fault of which so many seeds show nothing: they struck in too few of them."""
    return [name for name in FAULTS if seeds >= ENOUGH and struck.get(name, 0) < RARELY * seeds]


def run(chosen: range, replayed: int, traces: dict[int, str]) -> int:
    """
    Run *chosen* and some of them again; 1 where one broke something, or came out differently on replay.

    And where a kind of fault struck in hardly any of many.

    Args:
        replayed: how many of them, from the first on.
        traces: is given the trace of each that has run.
    """
    cores = len(os.sched_getaffinity(0))
    began, broken, struck = time.monotonic(), 0, Counter[str]()
    for result in in_processes(chosen, cores):
        traces[result.seed] = result.trace
        struck.update(result.faults)
        if result.violations:
            broken += 1
            print(f"seed {result.seed}: {'; '.join(result.violations)}", flush=True)
        if len(traces) % STEP == 0:
            print(f"{len(traces)} seeds after {time.monotonic() - began:.0f} s, {broken} broken", flush=True)
    again = chosen[:replayed]
    differing = [r.seed for r in in_processes(again, cores) if r.trace != traces[r.seed]]
    took = time.monotonic() - began
    print(f"{len(traces)} of {len(chosen)} seeds ran, {broken} broken; {took:.0f} s on {cores} cores")
    print(
        f"{len(again) - len(differing)} of {len(again)} the same on replay; differing: {differing or 'none'}"
    )
    print("faults: " + ", ".join(f"{struck[name]} {name}" for name in FAULTS))
    if missed := seldom(struck, len(traces)):
        print(f"struck less than once in a hundred seeds: {', '.join(missed)}")
    return 1 if broken or differing or missed or len(traces) != len(chosen) else 0


def main() -> int:
    """Run what the arguments say; 130 after Ctrl-C."""
    parser = Parser(prog="./dev simulate", description="Many seeds of the simulation.")
    parser.add_argument("--seeds", type=seeds, default=500, help="how many (default 500)")
    parser.add_argument("--first", type=seeds, default=1, help="the first of them (default 1)")
    parser.add_argument(
        "--replay", type=between(int, 0, 10**9), default=200, help="how many to run once more (default 200)"
    )
    options = parser.parse_args()
    traces: dict[int, str] = {}
    try:
        return run(range(options.first, options.first + options.seeds), options.replay, traces)
    except KeyboardInterrupt:
        left, following = options.seeds - len(traces), options.first + len(traces)
        then = f"--seeds {left} --first {following} goes on" if left else "no replay came to its end"
        print(f"interrupted: {len(traces)} of {options.seeds} seeds ran; {then}", file=sys.stderr)
        return 130
    except multiprocessing.TimeoutError:
        said = f"the next one did not end within {PATIENCE:.0f} s, or was killed"
        print(f"{len(traces)} of {options.seeds} seeds ran; {said}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
