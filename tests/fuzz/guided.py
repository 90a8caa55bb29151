"""
`./dev fuzz --seconds N`: atheris looks for inputs that reach new lines, for so long with each parser.

Each test of this directory that Hypothesis draws inputs for is a target: the bytes that atheris makes decide
what Hypothesis draws. A target has a process of its own, and what made it fail is left in the directory that
`--found` names.
"""

from __future__ import annotations

import argparse
import importlib
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
#: Bytes of an input, and how many there are in the beginning: of few bytes Hypothesis makes nothing.
LENGTH, FIRST = 4096, 20
#: How much longer things may take while atheris looks on.
SLOWER = "10"
#: Where the tests of a parser find each other.
IMPORTED_FROM = (HERE, HERE.parent / "unit", HERE.parent, HERE.parent.parent)


def targets() -> list[str]:
    """Return `module:test` of each test that is given something."""
    found = []
    for path in sorted(HERE.glob("test_*.py")):
        if path.stem == "test_beside_libtorrent":  # the other parser is no Python
            continue
        given = re.findall(r"^@given.*?^def (test_\w+)", path.read_text(), re.MULTILINE | re.DOTALL)
        found += [f"{path.stem}:{name}" for name in given]
    return found


def run_target(target: str, options: list[str]) -> None:
    """Give one target to atheris, which ends this process."""
    atheris: Any = importlib.import_module("atheris")
    sys.path[:0] = map(str, IMPORTED_FROM)
    module, name = target.split(":")
    with atheris.instrument_imports(include=["murder_fabric"]):
        test = getattr(importlib.import_module(module), name)
    one_input: Callable[[bytes], object] = test.hypothesis.fuzz_one_input
    atheris.Setup([sys.argv[0], *options], one_input)
    atheris.Fuzz()


def write_corpus(place: Path) -> None:
    """Write the inputs to begin with."""
    for seed in range(FIRST):
        (place / str(seed)).write_bytes(random.Random(seed).randbytes(LENGTH))


def run_all(seconds: int, found: Path) -> int:
    """Run every target in turn; 1 if one of them failed."""
    found.mkdir(parents=True, exist_ok=True)
    failed = 0
    for target in targets():
        began = time.monotonic()
        options = [f"-max_total_time={seconds}", f"-max_len={LENGTH}", "-len_control=0"]
        options += [f"-artifact_prefix={found}/{target.replace(':', '-')}-"]
        with tempfile.TemporaryDirectory() as corpus:
            write_corpus(Path(corpus))
            command = [sys.executable, __file__, "--target", target, *options, corpus]
            done = subprocess.run(
                command,
                env={**os.environ, "MURDER_FUZZ_SLOWER": SLOWER},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        inputs = re.findall(r"^#(\d+)", done.stdout, re.MULTILINE) or ["0"]
        reached = re.findall(r" cov: (\d+)", done.stdout) or ["0"]
        took = time.monotonic() - began
        said = "as it should be" if done.returncode == 0 else f"FAILED\n{done.stdout[-3000:]}"
        print(
            f"{target}: {inputs[-1]} inputs in {took:.0f} s, {reached[-1]} places in the code, {said}",
            flush=True,
        )
        failed |= done.returncode != 0
    return failed


def main() -> int:
    """Run what the arguments say."""
    parser = argparse.ArgumentParser(prog="./dev fuzz --seconds", description="Fuzzing led by coverage.")
    parser.add_argument("--seconds", type=int, default=60, help="for each parser (default 60)")
    parser.add_argument("--found", type=Path, default=HERE / "found", help="where inputs that fail are put")
    parser.add_argument("--target", help="one of them, as this program calls itself")
    options, rest = parser.parse_known_args()
    if options.target is None:
        return run_all(options.seconds, options.found)
    run_target(options.target, rest)
    return 0


if __name__ == "__main__":
    sys.exit(main())
