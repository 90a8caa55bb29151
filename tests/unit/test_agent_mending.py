"""A release that somebody changed is brought back to what it was, and whoever reads it reads on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from murder_fabric import control
from murder_fabric.agent import drift
from murder_fabric.agent.destination import Destination
from murder_fabric.agent.staging import Staged, discard, stage, verify_staged
from murder_fabric.errors import StorageError
from murder_fabric.metainfo.values import Metainfo
from murder_fabric.storage.creation import create_metainfo

LINKED = ("log", "tmp/pids")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    root = tmp_path / "source"
    (root / "config").mkdir(parents=True)
    (root / "config/site").write_bytes(b"s" * 70_000)
    (root / "config/closed").write_text("c")
    (root / "index").write_text("hello")
    (root / "link").symlink_to("index")
    (root / "same").write_bytes(b"m" * 90_000)
    (root / "nothing").mkdir()
    (root / "config").chmod(0o555)
    return root


@pytest.fixture
def metainfo(source: Path) -> Metainfo:
    return create_metainfo(str(source), None)


@pytest.fixture
def app(tmp_path: Path, source: Path, metainfo: Metainfo) -> Destination:
    """A destination with the release v1, which is current."""
    made = Destination(str(tmp_path / "srv" / "app"))
    made.prepare()
    staged = staging(made, metainfo, source=str(source))
    verify_staged(staged, control.Verify("v1", list(LINKED), "f00ba4"))
    staged.payload.close()
    made.switch("v1")
    return made


def staging(app: Destination, metainfo: Metainfo, *, source: str | None = None, mend: bool = False) -> Staged:
    digest = metainfo.info.digest.hex()
    return stage(control.Stage("v1", digest, app.path, source=source, mend=mend), metainfo.encode())


def mend(app: Destination, metainfo: Metainfo, source: Path) -> Staged:
    """Do all that a host does of it; the swarm gives what it lacks from *source*."""
    staged = staging(app, metainfo, source=str(source), mend=True)
    verify_staged(staged, control.Verify("v1"))
    return staged


def faults(app: Destination) -> list[str]:
    return drift.drift_of(app, "v1").faults


def damage(release: Path) -> None:
    release.joinpath("config").chmod(0o755)
    release.joinpath("config/site").write_bytes(b"s" * 69_999 + b"!")
    release.joinpath("config/closed").chmod(0o600)
    release.joinpath("index").unlink()
    release.joinpath("index").mkdir()
    release.joinpath("link").unlink()
    release.joinpath("link").symlink_to("config")
    release.joinpath("nothing").rmdir()
    release.joinpath("nothing").write_text("a file")
    release.joinpath("log").unlink()
    release.joinpath("REVISION").write_text("another\n")


def test_all_that_is_wrong_is_put_right_and_nothing_else_touched(
    app: Destination, metainfo: Metainfo, source: Path
) -> None:
    release = Path(app.release("v1"))
    same = release.joinpath("same").stat().st_ino
    release.joinpath("stranger").write_text("written by the app")
    damage(release)
    found = drift.drift_of(app, "v1")
    assert (len(found.damage), len(found.faults), found.strangers) == (8, 9, ["stranger"])
    discard(mend(app, metainfo, source))
    assert faults(app) == ["stranger does not belong there"]
    assert drift.drift_of(app, "v1").damage == []
    assert release.joinpath("same").stat().st_ino == same
    assert os.listdir(os.path.join(app.own, "staging")) == []
    assert release.joinpath("config/site").stat().st_nlink == 1


def test_who_has_a_damaged_file_open_reads_on_and_what_is_right_is_taken_over(
    app: Destination, metainfo: Metainfo, source: Path
) -> None:
    site = Path(app.release("v1"), "config/site")
    site.write_bytes(b"?" * 70_000)
    staged = staging(app, metainfo, mend=True)
    assert staged.reused.bytes_of == {"v1": metainfo.info.geometry.length - 70_000}
    staged.payload.close()
    with site.open("rb") as reader:
        staged = mend(app, metainfo, source)
        assert reader.read() == b"?" * 70_000
    assert site.read_bytes() == b"s" * 70_000
    # Other hosts may be fetching from here still.
    assert staged.payload.read(0, 0, 100) == source.joinpath("config/closed").read_bytes() + b"s" * 99
    staged.payload.close()
    discard(staged)


def test_a_directory_with_something_in_it_is_not_removed_for_a_file(
    app: Destination, metainfo: Metainfo, source: Path
) -> None:
    index = Path(app.release("v1"), "index")
    index.unlink()
    index.mkdir()
    index.joinpath("of-somebody").touch()
    with pytest.raises(StorageError, match=f"Directory not empty: {index}"):
        mend(app, metainfo, source)
    assert index.joinpath("of-somebody").exists()


def test_without_being_asked_to_mend_a_changed_release_is_refused(
    app: Destination, metainfo: Metainfo, source: Path
) -> None:
    Path(app.release("v1"), "index").write_text("hallo")
    with pytest.raises(StorageError, match=r"1 of \d+ pieces differ; .* murder\.catch-up --mend"):
        staging(app, metainfo, source=str(source))
    assert Path(app.release("v1"), "index").read_text() == "hallo"


def test_a_release_that_is_gone_is_made_anew(app: Destination, metainfo: Metainfo, source: Path) -> None:
    release = Path(app.release("v1"))
    release.joinpath("config").chmod(0o755)
    release.rename(app.path + "/moved")
    staged = mend(app, metainfo, source)
    staged.payload.close()
    assert release.joinpath("index").read_text() == "hello"
