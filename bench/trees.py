"""`tree` and `delta`: deploys by `fab`, of very many small files, and of a release that hardly changed."""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from lab.rig import REPOSITORY, Lab

from .clients import agent, environment
from .results import OURS, Gate, Sample
from .rows import Contender, Row, scratch
from .swarming import bytes_of, random_file

FAB = Path(sys.executable).with_name("fab")
#: Hosts that fetch, their links, and how many files: as the gates mean it, and small.
TREE = ((16, "100mbit", 20_000), (3, "100mbit", 1000))
#: Lengths of the files of a tree, in bytes.
LEAST, MOST = 1024, 20 * 1024
#: Hosts, bytes and files of `delta`.
DELTA = ((3, 500_000_000, 5000), (2, 20_000_000, 500))
#: One file in so many is new.
ONE_IN = 100


def make_tree(root: Path, length: int, count: int, rng: random.Random) -> list[Path]:
    """Write *count* files of about *length* bytes in all, most of them small; return their paths."""
    weights = [rng.expovariate(1.0) for _ in range(count)]
    scale = length / sum(weights)
    return _write(root, [int(weight * scale) for weight in weights], rng)


def make_small_files(root: Path, count: int, rng: random.Random) -> list[Path]:
    """Write *count* files of 1 to 20 KiB; return their paths."""
    return _write(root, [rng.randint(LEAST, MOST) for _ in range(count)], rng)


def _write(root: Path, lengths: Sequence[int], rng: random.Random) -> list[Path]:
    files = [root / f"part-{number % 50:02d}" / f"file-{number:05d}.dat" for number in range(len(lengths))]
    for path, length in zip(files, lengths):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(rng.randbytes(length))
    return files


def deploy(lab: Lab, home: Path, tree: Path, tag: str, *more: str) -> tuple[dict[str, Any], float]:
    """Return what `fab` said of each host, and the seconds that it took."""
    argv = [str(FAB), "-S", str(lab.ssh_config), "-H", f"web[1-{len(lab.names)}]"]
    argv += ["murder.deploy", "--files-path", str(tree), "--destination-path", f"/srv/{tree.name}", *more]
    began = time.monotonic()
    done = subprocess.run(
        [*argv, "--tag", tag, "--json"],
        cwd=REPOSITORY,
        env={**os.environ, "HOME": str(home)},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"fab ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    return json.loads(done.stdout)["hosts"], time.monotonic() - began


def _deploy_tree(directory: Path, payload: Path, hosts: int, rate: str) -> Sample:
    """Make a torrent of it, and deploy it from the first host to all others."""
    home = directory / "home"
    home.mkdir(exist_ok=True)
    began = time.monotonic()
    subprocess.run(
        agent("create", payload, "-o", directory / "it.torrent"),
        env=environment(),
        stdout=subprocess.DEVNULL,
        check=True,
    )
    created = time.monotonic() - began
    with Lab(directory / "lab", hosts=hosts + 1, rate=rate) as lab:
        found, total = deploy(lab, home, payload, "v1", "--on-seeder")
    return Sample(
        {
            "fetched and verified s": max(one["seconds"] for one in found.values()),
            "deploy s": total,
            "create MB/s": bytes_of(payload) / created / 1e6,
        }
    )


@contextlib.contextmanager
def _tree(small: bool) -> Iterator[Sequence[Contender]]:
    hosts, rate, count = TREE[small]
    with scratch(None) as directory:  # on a disk: what is durable there is what is measured
        files = directory / "files"
        make_small_files(files, count, random.Random(1))
        one = directory / "one"
        one.mkdir()
        random_file(one / "file", bytes_of(files))
        yield [
            Contender(OURS, partial(_deploy_tree, directory, files, hosts, rate)),
            Contender("one file", partial(_deploy_tree, directory, one, hosts, rate)),
        ]


def _deploy_twice(directory: Path, hosts: int, length: int, count: int) -> Sample:
    rng = random.Random(1)
    home, tree = directory / "home", directory / "tree"
    home.mkdir(exist_ok=True)
    files = make_tree(tree, length, count, rng)
    with Lab(directory / "lab", hosts=hosts) as lab:
        _, first = deploy(lab, home, tree, "v1")
        for path in rng.sample(files, count // ONE_IN):
            path.write_bytes(rng.randbytes(path.stat().st_size))
        found, second = deploy(lab, home, tree, "v2")
    moved = max(one["bytes_moved"] for one in found.values())
    return Sample({"moved %": 100 * moved / length, "first deploy s": first, "second deploy s": second})


@contextlib.contextmanager
def _delta(small: bool) -> Iterator[Sequence[Contender]]:
    with scratch() as directory:
        yield [Contender(OURS, partial(_deploy_twice, directory, *DELTA[small]))]


MANY_FILES = Row(
    "tree",
    (
        "20,000 files of 1 to 20 KiB, and one file as long, to 16 hosts with links of 100mbit, on a disk",
        "1,000 files of 1 to 20 KiB, and one file as long, to 3 hosts with links of 100mbit, on a disk",
    ),
    (
        Gate(
            "files ÷ one file",
            (OURS, "fetched and verified s"),
            1.3,
            ("one file", "fetched and verified s"),
        ),
        Gate("making the torrent, MB/s", (OURS, "create MB/s"), 300.0, least=True),
    ),
    _tree,
)
NEXT_RELEASE = Row(
    "delta",
    (
        "50 of 5,000 files of a tree of 500 MB are new, three hosts",
        "5 of 500 files of a tree of 20 MB are new, two hosts",
    ),
    (Gate("moved to the host that got most, %", (OURS, "moved %"), 3.0),),
    _delta,
)
