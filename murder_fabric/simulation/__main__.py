"""`python -m murder_fabric.simulation`: run one seed, or several, and print what came of it."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from dataclasses import replace

from .arguments import Parser, between, seeds
from .drawing import Plan, drawn
from .faults import FAULTS
from .run import Account, simulate

#: What `--json` prints of an account, after its seed.
KEYS = (
    *("hosts", "completed", "expected_to_complete", "faults", "violations", "trace_sha256"),
    "virtual_seconds",
)


def main() -> int:
    """Simulate as the arguments say; 1 where something that must hold did not, 130 after Ctrl-C."""
    options = _parser().parse_args()
    done, broken, struck = 0, 0, Counter[str]()
    try:
        for seed in range(options.seed, options.seed + options.seeds):
            plan = _plan(seed, options)
            account = simulate(plan)
            _tell(plan, account, options)
            struck.update(account.faults)
            broken += bool(account.violations)
            done += 1
    except KeyboardInterrupt:
        print(f"interrupted at seed {seed}; {done} ran before, {broken} with violations", file=sys.stderr)
        return 130
    if options.seeds > 1 and not options.json:
        print(f"{done} seeds, {broken} with violations; faults: {_counts(struck)}")
    return 1 if broken else 0


def _plan(seed: int, options: argparse.Namespace) -> Plan:
    """Return the plan that the seed draws, with what the arguments say in its place."""
    plan = drawn(seed)
    if options.hosts is not None:
        plan = replace(plan, hosts=options.hosts)
    if options.pieces is not None:
        plan = replace(plan, pieces=options.pieces, piece_length=Plan.piece_length, short=0)
    if options.rate is not None:
        plan = replace(plan, slowest=options.rate * 1e6 / 8, fastest=options.rate * 1e6 / 8)
    if options.faults is not None:
        plan = replace(plan, faults=options.faults)
    return plan


def _faults(text: str) -> tuple[str, ...]:
    """Return the kinds of fault that an argument names."""
    names = list(FAULTS) if text == "all" else text.split(",")
    faults = tuple(name for name in names if name != "none")
    unknown = [name for name in faults if name not in FAULTS]
    if unknown:
        raise argparse.ArgumentTypeError(
            f"no fault is called {unknown[0]!r:.60}; there are {', '.join(FAULTS)}"
        )
    return faults


def _tell(plan: Plan, account: Account, options: argparse.Namespace) -> None:
    """Print what is to be told of one run."""
    if options.json:
        known = {key: getattr(account, key) for key in KEYS}
        print(json.dumps({"seed": plan.seed, **known}), flush=True)
    elif options.seeds == 1:
        _print(plan, account)
    elif account.violations:
        print(f"seed {plan.seed}: {'; '.join(account.violations)}", flush=True)


def _print(plan: Plan, account: Account) -> None:
    rates = f"{plan.slowest * 8 / 1e6:.3g} to {plan.fastest * 8 / 1e6:.3g} Mbit/s"
    print(
        f"plan       seed {plan.seed}: {plan.hosts} hosts, {plan.pieces} pieces, {plan.length} bytes, {rates}"
    )
    times = account.completion_times
    print(f"complete   {account.completed} of {account.expected_to_complete} that can, of {account.hosts}")
    if account.lost:
        print(f"lost       {', '.join(account.lost)}  (cannot, after what struck)")
    if times:
        marks = {f"p{share}": times[min(len(times) - 1, len(times) * share // 100)] for share in (50, 90, 99)}
        shown = "  ".join(f"{name} {seconds:.2f} s" for name, seconds in marks.items())
        print(f"after      {shown}  last {times[-1]:.2f} s")
    print(f"seeder     {account.seeder_ratio:.2f} x the payload")
    print(f"twice      {100 * account.duplicate_ratio:.1f} % of the bytes")
    print(f"faults     {_counts(account.faults) or 'none'}")
    if spared := Counter(plan.faults) - Counter(account.faults):
        print(f"spared     {_counts(spared)}: nobody was there to strike when its time came")
    print(f"trace      {account.trace_sha256[:16]}  ({account.events} events)")
    for violation in account.violations:
        print(f"VIOLATION  {violation}")


def _counts(faults: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(faults.items()))


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m murder_fabric.simulation",
        description="The real swarm on virtual time. What is not given is drawn from the seed.",
    )
    parser.add_argument("--seed", type=seeds, default=1, help="the same seed is the same run (default 1)")
    parser.add_argument("--seeds", type=seeds, default=1, help="how many seeds, from --seed on (default 1)")
    parser.add_argument("--hosts", type=between(int, 1, 10**6), help="peers beside the seeder")
    parser.add_argument("--pieces", type=between(int, 1, 10**6), help="pieces, of 64 KiB then")
    parser.add_argument("--rate", type=between(float, 1e-3, 10**6), help="of each link, Mbit/s")
    parser.add_argument(
        "--faults", type=_faults, help=f"all (one of each), none, or some of {', '.join(FAULTS)}"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a run on stdout")
    return parser


if __name__ == "__main__":
    sys.exit(main())
