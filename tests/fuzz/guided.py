"""
`./dev fuzz --seconds N`: atheris looks for inputs that reach new lines, for so long with each parser.

It begins with what is valid, and has the words that break parsers. Each parser has a process of its own, as
many at once as there are cores; what made one fail is left in the directory that `--found` names.
"""

from __future__ import annotations

import argparse
import importlib
import os
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
#: Bytes of the longest input.
LENGTH = 4096
#: How much longer things may take while atheris looks on.
SLOWER = "10"


def run_target(name: str, options: list[str]) -> None:
    """Give one parser to atheris, which ends this process."""
    atheris: Any = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["murder_fabric", "bencodepy"]):
        parser = importlib.import_module("every_parser").PARSERS[name]
    atheris.Setup([sys.argv[0], *options], parser.read)
    atheris.Fuzz()


def write_beginnings(parser: Any, place: Path) -> None:
    """Write the inputs to begin with, and a dictionary of words as libFuzzer reads them."""
    from mutating import TOKENS

    corpus = place / "corpus"
    corpus.mkdir()
    for number, sample in enumerate(parser.samples):
        (corpus / str(number)).write_bytes(sample)
    words = ["".join(f"\\x{byte:02x}" for byte in word) for word in (*TOKENS, *parser.words) if word]
    (place / "words").write_text("".join(f'"{word}"\n' for word in words))


def run_one(name: str, parser: Any, seconds: int, found: Path) -> int:
    """Run one parser in a process of its own and say what came of it; 1 if it failed."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        write_beginnings(parser, Path(place))
        options = [f"-max_total_time={seconds}", f"-max_len={LENGTH}", f"-dict={place}/words"]
        options += [f"-artifact_prefix={found}/{name.replace(' ', '-')}-", f"{place}/corpus"]
        done = subprocess.run(
            [sys.executable, __file__, "--target", name, *options],
            env={**os.environ, "MURDER_FUZZ_SLOWER": SLOWER},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="backslashreplace",
        )
    inputs = re.findall(r"^#(\d+)", done.stdout, re.MULTILINE) or ["0"]
    reached = re.findall(r" cov: (\d+)", done.stdout) or ["0"]
    took = time.monotonic() - began
    said = "as it should be" if done.returncode == 0 else f"FAILED\n{done.stdout[-3000:]}"
    print(
        f"{name}: {int(inputs[-1]):,} inputs in {took:.0f} s, {reached[-1]} places in the code, {said}",
        flush=True,
    )
    return int(done.returncode != 0)


def run_all(seconds: int, found: Path) -> int:
    """Run every parser; 1 if one of them failed."""
    from every_parser import PARSERS

    found.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        runs = [pool.submit(partial(run_one, *one, seconds, found)) for one in PARSERS.items()]
    return max(run.result() for run in runs)


def main() -> int:
    """Run what the arguments say."""
    parser = argparse.ArgumentParser(prog="./dev fuzz --seconds", description="Fuzzing led by coverage.")
    parser.add_argument("--seconds", type=int, default=60, help="for each parser (default 60)")
    parser.add_argument("--found", type=Path, default=HERE / "found", help="where inputs that fail are put")
    parser.add_argument("--target", help="one of them, as this program calls itself")
    options, rest = parser.parse_known_args()
    sys.path[:0] = map(str, (HERE, HERE.parent, HERE.parent.parent))
    if options.target is None:
        return run_all(options.seconds, options.found)
    run_target(options.target, rest)
    return 0


if __name__ == "__main__":
    sys.exit(main())
