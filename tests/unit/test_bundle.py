"""The agent bundle: the same bytes for the same inputs, and nothing in it that no host needs."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from murder_fabric.deploy.connecting import bundle
from murder_fabric.deploy.connecting.bundle import DISTRIBUTIONS, Bundle, build_bundle, python_floor
from murder_fabric.errors import BadInput, SettingsError


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return build_bundle(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def names(built: Bundle) -> list[str]:
    with zipfile.ZipFile(built.path) as archive:
        return archive.namelist()


def test_it_is_named_by_its_bytes(built: Bundle) -> None:
    content = built.path.read_bytes()

    assert (hashlib.sha256(content).hexdigest(), len(content)) == (built.sha256, built.size)
    assert built.sha256 in built.path.name


def test_equal_inputs_give_equal_bytes(built: Bundle, tmp_path: Path) -> None:
    """In another process with another hash seed, too."""
    script = (
        "import sys, pathlib; from murder_fabric.deploy.connecting.bundle import build_bundle;"
        "print(build_bundle(pathlib.Path(sys.argv[1])).sha256)"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo"}
    other = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )

    assert other.stdout.strip() == built.sha256


def test_it_holds_the_agent_and_what_the_agent_needs(names: list[str]) -> None:
    needed = {
        "__main__.py",
        "murder_fabric/__init__.py",
        "murder_fabric/control/__init__.py",
        "twisted/internet/epollreactor.py",
        "twisted/web/server.py",
        "zope/__init__.py",
        "zope/interface/interface.py",
        "attr/_make.py",
        "attrs/__init__.py",
        "automat/__init__.py",
        "typing_extensions.py",
        "bencodepy/decoder.py",
    }

    assert needed - set(names) == set()


@pytest.mark.parametrize(
    "part",
    [
        "murder_fabric/deploy/",
        "/test/",
        "/tests/",
        "/_test/",
        "twisted/conch/",
        "twisted/trial/",
        "__pycache__",
    ],
)
def test_what_no_host_needs_stays_at_home(names: list[str], part: str) -> None:
    assert [name for name in names if part in name] == []


def test_only_python_source_travels_and_the_licenses_that_go_with_it(names: list[str]) -> None:
    assert {Path(name).suffix for name in names if not name.startswith("licenses/")} == {".py"}
    assert names == sorted(set(names))


def test_every_distribution_brings_its_license(names: list[str]) -> None:
    for distribution in DISTRIBUTIONS:
        assert [name for name in names if name.startswith(f"licenses/{distribution}/")], distribution


def test_nothing_of_the_clock_or_the_owner_is_in_it(built: Bundle) -> None:
    with zipfile.ZipFile(built.path) as archive:
        facts = {(e.date_time, e.external_attr >> 16, e.create_system, e.extra) for e in archive.infolist()}

    assert facts == {((1980, 1, 1, 0, 0, 0), 0o600, 3, b"")}


def test_what_is_built_is_not_built_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = build_bundle(tmp_path)
    monkeypatch.setattr(bundle, "_build", lambda *arguments: pytest.fail("built twice"))

    assert build_bundle(tmp_path) == first


def test_a_damaged_bundle_is_built_again(tmp_path: Path) -> None:
    first = build_bundle(tmp_path)
    first.path.write_bytes(first.path.read_bytes()[:1000])

    again = build_bundle(tmp_path)

    assert again == first
    assert again.path.stat().st_size == first.size


def test_a_changed_source_makes_another_bundle(
    built: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "murder_fabric"
    shutil.copytree(bundle.PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "control" / "__init__.py").write_text("changed = True\n")
    monkeypatch.setattr(bundle, "PACKAGE", copy)

    changed = build_bundle(built.path.parent)

    assert changed.sha256 != built.sha256
    with zipfile.ZipFile(changed.path) as archive:
        assert archive.read("murder_fabric/control/__init__.py") == b"changed = True\n"


def test_bundles_that_nobody_used_for_long_are_forgotten(tmp_path: Path) -> None:
    old, recent = tmp_path / "agent-old-0.zip", tmp_path / "agent-recent-0.zip"
    for path, age in ((old, 31), (recent, 29)):
        path.touch()
        os.utime(path, (time.time() - age * 86400,) * 2)

    kept = build_bundle(tmp_path)

    assert {path.name for path in tmp_path.iterdir()} == {recent.name, kept.path.name}


def test_a_cache_that_cannot_be_written_is_said_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(SettingsError, match=r"^cannot keep the agent bundle in .*XDG_CACHE_HOME"):
        build_bundle(tmp_path / "file" / "cache")


def test_a_missing_distribution_is_said_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(bundle.DISTRIBUTIONS, "no-such-thing", ("nothing",))

    with pytest.raises(BadInput, match="no-such-thing is not installed"):
        build_bundle(tmp_path)


def test_the_users_cache_is_where_xdg_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    assert build_bundle().path.parent == tmp_path / "murder_fabric"


@pytest.mark.parametrize(
    ("name", "version", "requires", "floor"),
    [
        ("attrs", "26.1.0", ">=3.9", (3, 9)),
        ("attrs", "27.1.0", ">=3.10", (3, 10)),
        ("hyperlink", "21.0.0", ">=2.6, !=3.0.*, !=3.1.*", (3, 9)),
        ("bencode.py", "4.1.0", None, (3, 9)),
        ("typing_extensions", "9.0", "<4,>= 3.12.2", (3, 12)),
        ("zope.interface", "8.7", ">=3.11", (3, 9)),
        ("zope.interface", "8.8", ">=3.12", (3, 12)),
    ],
)
def test_the_floor_is_what_was_seen_or_else_what_is_asked(
    name: str, version: str, requires: str | None, floor: tuple[int, int]
) -> None:
    assert python_floor(name, version, requires) == floor


def test_the_bundle_of_what_is_installed_here_runs_from_our_own_floor_on(built: Bundle) -> None:
    """A dependency that moved on would shut out hosts: then it needs a bound in `setup.cfg`."""
    assert built.requires_python == (3, 9)


def test_a_distribution_is_found_by_the_spelling_of_its_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Python 3.9 needs it: `zope.interface` does not find `zope_interface-8.0.dist-info` there."""
    asked = []

    found = importlib.metadata.distribution

    def distribution(name: str) -> importlib.metadata.Distribution:
        asked.append(name)
        if "." in name:
            raise importlib.metadata.PackageNotFoundError(name)
        return found("attrs")

    monkeypatch.setattr(importlib.metadata, "distribution", distribution)
    build_bundle(tmp_path)

    assert {"zope.interface", "zope_interface", "bencode_py"} <= set(asked)


def test_the_operators_side_imports_no_twisted(tmp_path: Path) -> None:
    script = (
        "import sys, pathlib; from murder_fabric.deploy.connecting import bundle, bootstrap;"
        "bundle.build_bundle(pathlib.Path(sys.argv[1]));"
        "print(sorted({'twisted', 'attr', 'idna'} & set(sys.modules)))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True
    )

    assert ran.stdout.strip() == "[]"
