"""Pictures of the live view for the pages, drawn by what draws on a terminal, of fleets that are made up."""

from __future__ import annotations

import io
import random
from pathlib import Path

from rich.console import Console

from murder_fabric.deploy.failures import HostFailure
from murder_fabric.deploy.outcome import HostState, Outcome
from murder_fabric.deploy.watching.drawing import Picture
from murder_fabric.deploy.watching.fleet_state import FleetState

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
#: Hosts, columns and rows of the terminals that are shown.
SIZES = ((8, 100, 24), (60, 100, 24), (500, 100, 24))
#: Bytes of the tree, and seconds since its swarm began.
LENGTH, NOW = 1_200_000_000, 19.0
#: As rich writes it, without the fonts that it would fetch over the network.
SVG = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: "DejaVu Sans Mono", Menlo, Consolas, monospace;
font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width; }}
.{unique_id}-title {{ font-size: 18px; font-family: sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def fleet_at_work(count: int, rng: random.Random) -> FleetState:
    """Return *count* hosts in the middle of a swarm: most alike, some slow, for each reason there is."""
    outcome = Outcome(f"web{number}" for number in range(1, count + 1))
    fleet = FleetState(outcome)
    fleet.begun("swarm", now=0.0)
    fleet.asked(outcome)
    for host in outcome:
        outcome.reached(host, HostState.READY)
    ill = rng.sample(list(outcome)[1:], 3 + count // 100)
    for host in ill[3:]:
        outcome.failed(host, HostFailure("failed", "no space left for /srv/app"))
    for host in outcome.going:
        share = min(1.0, rng.gauss(0.8, 0.14)) if host != "web1" else 1.0
        rate, peers, disk_share, silent = rng.gauss(52e6, 4e6), rng.randint(18, 30), 0.05, rng.random()
        if host in ill:
            share *= 0.6
            rate *= rng.uniform(0.2, 0.4)
            disk_share = 0.71 if host == ill[0] else disk_share
            peers = 2 if host == ill[1] else peers
            silent = 7.0 if host == ill[2] else silent
        for before in (1.0, 0.0):
            sent = NOW - silent - before
            fields = {
                "time": sent,
                "bytes": max(0.02, share) * LENGTH,
                "length": LENGTH,
                "rate": rate,
                "peers": peers,
                "disk_seconds": disk_share * sent,
            }
            fleet.heard(host, fields, now=sent + 0.05)
    return fleet


def drawn(count: int, width: int, height: int) -> str:
    """Return the picture of *count* hosts on a terminal of that size, as SVG."""
    console = Console(
        file=io.StringIO(),
        record=True,
        force_terminal=True,
        color_system="truecolor",
        width=width,
        height=height,
        legacy_windows=False,
    )
    hosts = f"web[1-{count}] ({count} hosts)"
    for line in (
        f"murder: v42 to /srv/app on {hosts}: 3004 files, 1.2 GB, digest 582bd117f51b",
        f"  connect  {count} of {count} hosts (3.8 s)",
        f"  prepare  {count} hosts ready (0.3 s)",
        "  stage    nothing is there already (0.6 s)",
        "  upload   1.2 GB to web1 (11.5 s)",
    ):
        console.out(line, highlight=False)
    console.print(Picture(fleet_at_work(count, random.Random(count)).look(now=NOW)))
    return console.export_svg(title="fab murder.deploy", code_format=SVG, unique_id=f"fleet{count}")


def main() -> None:
    """Write a picture for each of `SIZES`."""
    IMAGES.mkdir(exist_ok=True)
    for count, width, height in SIZES:
        (IMAGES / f"live-{count}.svg").write_text(drawn(count, width, height))


if __name__ == "__main__":
    main()
