"""`python -m bench`: rows in turn, their figures on stdout and beside this file, as JSON and as Markdown."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import plot
from .announcing import TRACKER
from .copying import CENTRAL, SMALL
from .results import table, told
from .rows import Row
from .swarms import BIG, FLOCK, PIPE, SWARM
from .trees import MANY_FILES, NEXT_RELEASE

ROWS: dict[str, Row] = {
    row.name: row for row in (PIPE, SWARM, FLOCK, BIG, CENTRAL, SMALL, MANY_FILES, NEXT_RELEASE, TRACKER)
}
#: Ends with the small ones in a directory of their own: they say nothing about the gates.
RESULTS = Path(__file__).with_name("results")


def main(arguments: Sequence[str]) -> int:
    """Measure what is asked for; return 1 if something failed, whatever the gates say."""
    parser = argparse.ArgumentParser(prog="./dev bench", description="Ours beside others, in one run each.")
    parser.add_argument("--rows", default=",".join(ROWS), help="which, by commas (default: all)")
    parser.add_argument("--rounds", type=int, default=3, help="of each row (default 3)")
    parser.add_argument("--small", action="store_true", help="few hosts and little data: does it work?")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.rows.split(",") if name not in ROWS]
    if unknown or options.rounds < 1:
        parser.error(f"no row {', '.join(unknown)}" if unknown else "--rounds is 1 or more")
    place = RESULTS / "small" if options.small else RESULTS
    place.mkdir(parents=True, exist_ok=True)
    failed = False
    for name in options.rows.split(","):
        began = time.monotonic()
        found = ROWS[name].measure(options.rounds, small=options.small, say=_say)
        failed |= bool(found.failures)
        document = found.document({**machine(), "seconds": round(time.monotonic() - began)})
        (place / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n")
        print("\n".join(told(document)), flush=True)
    _write_summary(place)
    return int(failed)


def machine() -> dict[str, Any]:
    """Return where it was measured, and when."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 2),
        "measured": time.strftime("%Y-%m-%d %H:%M", time.gmtime()),
    }


def _write_summary(place: Path) -> None:
    """Write the table of all rows that were ever measured here, and draw the swarm."""
    documents = [
        json.loads((place / f"{name}.json").read_text()) for name in ROWS if (place / f"{name}.json").exists()
    ]
    (place / "table.md").write_text(table(documents))
    for document in documents:
        if document["row"] == "swarm" and (why := plot.draw(document, place / "swarm.png")):
            _say(why)
    _say(f"written: {place.relative_to(Path.cwd()) if place.is_relative_to(Path.cwd()) else place}/")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
