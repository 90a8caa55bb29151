"""`python -m murder_fabric.simulation`: run one seed, or several, and print what came of it."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict

from .faults import FAULTS
from .run import Account, Plan, simulate


def main() -> int:
    """Simulate as the arguments say; 1 where something that must hold did not."""
    options = _parser().parse_args()
    names = list(FAULTS) if options.faults == "all" else [n for n in options.faults.split(",") if n != "none"]
    unknown = [name for name in names if name not in FAULTS]
    if unknown:
        print(f"--faults: no fault is called {unknown[0]}; there are {', '.join(FAULTS)}", file=sys.stderr)
        return 2
    account = simulate(
        Plan(options.seed, options.hosts, options.pieces, rate=options.rate * 1e6 / 8, faults=names)
    )
    if options.json:
        print(json.dumps(asdict(account)))
    else:
        _print(account)
    return 1 if account.violations else 0


def _print(account: Account) -> None:
    times = account.completion_times
    if times:
        marks = {f"p{share}": times[min(len(times) - 1, len(times) * share // 100)] for share in (50, 90, 99)}
        shown = "  ".join(f"{name} {seconds:.2f} s" for name, seconds in marks.items())
        print(f"complete   {account.completed} of {account.hosts}  {shown}  last {times[-1]:.2f} s")
    print(f"seeder     {account.seeder_ratio:.2f} x the payload")
    print(f"twice      {100 * account.duplicate_ratio:.1f} % of the bytes")
    print(f"faults     {', '.join(f'{n} {name}' for name, n in account.faults.items()) or 'none'}")
    print(f"trace      {account.trace_sha256[:16]}  ({account.events} events)")
    for violation in account.violations:
        print(f"VIOLATION  {violation}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m murder_fabric.simulation", description="The real swarm on virtual time."
    )
    parser.add_argument("--hosts", type=int, default=60, help="peers beside the seeder (default 60)")
    parser.add_argument("--pieces", type=int, default=64, help="pieces of 64 KiB (default 64)")
    parser.add_argument("--rate", type=float, default=100.0, help="of each link, Mbit/s (default 100)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed is the same run (default 1)")
    parser.add_argument("--faults", default="none", help=f"all, none, or some of {', '.join(FAULTS)}")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return parser


if __name__ == "__main__":
    sys.exit(main())
