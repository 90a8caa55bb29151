"""
The agent bundle: one zip with all that a host needs beside `python3`.

It is put together from what is installed beside us, so that agent and operator never differ in version, and
it is deterministic: equal inputs give equal bytes, and the SHA-256 of those bytes is the agent's name on
every host. No byte code travels: it would help only where host and operator have the same Python, 0.3 s once
a host, and cost every host three times the bytes; a host compiles as it imports and keeps the result.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import os
import re
import tempfile
import time
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Optional

from ...errors import BadInput, SettingsError

#: Distribution -> what of it travels. Compiled speed-ups stay at home: each package works without.
DISTRIBUTIONS = {
    "Twisted": ("twisted",),
    "zope.interface": ("zope.interface",),
    "attrs": ("attr", "attrs"),
    "Automat": ("automat",),
    "constantly": ("constantly",),
    "hyperlink": ("hyperlink",),
    "idna": ("idna",),
    "incremental": ("incremental",),
    "typing_extensions": ("typing_extensions",),
    "bencode.py": ("bencodepy",),
}
#: Paths in the zip that no agent imports: tests, other reactors, and Twisted's other protocols.
PRUNED = re.compile(
    r"(^|/)(tests?|_test)/"
    r"|^twisted/(_pydoctortemplates|conch|enterprise|mail|names|pair|positioning|runner|scripts|tap|trial|words)/"
    r"|^twisted/plugins/(cred|twisted)_"
    r"|^twisted/internet/(iocpreactor/|_?(win|gi|gtk|glib|cf|wx|py)\w*\.py$)"
    r"|^twisted/(python/_pydoctor|protocols/(dict|sip|ident|pcp|socks|stateful|wire|finger|portforward|postfix))\.py$"
    r"|^murder_fabric/(deploy/|simulation/|api\.py)"
)
#: What license texts are called in a distribution's metadata.
LICENSE = re.compile(r"^(LICEN[CS]E|COPYING|NOTICE|AUTHORS)", re.IGNORECASE)
#: The oldest Python (major, minor) our own sources run on.
OWN_FLOOR = (3, 9)
#: Distribution -> the last version seen running on our own floor, whatever its metadata says.
#: zope.interface asks for 3.11 from 8.7 on, but only its wheels do: the Python source in them was seen
#: working, with all of the above, on 3.9 to 3.13. A later version is believed until it has been tried too.
#: Twisted 26.4 asks for 3.9.12; it was seen working on Debian 11's 3.9.2: patch releases are not compared.
SEEN_ON_OWN_FLOOR = {"zope.interface": (8, 7)}

MAIN = b'''\
"""Starts the agent from the directory it was unpacked into."""

import sys

from murder_fabric.__main__ import main

sys.exit(main())
'''
#: The package `zope` has no file of its own; with one, no other `zope` of the host can take its place.
ZOPE = b'"""The roof over zope.interface."""\n'

PACKAGE = Path(__file__).resolve().parents[2]
#: Seconds a bundle of other sources stays in the cache after its last use.
KEPT_UNUSED = 30 * 24 * 3600.0


@dataclass(frozen=True)
class Bundle:
    """A zip on the operator's disk, ready to be sent."""

    path: Path
    #: Of the zip's bytes, in hex: what the agent is called on the hosts.
    sha256: str
    #: Bytes.
    size: int
    #: The oldest Python (major, minor) everything in it runs on.
    requires_python: tuple[int, int]


def build_bundle(cache_dir: Optional[Path] = None) -> Bundle:
    """
    Return the bundle of what is installed here; it is built only when something in it has changed.

    `cache_dir` is where bundles are kept: `murder_fabric` in the user's cache directory unless given.

    Raises:
        BadInput: a distribution that belongs in the bundle is not installed.
        SettingsError: the cache directory cannot be written.
    """
    versions, floor = _installed()
    cache = cache_dir or _user_cache()
    key = _key(versions)
    found = _cached(cache, key)
    if found is None:
        try:
            found = _build(cache, key)
        except OSError as error:
            raise SettingsError(
                f"cannot keep the agent bundle in {cache}: {error.strerror or error}; no host was touched:"
                " point XDG_CACHE_HOME at a directory that can be written"
            ) from error
    path, digest, size = found
    return Bundle(path, digest, size, floor)


def _installed() -> tuple[dict[str, str], tuple[int, int]]:
    """Return the version of each distribution, and the oldest Python that all of them run on."""
    versions, floor = {}, OWN_FLOOR
    for name in DISTRIBUTIONS:
        metadata = _distribution(name).metadata
        versions[name] = metadata["Version"]
        requires = next(iter(metadata.get_all("Requires-Python", [])), None)
        floor = max(floor, python_floor(name, versions[name], requires))
    return versions, floor


