"""`python -m murder_fabric.simulation`: run one seed, or several, and print what came of it."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from dataclasses import replace

from .drawing import Plan, drawn
from .faults import FAULTS
from .run import Account, simulate

#: What `--json` prints of an account.
KEYS = (
    *("hosts", "completed", "expected_to_complete", "faults", "violations", "trace_sha256"),
    "virtual_seconds",
)


def main() -> int:
    """Simulate as the arguments say; 1 where something that must hold did not."""
    options = _parser().parse_args()
    try:
        plans = [_plan(seed, options) for seed in range(options.seed, options.seed + options.seeds)]
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    broken, struck = 0, Counter[str]()
    for plan in plans:
        account = simulate(plan)
        struck.update(account.faults)
        broken += bool(account.violations)
        if options.json:
            print(json.dumps({key: getattr(account, key) for key in KEYS}), flush=True)
        elif options.seeds == 1:
            _print(plan, account)
        elif account.violations:
            print(f"seed {plan.seed}: {'; '.join(account.violations)}", flush=True)
    if options.seeds > 1 and not options.json:
        print(f"{len(plans)} seeds, {broken} with violations; faults: {_counts(struck)}")
    return 1 if broken else 0


def _plan(seed: int, options: argparse.Namespace) -> Plan:
    """
    Return the plan that the seed draws, with what the arguments say in its place.

    Raises:
        ValueError: no run could be like that.
    """
    plan = drawn(seed)
    for name, least in (("hosts", 1), ("pieces", 1), ("rate", 1e-3)):
        value = getattr(options, name)
        if value is not None and not least <= value < 1e6:
            raise ValueError(f"--{name} {value}: from {least:g} to a million")
    if options.hosts is not None:
        plan = replace(plan, hosts=options.hosts)
    if options.pieces is not None:
        plan = replace(plan, pieces=options.pieces, piece_length=Plan.piece_length, short=0)
    if options.rate is not None:
        plan = replace(plan, slowest=options.rate * 1e6 / 8, fastest=options.rate * 1e6 / 8)
    if options.faults is not None:
        names = list(FAULTS) if options.faults == "all" else options.faults.split(",")
        faults = tuple(name for name in names if name != "none")
        unknown = [name for name in faults if name not in FAULTS]
        if unknown:
            raise ValueError(f"--faults: no fault is called {unknown[0]}; there are {', '.join(FAULTS)}")
        plan = replace(plan, faults=faults)
    return plan


def _print(plan: Plan, account: Account) -> None:
    rates = f"{plan.slowest * 8 / 1e6:.3g} to {plan.fastest * 8 / 1e6:.3g} Mbit/s"
    print(
        f"plan       seed {plan.seed}: {plan.hosts} hosts, {plan.pieces} pieces, {plan.length} bytes, {rates}"
    )
    times = account.completion_times
    print(f"complete   {account.completed} of {account.expected_to_complete} that can, of {account.hosts}")
    if times:
        marks = {f"p{share}": times[min(len(times) - 1, len(times) * share // 100)] for share in (50, 90, 99)}
        shown = "  ".join(f"{name} {seconds:.2f} s" for name, seconds in marks.items())
        print(f"after      {shown}  last {times[-1]:.2f} s")
    print(f"seeder     {account.seeder_ratio:.2f} x the payload")
    print(f"twice      {100 * account.duplicate_ratio:.1f} % of the bytes")
    print(f"faults     {_counts(account.faults) or 'none'}")
    print(f"trace      {account.trace_sha256[:16]}  ({account.events} events)")
    for violation in account.violations:
        print(f"VIOLATION  {violation}")


def _counts(faults: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(faults.items()))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m murder_fabric.simulation",
        description="The real swarm on virtual time. What is not given is drawn from the seed.",
    )
    parser.add_argument("--seed", type=int, default=1, help="the same seed is the same run (default 1)")
    parser.add_argument("--seeds", type=int, default=1, help="how many seeds, from --seed on (default 1)")
    parser.add_argument("--hosts", type=int, help="peers beside the seeder")
    parser.add_argument("--pieces", type=int, help="pieces, of 64 KiB then")
    parser.add_argument("--rate", type=float, help="of each link, Mbit/s")
    parser.add_argument("--faults", help=f"all (one of each), none, or some of {', '.join(FAULTS)}")
    parser.add_argument("--json", action="store_true", help="one JSON object a run on stdout")
    return parser


if __name__ == "__main__":
    sys.exit(main())
