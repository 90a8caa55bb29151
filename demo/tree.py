"""A directory tree to deploy, the same every time, and the comparison of what arrived with it."""

from __future__ import annotations

import filecmp
import os
import random
import stat
from pathlib import Path

MODES = (0o644, 0o644, 0o644, 0o640, 0o600, 0o755)
EMPTY_DIRECTORIES = ("var/empty", "var/cache/a/b")
#: path -> target; one leads to a file, one to a directory, one upwards, one nowhere.
LINKS = {
    "bin/latest": "tool-0000",
    "static/current": "../part-00",
    "part-00/up": "../bin/latest",
    "etc/local.conf": "not-made-yet.conf",
}
ODD_NAMES = (
    "part-00/with space.txt",
    "part-00/naïve ünïcode.txt",
    "part-00/'quoted' $HOME.txt",
    "part-00/.hidden",
)


def generate(root: Path, length: int, count: int, seed: int = 1) -> None:
    """Write a tree of about *count* files and *length* bytes below *root*, which must not exist yet."""
    rng = random.Random(seed)
    root.mkdir(parents=True)
    _write(root / "bin/big-file.bin", rng.randbytes(length // 4), 0o644)
    for number in range(20):
        _write(root / f"bin/tool-{number:04d}", f"#!/bin/sh\necho tool {number}\n".encode(), 0o755)
        _write(root / f"part-{number:02d}/empty-{number}", b"", 0o644)
    for number, name in enumerate(ODD_NAMES):
        _write(root / name, f"odd name {number}\n".encode(), 0o644)
    small = max(1, count - 41 - len(ODD_NAMES))
    weights = [rng.expovariate(1.0) for _ in range(small)]
    scale = (length - length // 4) / sum(weights)
    for number, weight in enumerate(weights):
        path = root / f"part-{number % 20:02d}" / f"{number // 20 % 10}" / f"file-{number:05d}.dat"
        _write(path, rng.randbytes(int(weight * scale)), rng.choice(MODES))
    for name in EMPTY_DIRECTORIES:
        (root / name).mkdir(parents=True)
    for name, target in LINKS.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).symlink_to(target)


def change(root: Path, seed: int = 2) -> int:
    """Change a tree that `generate` wrote as a next version would; return how many entries differ."""
    rng = random.Random(seed)
    files = sorted(path for path in root.glob("part-*/*/*.dat"))
    touched = rng.sample(files, max(1, len(files) // 50))
    for path in touched:
        path.write_bytes(rng.randbytes(path.stat().st_size + 1))
    rest = [path for path in files if path not in set(touched)]
    gone, tightened = rest[0], rest[-1]
    gone.unlink()
    tightened.chmod(0o600 if stat.S_IMODE(tightened.stat().st_mode) != 0o600 else 0o644)
    _write(root / "part-00/new in this version.txt", b"new\n", 0o644)
    (root / "bin/latest").unlink()
    (root / "bin/latest").symlink_to("tool-0001")
    (root / "var/empty").rmdir()
    (root / "var/also-empty").mkdir()
    return len(touched) + 6


def differences(source: Path, copy: Path) -> list[str]:
    """Say what differs: entries and their kinds, bytes and modes of files, targets of links."""
    ours, theirs = _entries(source), _entries(copy)
    found = [f"{name} is missing" for name in sorted(ours.keys() - theirs.keys())]
    found += [f"{name} should not be there" for name in sorted(theirs.keys() - ours.keys())]
    for name in sorted(ours.keys() & theirs.keys()):
        if ours[name] != theirs[name]:
            found.append(f"{name} is {theirs[name]} instead of {ours[name]}")
        elif ours[name].startswith("a file") and not filecmp.cmp(source / name, copy / name, shallow=False):
            found.append(f"{name} has other bytes")
    return found


def _entries(root: Path) -> dict[str, str]:
    entries: dict[str, str] = {}
    for directory, directories, files in os.walk(root):
        for name in [*directories, *files]:
            path = Path(directory, name)
            entries[str(path.relative_to(root))] = _kind(path)
    return entries


def _kind(path: Path) -> str:
    found = path.lstat()
    if stat.S_ISLNK(found.st_mode):
        return f"a link to {os.readlink(path)}"
    if stat.S_ISDIR(found.st_mode):
        return "a directory"
    if stat.S_ISREG(found.st_mode):
        return f"a file of {found.st_size} bytes with mode {stat.S_IMODE(found.st_mode):o}"
    return "something else"


def _write(path: Path, content: bytes, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)
