"""
What is known against the packages that murder_fabric needs: `audit.py`, or offline `audit.py DATABASE`.

DATABASE is a directory with advisories in the format of OSV, a file each, such as a checkout of
https://github.com/pypa/advisory-database. Without one, pip-audit asks PyPI.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.version import InvalidVersion, Version

PACKAGE = "murder-fabric"


def normalized(name: str) -> str:
    """Return how packages are compared (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def needed(package: str) -> dict[str, str]:
    """Return the installed version of all that *package* needs to run, by normalized name."""
    found: dict[str, str] = {}
    todo = [package]
    while todo:
        for text in metadata.requires(todo.pop()) or ():
            requirement = Requirement(text)
            name = normalized(requirement.name)
            if name in found or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
                continue
            found[name] = metadata.version(name)
            todo.append(name)
    return found


def advisories(database: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the advisories below a directory; those that were withdrawn are none."""
    for path in sorted(database.rglob("*")):
        if path.suffix not in (".json", ".yaml"):
            continue
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".yaml":
            import yaml

            loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
            advisory = yaml.load(text, loader)  # noqa: S506 (both are safe, and one is fast)
        else:
            advisory = json.loads(text)
        if isinstance(advisory, dict) and "affected" in advisory and not advisory.get("withdrawn"):
            yield advisory


def is_affected(version: str, affected: Mapping[str, Any]) -> bool:
    """Tell whether an advisory is about a version: it names it, or has it in one of its ranges."""
    if version in affected.get("versions", ()):
        return True
    ranges = [one for one in affected.get("ranges", ()) if one.get("type") == "ECOSYSTEM"]
    return any(_is_within(Version(version), one.get("events", ())) for one in ranges)


def _is_within(version: Version, events: Iterable[Mapping[str, str]]) -> bool:
    """Go through *events* from the lowest version on; what begins with `introduced` ends with the others."""
    within = False
    for kind, text in sorted((next(iter(event.items())) for event in events), key=lambda one: _known(one[1])):
        bound = _known(text)
        if kind == "introduced" and version >= bound:
            within = True
        elif (kind == "fixed" and version >= bound) or (kind == "last_affected" and version > bound):
            within = False
    return within


def _known(text: str) -> Version:
    try:
        return Version(text)
    except InvalidVersion:  # nobody who cannot say which version is believed that it is an old one
        return Version("0")


def against(packages: Mapping[str, str], known: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield a line for each advisory that is about one of *packages*, by name and version."""
    for advisory in known:
        for affected in advisory["affected"]:
            package = affected.get("package", {})
            name = normalized(str(package.get("name", "")))
            if package.get("ecosystem") != "PyPI" or name not in packages:
                continue
            if is_affected(packages[name], affected):
                names = ", ".join([str(advisory["id"]), *advisory.get("aliases", ())])
                yield f"{name} {packages[name]}: {names}"


def ask_pypi(packages: Mapping[str, str]) -> int:
    """Have pip-audit ask; return its exit code."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as pins:
        pins.writelines(f"{name}=={version}\n" for name, version in sorted(packages.items()))
        pins.flush()
        # Strict: a package that PyPI is not known to have was not looked at, which is no good news.
        options = ["--strict", "--no-deps", "--disable-pip", "-r", pins.name]
        return subprocess.run([sys.executable, "-m", "pip_audit", *options]).returncode


def main(arguments: list[str]) -> int:
    """Say what is known; 1 if that is anything, or nobody could be asked."""
    packages = needed(PACKAGE)
    if not arguments:
        return ask_pypi(packages)
    known = list(advisories(Path(arguments[0])))
    if not known:
        print(f"audit: there are no advisories below {arguments[0]}", file=sys.stderr)
        return 1
    newest = max(str(one.get("modified", "")) for one in known)[:10]
    found = list(against(packages, known))
    print(*found, sep="\n", end="\n" * bool(found))
    told = f"{len(packages)} packages against {len(known)} advisories, the newest of {newest}"
    print(f"audit: {told}: {len(found) or 'nothing'} known")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
