"""The demonstration: hosts on this machine, two deploys by the real `fab`, and a comparison of every byte."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from demo import tree

REPOSITORY = Path(__file__).resolve().parent.parent
RUN = REPOSITORY / "demo" / "run"
UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9}


def say(text: str) -> None:
    """Write one line of the show to stderr, in colour where somebody looks."""
    print(f"\033[1m== {text}\033[0m" if sys.stderr.isatty() else f"== {text}", file=sys.stderr, flush=True)


def size(text: str) -> int:
    """Return the bytes in `200MB`, `64M` or `1.5GB`; ValueError for anything else."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) ?([KMG]?)B?", text.strip(), re.IGNORECASE)
    if match is None:
        raise ValueError(f"{text!r} is no size; write it as 200MB")
    return int(float(match[1]) * UNITS[match[2].upper()])


@contextlib.contextmanager
def hosts(count: int) -> Iterator[None]:
    """Have *count* hosts up below `RUN` for the length of the block; they end with their stdin."""
    argv = [sys.executable, "-m", "demo.hosts", "--hosts", str(count), "--run", str(RUN)]
    # A session of their own: Ctrl-C is for fab, which still has something to tidy up on the hosts.
    with subprocess.Popen(
        argv, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as serving:
        assert serving.stdout is not None
        if not (ready := serving.stdout.readline()):
            raise RuntimeError(f"the hosts did not start (exit code {serving.wait()})")
        say(ready.strip())
        yield  # leaving closes their stdin and waits for them


def deploy(count: int, tag: str) -> int:
    """Run the deploy as a user would and return its exit code."""
    fab = Path(sys.executable).with_name("fab")
    argv = [
        "fab",
        "-S",
        "demo/run/ssh_config",
        "-H",
        f"web[1-{count}]" if count > 1 else "web1",
        "murder.deploy",
    ]
    argv += ["--files-path", "demo/run/tree", "--destination-path", "~/app", "--tag", tag]
    say(f"$ {shlex.join(argv)}")
    # The runs of the show are none of this user's: they have a history of their own.
    environment = {**os.environ, "XDG_STATE_HOME": str(RUN / "state")}
    with subprocess.Popen([str(fab), *argv[1:]], cwd=REPOSITORY, env=environment) as running:
        while True:
            try:
                return running.wait()
            except KeyboardInterrupt:
                continue  # the terminal sent it to fab too, which tidies up and ends with 130


def compare(count: int) -> int:
    """Compare every host's release with the source; report and return the number of hosts that differ."""
    wrong = 0
    for number in range(1, count + 1):
        if found := tree.differences(RUN / "tree", RUN / "hosts" / f"web{number}" / "app" / "current"):
            wrong += 1
            more = f" (and {len(found) - 3} more)" if len(found) > 3 else ""
            say(f"web{number} differs: {'; '.join(found[:3])}{more}")
    return wrong


def show(count: int, length: int, files: int) -> int:
    """Do the whole show and return the exit code."""
    shutil.rmtree(RUN, ignore_errors=True)
    tree.generate(RUN / "tree", length, files)
    say(f"a tree of about {files} files and {length / 1e6:.0f} MB: demo/run/tree")
    with hosts(count):
        for turn, tag in enumerate(("v1", "v2")):
            if turn:
                say(f"{tree.change(RUN / 'tree')} entries changed for the next version")
            began = time.monotonic()
            if code := deploy(count, tag):
                say(f"the deploy of {tag} ended with exit code {code}")
                return code
            seconds = time.monotonic() - began
            if wrong := compare(count):
                say(f"{wrong} of {count} hosts do not have what was deployed")
                return 1
            say(f"{tag}: every byte, mode and link is right on {count} hosts, after {seconds:.1f} s")
    say("look at demo/run/hosts/web1/app: releases, current, and .murder with what is noted beside them")
    return 0


def main() -> int:
    """Read the arguments and do the show."""
    parser = argparse.ArgumentParser(prog="./dev demo", description=__doc__)
    parser.add_argument("--hosts", type=int, default=8, help="how many hosts (default: %(default)s)")
    parser.add_argument("--size", type=size, default=size("48MB"), help="of the tree (default: 48MB)")
    parser.add_argument("--files", type=int, default=3000, help="how many files (default: %(default)s)")
    arguments = parser.parse_args()
    if not 1 <= arguments.hosts <= 200:
        parser.error(f"--hosts {arguments.hosts}: this machine shows 1 to 200 hosts")
    if not 100 <= arguments.files <= 100_000:
        parser.error(f"--files {arguments.files}: from 100 to 100000")
    try:
        return show(arguments.hosts, arguments.size, arguments.files)
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
