"""Rows 37, 39, 41 and 80: what was there before, and is not as we would have left it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from pathlib import Path

import pytest
from deploying import agents, arrived, current, place, slow_down, wait_until
from extent import long
from programs import AGENT, REPOSITORY, make_tree, snapshot

from demo import tree
from lab import rig

real_hosts = [
    pytest.mark.root,
    pytest.mark.skipif(rig.missing() is not None, reason=str(rig.missing())),
]


def appended(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def replaced(path: Path) -> None:
    path.with_name("new").write_bytes(b"another one")
    path.with_name("new").replace(path)


def renamed(path: Path) -> None:
    away = path.with_name("away")
    path.rename(away)
    away.rename(path)
    os.utime(path)


@pytest.mark.parametrize("change", [appended, replaced, renamed])
def test_row_39_a_tree_that_somebody_changes_makes_no_torrent(tmp_path, change):
    """It is changed as long as the program runs, and so between its first look and its last."""
    source, over = make_tree(tmp_path / "app", 40_000_000), threading.Event()

    def go_on_changing() -> None:
        while not over.wait(0.001):
            change(source / "a/b/c/small")

    changing = threading.Thread(target=go_on_changing)
    changing.start()
    try:
        command = [*AGENT, "create", str(source), "-o", str(tmp_path / "torrent")]
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=REPOSITORY, timeout=60, check=False
        )
    finally:
        over.set()
        changing.join()
    assert done.returncode == 2, done.stderr
    assert "source changed: " in done.stderr
    # Or only the root, where a name was gone as soon as its directory had been read.
    assert str(source) in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "torrent").exists()


def a_directory(app: Path) -> None:
    (app / "current").mkdir()
    (app / "current/ours").write_text("by hand")


def a_link_that_leads_away(app: Path) -> None:
    (app / "current").symlink_to("/srv/elsewhere")


@long
class TestOnHosts:
    """With a real sshd each."""

    pytestmark = real_hosts

    def test_row_37_a_current_that_is_not_ours_to_move_stays(self, lab, fab, app, source):
        for host, make in (("web2", a_directory), ("web3", a_link_that_leads_away)):
            place(lab, host, app).mkdir(parents=True)
            make(place(lab, host, app))
        before = {host: snapshot(place(lab, host, app)) for host in ("web2", "web3")}
        arguments = ("--files-path", str(source), "--destination-path", app, "--tag", "v1")
        said = fab("web[1-3]", *arguments, code=3)
        for host in ("web2", "web3"):
            assert f"{host}: {app}/current " in said
            assert snapshot(place(lab, host, app)) == before[host]
        assert current(lab, "web1", app) is None
        assert not (lab.host_root("web3") / "srv/elsewhere").exists()

    def test_row_41_torn_records_cost_a_second_look_and_nothing_else(self, lab, fab, app, source, tmp_path):
        arguments = ("--destination-path", app, "--files-path")
        fab("web[1-3]", *arguments, str(source), "--tag", "v1")
        own = {host: place(lab, host, app) / ".murder" for host in ("web1", "web2", "web3")}
        (own["web1"] / "receipts/v1").write_bytes(b"")
        (own["web1"] / "history").write_bytes(b"[" * 100_000)
        (own["web2"] / "receipts/v1").write_bytes(os.urandom(300))
        (own["web2"] / "torrents/v1").write_bytes(b"d4:info")
        (own["web3"] / "receipts/v1").write_bytes(b'{"tag": "v1", "digest": 7}')
        (own["web3"] / "lock").write_bytes(b'{"run": ')
        tree.generate(tmp_path / "next", 300_000, 40, seed=41)
        fab("web[1-3]", *arguments, str(tmp_path / "next"), "--tag", "v2")
        assert [arrived(lab, host, app, tmp_path / "next") for host in own] == [[]] * 3

    def test_row_41_what_is_staged_is_looked_at_and_not_believed(self, lab, fab, app, large, slow_seeder):
        slow_down(lab, "web1", "2mbit")  # however busy this machine is, it is not over before Ctrl-C
        arguments = ("--files-path", str(large), "--destination-path", app, "--tag", "v1")
        running, staging = fab.start("web[1-3]", *arguments), place(lab, "web3", app) / ".murder/staging/v1"

        def has_come() -> bool:
            return sum(path.stat().st_blocks for path in staging.rglob("*") if path.is_file()) > 1000

        wait_until(has_come, 60, "nothing comes")
        running.interrupt()
        slow_down(lab, "web1", None)
        assert running.end() == 130, str(running)
        wait_until(lambda: not agents(lab), 15, "agents still run")
        for path in staging.rglob("*"):
            if path.is_file() and path.stat().st_size > 1000:
                with path.open("r+b") as file:
                    file.write(os.urandom(1000))
        fab("web[1-3]", *arguments)
        assert [arrived(lab, host, app, large) for host in ("web1", "web2", "web3")] == [[]] * 3

    def test_row_80_nobody_is_ended_for_a_pid_that_an_agent_of_ours_had(self, lab, fab):
        fab("web1", "murder.start-tracker")
        (record,) = (lab.host_root("web1") / "root/.murder/state").glob("*.json")
        state = json.loads(record.read_text())
        os.kill(state["pid"], signal.SIGKILL)
        stranger = lab.run_in("web1", ["sleep", "600"])
        try:
            stopping = ("web1", "murder.stop-tracker")
            for left in (state, {**state, "pid": stranger.pid}, {**state, "pid": -1}, {**state, "pid": 1}):
                record.write_text(json.dumps(left))
                assert "no tracker is running here" in fab(*stopping, code=2)
            record.unlink()
            record.symlink_to("/proc/self/stat")
            assert "no tracker is running here" in fab(*stopping, code=2)
            assert "the tracker runs on web1" in fab("web1", "murder.start-tracker")
            assert not record.is_symlink()
            fab(*stopping)
            assert stranger.poll() is None
        finally:
            stranger.kill()
            stranger.wait()
