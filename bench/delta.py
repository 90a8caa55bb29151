"""`delta`: the next release of a large tree, one file in a hundred of which is new: what moves to a host."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from lab.rig import REPOSITORY, Lab

#: The most that may move to a host, as a share of the tree.
LIMIT = 0.03


def make_tree(root: Path, length: int, count: int, rng: random.Random) -> list[Path]:
    """Write *count* files of about *length* bytes in all, most of them small; return their paths."""
    weights = [rng.expovariate(1.0) for _ in range(count)]
    scale = length / sum(weights)
    files = [root / f"part-{number % 50:02d}" / f"file-{number:05d}.dat" for number in range(count)]
    for path, weight in zip(files, weights):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(rng.randbytes(int(weight * scale)))
    return files


def deploy(lab: Lab, home: Path, tree: Path, tag: str) -> tuple[dict[str, Any], float]:
    """Return what `fab` said of each host, and the seconds that it took."""
    argv = [sys.executable, "-m", "fabric", "-S", str(lab.ssh_config), "-H", f"web[1-{len(lab.names)}]"]
    argv += ["murder.deploy", "--files-path", str(tree), "--destination-path", "/srv/app", "--tag", tag]
    began = time.monotonic()
    done = subprocess.run(
        [*argv, "--json"],
        cwd=REPOSITORY,
        env={**os.environ, "HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    return json.loads(done.stdout)["hosts"], time.monotonic() - began


def main(hosts: int = 3, length: int = 500_000_000, count: int = 5000) -> None:
    """Print how much the second release moved to the host that got most, and what both deploys took."""
    rng = random.Random(1)
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="murder-bench-") as name:
        home, tree = Path(name, "home"), Path(name, "tree")
        home.mkdir()
        files = make_tree(tree, length, count, rng)
        with Lab(Path(name, "lab"), hosts=hosts) as lab:
            _, first = deploy(lab, home, tree, "v1")
            for path in rng.sample(files, count // 100):
                path.write_bytes(rng.randbytes(path.stat().st_size))
            found, second = deploy(lab, home, tree, "v2")
    moved = max(one["bytes_moved"] for one in found.values()) / length
    print(
        f"delta  murder_fabric  moved {100 * moved:.2f} % (limit {100 * LIMIT:.0f} %)"
        f"  first s {first:.1f}  second s {second:.1f}",
        flush=True,
    )
