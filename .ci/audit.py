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
NOT_ASKED = (
    "audit: PyPI was not reached, or did not tell of all packages, so nothing is known; offline: ./dev audit"
    " --database DIR, with a checkout of https://github.com/pypa/advisory-database"
)


def normalized(name: str) -> str:
    """Return how packages are compared (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def needed(package: str) -> dict[str, str]:
    """Return the installed version of all that *package* needs to run, by normalized name."""
    done = {(package, "")}
    todo = list(done)
    while todo:
        name, extra = todo.pop()
        for text in metadata.requires(name) or ():
            requirement = Requirement(text)
            if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
                continue
            wanted = {(normalized(requirement.name), one) for one in ("", *requirement.extras)} - done
            done |= wanted
            todo.extend(wanted)
    return {name: metadata.version(name) for name, _ in done if name != package}


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
    for bound, kind in sorted((bound, kind) for event in events for kind, bound in _known(event)):
        if kind == "introduced" and version >= bound:
            within = True
        elif (kind == "fixed" and version >= bound) or (kind == "last_affected" and version > bound):
            within = False
    return within


def _known(event: Mapping[str, str]) -> Iterator[tuple[str, Version]]:
    """Yield what an event says; what began with a version nobody can read was always so, or ends never."""
    for kind, text in event.items():
        try:
            yield kind, Version(text)
        except InvalidVersion:
            if kind == "introduced":
                yield kind, Version("0")


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
        command = [sys.executable, "-m", "pip_audit", *options]
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    # Its warnings are about those options: what is asked about is what is installed, with all it needs.
    said = [line for line in done.stderr.splitlines() if not line.startswith("WARNING:pip_audit.")]
    print(*said, sep="\n", end="\n" * bool(said), file=sys.stderr)
    if any(line.startswith(("ERROR:", "Traceback")) for line in said):
        print(NOT_ASKED, file=sys.stderr)
    return done.returncode


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