def _distribution(name: str) -> importlib.metadata.Distribution:
    """
    Return an installed distribution.

    Raises:
        BadInput: it is not installed.
    """
    # Before 3.10, a distribution is found only by the spelling its installer gave the directory.
    for spelling in (name, re.sub(r"[-_.]+", "_", name)):
        with suppress(importlib.metadata.PackageNotFoundError):
            return importlib.metadata.distribution(spelling)
    raise BadInput(
        f"{name} is not installed beside murder_fabric, so there is no agent to send;"
        f" no host was touched: pip install {name}"
    )


def python_floor(name: str, version: str, requires: Optional[str]) -> tuple[int, int]:
    """Return the oldest Python (major, minor) for one distribution; `requires` is its Requires-Python."""
    numbers = tuple(int(number) for number in re.findall(r"\d+", version))
    if numbers <= SEEN_ON_OWN_FLOOR.get(name, ()):
        return OWN_FLOOR
    bounds = re.findall(r">=\s*(\d+)(?:\.(\d+))?", requires or "")
    return max([OWN_FLOOR, *((int(major), int(minor or 0)) for major, minor in bounds)])


def _user_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "murder_fabric"


def _key(versions: dict[str, str]) -> str:
    """Return a name for all that the bundle depends on, without reading any of it."""
    ours = []
    for path in [*sorted(_own_sources()), Path(__file__)]:
        status = path.stat()
        ours.append([str(path), status.st_mtime_ns, status.st_size])
    inputs = [versions, ours, zlib.ZLIB_RUNTIME_VERSION]
    return hashlib.sha256(json.dumps(inputs).encode()).hexdigest()[:16]


def _own_sources() -> Iterator[Path]:
    return (path for name, path in _sources(PACKAGE, "murder_fabric"))


def _cached(cache: Path, key: str) -> Optional[tuple[Path, str, int]]:
    """Return path, SHA-256 and size of the bundle called *key*, if it is there and whole."""
    for path in cache.glob(f"agent-{key}-*.zip"):
        with suppress(OSError):
            content = path.read_bytes()
            digest = hashlib.sha256(content).hexdigest()
            if path.name == f"agent-{key}-{digest}.zip":
                os.utime(path)
                return path, digest, len(content)
    return None


def _build(cache: Path, key: str) -> tuple[Path, str, int]:
    """Write the bundle into *cache*, whole or not at all."""
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    _forget_unused(cache, now=time.time())
    descriptor, name = tempfile.mkstemp(dir=cache, prefix="building-", suffix=".zip")
    try:
        with os.fdopen(descriptor, "w+b") as file:
            _write_zip(file_list(), file)
            file.seek(0)
            content = file.read()
        digest = hashlib.sha256(content).hexdigest()
        path = cache / f"agent-{key}-{digest}.zip"
        os.replace(name, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise
    return path, digest, len(content)


def _forget_unused(cache: Path, *, now: float) -> None:
    for pattern in ("agent-*.zip", "building-*.zip"):
        for path in cache.glob(pattern):
            with suppress(OSError):
                if path.stat().st_mtime < now - KEPT_UNUSED:
                    path.unlink()


def file_list() -> dict[str, Path]:
    """Return everything that travels but the two files made here: path in the zip -> file on this machine."""
    files = dict(_sources(PACKAGE, "murder_fabric"))
    for modules in DISTRIBUTIONS.values():
        for module in modules:
            spec = importlib.util.find_spec(module)  # looks, and imports nothing but an empty `zope`
            if spec is None or spec.origin is None:
                raise BadInput(f"the package {module} has no files here, so there is no agent to send")
            inside = module.replace(".", "/")
            if spec.submodule_search_locations is None:
                files[f"{inside}.py"] = Path(spec.origin)
            else:
                files.update(_sources(Path(spec.origin).parent, inside))
    for name in DISTRIBUTIONS:
        files.update(_licenses(name))
    return files


def _licenses(name: str) -> Iterator[tuple[str, Path]]:
    """Yield path in the zip and file of every license text of a distribution, as most of them ask for."""
    distribution = _distribution(name)
    for path in distribution.files or ():
        if ".dist-info" in path.parts[0] and LICENSE.search(path.name):
            yield f"licenses/{name}/{path.name}", Path(str(distribution.locate_file(path)))


def _sources(directory: Path, inside: str) -> Iterator[tuple[str, Path]]:
    """Yield path in the zip and file of every module under *directory* that an agent may need."""
    for folder, _, names in os.walk(directory):
        relative = Path(folder).relative_to(directory)
        for name in names:
            path = (inside / relative / name).as_posix()
            if name.endswith(".py") and not PRUNED.search(path):
                yield path, Path(folder, name)


def _write_zip(files: dict[str, Path], target: IO[bytes]) -> None:
    contents = {"__main__.py": MAIN, "zope/__init__.py": ZOPE}
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted([*files, *contents]):
            entry = zipfile.ZipInfo(name)  # its date is 1980-01-01 unless told: no clock in the bytes
            entry.create_system = 3
            entry.external_attr = 0o600 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            data = contents[name] if name in contents else files[name].read_bytes()
            archive.writestr(entry, data, compresslevel=9)
