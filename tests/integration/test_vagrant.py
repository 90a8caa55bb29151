"""The directory `vagrant/`: Vagrant accepts the machines, fab knows them, and the scripts can be read."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent.parent
VAGRANT = REPOSITORY / "vagrant"


def run(*argv: str, home: Path, place: Path = VAGRANT, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "HOME": str(home),
        "PYTHONPATH": str(REPOSITORY),
        "VAGRANT_DOTFILE_PATH": str(home / "machines"),
        "VAGRANT_CHECKPOINT_DISABLE": "1",
        **more,
    }
    return subprocess.run(argv, cwd=place, env=environment, capture_output=True, text=True, timeout=60)


@pytest.mark.skipif(shutil.which("vagrant") is None, reason="needs vagrant")
def test_vagrant_accepts_the_machines_whatever_provider_is_here(tmp_path: Path) -> None:
    done = run("vagrant", "validate", "--ignore-provider", home=tmp_path, PEERS="2")
    assert (done.returncode, done.stderr) == (0, "")
    assert "validated successfully" in done.stdout


@pytest.mark.skipif(shutil.which("vagrant") is None, reason="needs vagrant")
def test_peers_that_are_no_number_are_one_sentence(tmp_path: Path) -> None:
    done = run("vagrant", "validate", "--ignore-provider", home=tmp_path, PEERS="many")
    assert done.returncode == 1
    assert done.stderr == "PEERS is many, but must be a number from 1 to 200\n"


def test_fab_knows_tracker_seeder_and_as_many_peers_as_there_are(tmp_path: Path) -> None:
    for name in ("fabfile.py", "fabric.yaml"):
        shutil.copy(VAGRANT / name, tmp_path)
    asked = (sys.executable, "-m", "fabric", "murder.hosts")
    early = run(*asked, home=tmp_path, place=tmp_path, PEERS="20")
    assert (early.returncode, early.stderr.count("\n")) == (2, 1)
    assert "vagrant ssh-config > ssh_config" in early.stderr
    (tmp_path / "ssh_config").touch()
    done = run(*asked, home=tmp_path, place=tmp_path, PEERS="20")
    assert done.stdout == "tracker: tracker\nseeder: seeder\npeers: web[1-20] (20)\n", done.stderr


@pytest.mark.parametrize("script", sorted(VAGRANT.glob("*.sh")), ids=lambda script: script.name)
def test_a_script_can_be_run_and_read(script: Path, tmp_path: Path) -> None:
    assert os.access(script, os.X_OK)
    assert run("bash", "-n", str(script), home=tmp_path).stderr == ""
