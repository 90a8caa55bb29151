"""Rows 77 to 83: several at once, and what those leave who did not come to their end."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from deploying import agents, arrived, current, slow_down, wait_until
from extent import long, so_many
from host_life import HostLife, write_tree

from lab import rig
from murder_fabric.agent.destination import Destination
from murder_fabric.agent.releases import clean_up

TESTS = Path(__file__).resolve().parents[1]
real_hosts = pytest.mark.skipif(rig.missing() is not None, reason=str(rig.missing()))

READER = """\
import os, sys
reads, wrong = 0, []
print("reading", flush=True)
while not os.path.exists(sys.argv[2]):
    try:
        directory = os.open(sys.argv[1] + "/current", os.O_RDONLY | os.O_DIRECTORY)
        words = set()
        for name in ("version", "deep/version"):
            file = os.open(name, os.O_RDONLY, dir_fd=directory)
            words.add(os.read(file, 10))
            os.close(file)
        os.close(directory)
        if len(words) != 1:
            wrong.append(f"mixed: {sorted(words)}")
    except OSError as error:
        wrong.append(str(error))
    reads += 1
print(reads, *wrong[:5], sep="\\n")
"""


def test_row_83_readers_of_current_find_it_whole_through_every_switch(tmp_path):
    """Four readers; every hundredth switch something older is cleaned up too."""
    trees = {}
    for tag in ("v1", "v2", "v3"):
        files = {"version": tag.encode(), "deep/version": tag.encode(), "big": b"", "deep/small": b""}
        trees[tag] = write_tree(tmp_path / tag, files)
    life = HostLife(tmp_path / "app", trees)
    for tag in trees:
        life.deploy(tag)
    over, destination = tmp_path / "over", Destination(str(life.app))
    command = [sys.executable, "-c", READER, str(life.app), str(over)]
    readers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    try:
        for reader in readers:
            assert reader.stdout is not None
            assert reader.stdout.readline() == "reading\n"
        for number in range(so_many(400, 10_000)):
            destination.switch(("v2", "v3")[number % 2])
            if number % 100 == 0:
                clean_up(destination, keep=2)
    finally:
        over.touch()
        told = [reader.communicate(timeout=60)[0].split("\n") for reader in readers]
    assert [wrong for _, *wrong in told] == [[""]] * 4
    assert sum(int(reads) for reads, *_ in told) > 100
    assert os.listdir(life.app / "releases") != []


def test_row_82_what_crashed_runs_left_goes_with_the_next_one(tmp_path):
    count = so_many(10, 50)
    program = [sys.executable, str(TESTS / "faults/crash_points.py"), "pile", str(count), str(tmp_path)]
    path = f"{TESTS.parent}:{TESTS / 'faults'}"
    done = subprocess.run(program, capture_output=True, text=True, env={"PYTHONPATH": path}, timeout=300)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["killed"] == count


def ended(under_way):
    """Return those that have ended."""
    return [running for running in under_way if running.process.poll() is not None]


@real_hosts
@pytest.mark.parametrize("time", range(so_many(1, 20)))
def test_row_77_of_two_who_deploy_the_same_at_once_one_does(lab, fab, app, large, slow_seeder, time):
    """Whoever has the first host gets the others, and is slow until the other one has ended."""
    slow_down(lab, "web1", "1mbit")
    arguments = ("--files-path", str(large), "--destination-path", app, "--tag", "v1")
    both = [fab.start("web[1-3]", *arguments) for _ in range(2)]
    wait_until(lambda: bool(ended(both)), 60, "both are under way")
    [loser] = ended(both)
    slow_down(lab, "web1", None)
    assert loser.end() == 4, str(loser)
    assert f"web1: busy: {app} is being deployed to by " in str(loser), str(loser)
    assert "web[2-3]: not taken, as web1 is busy; nothing was changed" in loser.lines
    told = re.search(r"^prepare +not finished \(([\d.]+) s\)$", str(loser), re.MULTILINE)
    assert told is not None, str(loser)
    assert float(told[1]) < 5
    [winner] = set(both) - {loser}
    assert winner.end() == 0, str(winner)
    assert all("Traceback" not in str(running) for running in both)
    assert [arrived(lab, host, app, large) for host in ("web1", "web2", "web3")] == [[]] * 3
    wait_until(lambda: not agents(lab), 15, "agents still run")


@long
@real_hosts
def test_row_78_of_eight_to_one_destination_one_deploys_and_seven_are_told_that_it_is_busy(
    lab, fab, app, large, slow_seeder
):
    slow_down(lab, "web1", "1mbit")
    arguments = ("--files-path", str(large), "--destination-path", app)
    all_of_them = [fab.start("web[1-3]", *arguments, "--tag", f"v{number}") for number in range(8)]
    wait_until(lambda: len(ended(all_of_them)) > 6, 120, "more than one is under way")
    losers = ended(all_of_them)
    slow_down(lab, "web1", None)
    assert [running.end() for running in losers] == [4] * 7, "\n".join(map(str, losers))
    assert all("busy: " in str(running) for running in losers)
    [winner] = set(all_of_them) - set(losers)
    assert winner.end() == 0, str(winner)
    assert current(lab, "web3", app) == f"releases/v{all_of_them.index(winner)}"
    assert [arrived(lab, host, app, large) for host in ("web1", "web2", "web3")] == [[]] * 3


@long
@real_hosts
def test_row_78_eight_destinations_at_once_on_the_same_hosts(lab, fab, app, source):
    each = [f"{app}/of-{number}" for number in range(8)]
    arguments = ("--files-path", str(source), "--tag", "v1")
    all_of_them = [fab.start("web[1-3]", *arguments, "--destination-path", one) for one in each]
    for running in all_of_them:
        assert running.end() == 0, str(running)
    for one in each:
        assert [arrived(lab, host, one, source) for host in ("web1", "web2", "web3")] == [[]] * 3
