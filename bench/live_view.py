"""`python -m bench.live_view`: what showing 500 hosts ten times a second costs, of one core."""

from __future__ import annotations

import os
import random
import time

from demo.pictures import LENGTH, fleet_at_work
from murder_fabric.deploy.watching.screen import INTERVAL, PATIENCE, Screen

#: Hosts, each of which tells how far it is once a second, and seconds that are measured.
HOSTS, SECONDS = 500, 10.0


def main() -> None:
    """Draw for a while on nobody's terminal of 100 columns, and say what that took."""
    os.environ.update(COLUMNS="100", LINES="30", TERM="xterm-256color")
    fleet, rng = fleet_at_work(HOSTS, random.Random(HOSTS)), random.Random(1)
    hosts = list(fleet.outcome)
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        fleet.begun("swarm", now=time.monotonic())
        with Screen(nowhere, fleet):
            time.sleep(PATIENCE + 1.0)  # until rich is loaded
            began, cpu = time.monotonic(), time.process_time()
            told = 0
            while (passed := time.monotonic() - began) < SECONDS:
                for host in hosts[told % HOSTS : told % HOSTS + HOSTS // 50]:
                    fields = {
                        "time": passed,
                        "bytes": LENGTH * passed / SECONDS,
                        "length": LENGTH,
                        "peers": 9,
                    }
                    fleet.heard(host, {**fields, "rate": rng.uniform(4e7, 6e7)}, now=time.monotonic())
                    told += 1
                time.sleep(max(0.0, began + told / HOSTS - time.monotonic()))
            cpu = time.process_time() - cpu
    print(
        f"{HOSTS} hosts, {told / passed:.0f} records and {1 / INTERVAL:.0f} pictures a second:"
        f" {100 * cpu / passed:.1f} % of a core (load {os.getloadavg()[0]:.1f})"
    )


if __name__ == "__main__":
    main()
