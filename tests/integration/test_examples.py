"""The examples run as they stand: listed, dry, and against real hosts, of which one cannot be reached."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from deploying import REPOSITORY, arrived, current, place

from lab import rig

EXAMPLES = REPOSITORY / "examples"
#: Tasks that a fabfile has beside ours, by example.
OWN = {
    path.parent.name: names
    for path in sorted(EXAMPLES.glob("*/fabfile.py"))
    if (names := re.findall(r"^def (\w+)\(c", path.read_text(), re.MULTILINE))
}
LINES = re.findall(r"^\| \[`(\w+)/`\].*\| `(.*)` \|$", (EXAMPLES / "README.md").read_text(), re.MULTILINE)


class Copy:
    """The examples somewhere else, and a home without settings of anybody's."""

    def __init__(self, directory: Path) -> None:
        shutil.copytree(EXAMPLES, directory / "examples")
        self.examples, self.home = directory / "examples", directory

    def run(self, example: str, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run a program in the directory of an example; `fab` and `python` are this interpreter's."""
        programs = {"fab": [sys.executable, "-m", "fabric"], "python": [sys.executable]}
        done = subprocess.run(
            [*programs[argv[0]], *argv[1:]],
            cwd=self.examples / example,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), "HOME": str(self.home)},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    return Copy(tmp_path)


@pytest.fixture
def on_lab(copy: Copy, lab: rig.Lab, app: str) -> Copy:
    """A copy that goes to the lab's hosts, and to a destination of this test's own."""
    (copy.home / ".fabric.yaml").write_text(f"ssh_config_path: {lab.ssh_config}\nuser: root\n")
    for path in copy.examples.rglob("*.py"):
        path.write_text(path.read_text().replace('"/srv/app"', f'"{app}"'))
    return copy


def test_every_example_is_in_the_table() -> None:
    directories = sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir())
    assert sorted(name for name, _ in LINES) == directories


@pytest.mark.parametrize("example", OWN)
def test_a_fabfile_lists_its_own_tasks_beside_ours(copy: Copy, example: str) -> None:
    done = copy.run(example, "fab", "--list")
    assert (done.returncode, done.stderr) == (0, "")
    listed = re.findall(r"^  (\S+)", done.stdout, re.MULTILINE)
    assert "murder.deploy" in listed
    assert {name.replace("_", "-") for name in OWN[example]} <= {name.rpartition(".")[2] for name in listed}


@pytest.mark.parametrize(("example", "line"), [pair for pair in LINES if pair[1].startswith("fab ")])
def test_the_line_of_a_fabfile_goes_well_without_touching_a_host(copy: Copy, example: str, line: str) -> None:
    program, *arguments = shlex.split(line)
    done = copy.run(example, program, "--dry", *arguments)
    assert done.returncode == 0, done.stderr
    assert done.stderr.endswith("dry run: no host was touched\n")


def test_a_task_of_ones_own_deploys_and_goes_back(on_lab: Copy, lab: rig.Lab, app: str) -> None:
    done = on_lab.run("existing", "fab", "-H", "web[1-2]", "ship", "--tag", "v1", "ship", "--tag", "v2")
    assert done.returncode == 0, done.stderr
    assert [line.rpartition(",")[0] for line in done.stdout.splitlines()] == [
        "v1 on 2 hosts",
        "v2 on 2 hosts",
    ]
    assert arrived(lab, "web2", app, on_lab.examples / "existing/site") == []
    done = on_lab.run("existing", "fab", "-H", "web1,web2:9", "back")
    assert (done.returncode, done.stdout) == (3, "not back: web2:9\n")
    assert done.stderr.splitlines()[-1].startswith("murder: 1 of 2 hosts failed (allowed: 0), so nothing was")
    assert [current(lab, host, app) for host in ("web1", "web2")] == ["releases/v2"] * 2


def test_a_program_deploys_without_fab_and_knows_who_failed(on_lab: Copy, lab: rig.Lab, app: str) -> None:
    done = on_lab.run("script", "python", "release.py", "web[1-2],web3:9", "v1")
    assert done.returncode == 3, done.stderr
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert [line[:2] for line in lines] == [
        ["web1", "switched"],
        ["web2", "switched"],
        ["web3:9", "unreachable"],
    ]
    size = (on_lab.examples / "existing/site/index.html").stat().st_size
    assert [int(line[2]) for line in lines] == [size, size, 0]
    assert lines[2][3] == "refused the connection to port 9"
    assert current(lab, "web2", app) == "releases/v1"
    assert "release.py: web3:9 failed, as was allowed" in done.stderr


def documents(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    """Return what stdout is, a document a line; the exit code is in the last."""
    said: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["exit_code"] for one in said] == [*[0] * (len(said) - 1), done.returncode]
    return said


def test_with_json_every_task_prints_one_document(on_lab: Copy, lab: rig.Lab, app: str) -> None:
    def fab(hosts: str, *words: str) -> list[dict[str, Any]]:
        return documents(on_lab.run("minimal", "fab", "-H", hosts, *words))

    at = ("--json", "--destination-path", app)
    deploy = ("murder.deploy", "--files-path", "../existing/site", "--tag", "v1", *at)
    deployed, again, listed = fab("web[1-2]", *deploy, *deploy, "murder.releases", *at)
    assert (deployed["task"], deployed["tag"], deployed["destination"]) == ("deploy", "v1", app)
    assert {host["state"] for host in deployed["hosts"].values()} == {"switched"}
    assert {host["bytes_moved"] for host in again["hosts"].values()} == {0}
    assert {name: host["bytes_reused"] for name, host in again["hosts"].items()} == {
        name: host["bytes_moved"] for name, host in deployed["hosts"].items()
    }
    facts = listed["hosts"]["web2"]["facts"]
    assert (facts["current"], [one["tag"] for one in facts["releases"]]) == ("v1", ["v1"])
    (place(lab, "web2", app) / "releases/v1/index.html").chmod(0o600)
    (drifted,) = fab("web[1-2],web3:9", "murder.verify", *at)
    hosts = drifted["hosts"]
    assert [host["state"] for host in hosts.values()] == ["verified", "failed", "unreachable"]
    assert (hosts["web2"]["facts"]["drift_count"], hosts["web1"]["facts"]["drift"]) == (1, [])
    assert hosts["web1"]["facts"]["digest"] == deployed["digest"]
    assert hosts["web3:9"]["error"] == "refused the connection to port 9"
