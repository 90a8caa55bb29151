"""Rows 11, 12, 28, 68, 70, 71, 74, 76: operators who go away or have little, and what they call things."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import time
from itertools import chain

import fabric
import pytest
from deploying import agents, arrived, current, place, slow_down, wait_until
from extent import long
from swarm import Firewall, pause

from demo import tree
from lab import rig
from murder_fabric.deploy.connecting.connections import Gateways
from murder_fabric.deploy.connecting.remote import connect_all
from murder_fabric.deploy.failures import HostFailure

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(rig.missing() is not None, reason=str(rig.missing())),
]
HOSTS = ("web1", "web2", "web3")
ODD = [
    ";touch canary",
    "$(touch canary)",
    "`touch canary`",
    "| touch canary",
    "'",
    '"',
    "*",
    "%s",
    "&& x",
    "--",
    "-rf",
    "x" * 200,
]


@long
def test_row_11_a_laptop_that_falls_asleep_holds_no_host_for_longer_than_the_lease(
    lab, fab, app, large, slow_seeder
):
    arguments = ("--files-path", str(large), "--destination-path", app, "--tag", "v1")
    running = fab.start("web[1-3]", *arguments)
    running.wait_for("stage")
    os.killpg(running.process.pid, signal.SIGSTOP)
    began = time.monotonic()
    try:
        wait_until(lambda: not agents(lab), 60 + 20, "agents still run after the lease")
        assert time.monotonic() - began > 40  # an agent does not leave because an operator is slow
    finally:
        os.killpg(running.process.pid, signal.SIGCONT)
    assert running.end() in (3, 4), str(running)
    assert [current(lab, host, app) for host in HOSTS] == [None] * 3
    fab("web[1-3]", *arguments)
    assert [arrived(lab, host, app, large) for host in HOSTS] == [[]] * 3


@long
@pytest.mark.parametrize("seed", range(10))
def test_row_12_ctrl_c_at_any_time_leaves_old_or_new_within_15_seconds(
    lab, fab, app, large, slow_seeder, seed
):
    """Where one comes too late for anything, another does: at another destination, and earlier."""
    moment = random.Random(seed).uniform(0, 7)
    for number in range(1, 6):
        destination = f"{app}/{number}"
        arguments = ("--files-path", str(large), "--destination-path", destination, "--tag", "v1")
        running = fab.start("web[1-3]", *arguments)
        running.wait_for("murder:")
        pause(moment / number)
        if running.process.poll() is None:
            running.interrupt()
        began = time.monotonic()
        code = running.end()
        assert time.monotonic() - began < 15, str(running)
        assert "Traceback" not in str(running)
        found = {current(lab, host, destination) for host in HOSTS}
        # All of them at one of the two, and the last line says which.
        assert found in ({None}, {"releases/v1"}), str(running)
        is_new = any(said in running.lines[-1] for said in ("web[1-3] has v1", "3 of 3 hosts switched to v1"))
        assert is_new == (found == {"releases/v1"}), str(running)
        wait_until(lambda: not agents(lab), 5, "agents still run")
        if code == 130:
            return
        assert (code, is_new) == (0, True), str(running)
    raise AssertionError("each of five came too late")


@long
def test_row_68_no_word_of_the_user_is_in_a_command_line_of_a_host(lab, fab, app, source):
    """A `python3` that writes down what it was called with stands before the real one."""
    log = lab.host_root("web1") / "root/called"
    shim = lab.host_root("web1") / "bin/python3"
    real = os.readlink(shim)
    shim.unlink()
    shim.write_text(f'#!/bin/sh\necho "$@" >>/root/called\nexec {real} "$@"\n')
    shim.chmod(0o755)
    try:
        for word in ODD:
            files = fab.directory / f"files{word}".replace("/", "")
            files.symlink_to(source)
            fab(
                "web1",
                "--files-path",
                f"./{files.name}",
                "--destination-path",
                f"{app}/{word}",
                "--tag",
                "v1",
            )
            assert arrived(lab, "web1", f"{app}/{word}", source) == []
        lines = set(log.read_text().splitlines())
        assert len(lines) == 1
        assert re.fullmatch(r"-I -X utf8 -c import io,json;exec\S+", lines.pop())
        assert not (lab.host_root("web1") / "root/canary").exists()
        assert not (fab.directory / "canary").exists()
    finally:
        shim.unlink()
        shim.symlink_to(real)
        log.unlink(missing_ok=True)


@long
@pytest.mark.parametrize(
    "word", ["x" * 10_000, "/srv/a\nb", "/srv/\u202ea"], ids=["ten kilobytes", "two lines", "right to left"]
)
def test_row_68_what_is_too_long_or_cannot_be_shown_is_refused_before_any_host_is_called(
    lab, fab, source, word
):
    """As a tag or either path; nobody listens there, so that a host which was called would be named."""
    wanted = {"--files-path": str(source), "--destination-path": "/srv/none", "--tag": "v1"}
    for option in wanted:
        said = fab("root@127.0.0.1:1", *chain.from_iterable({**wanted, option: word}.items()), code=2)
        assert "\n" not in said
        assert "127.0.0.1" not in said
        assert len(said) < 600


@long
def test_row_70_hosts_that_a_firewall_hides_are_named_together_within_twelve_seconds(lab):
    hidden, there = ["web2", "web3", "web4"], ["web1", "web5"]
    gateways = Gateways(fabric.Config(runtime_ssh_path=str(lab.ssh_config)))
    wanted = {host: gateways.connection({"host": host}) for host in [*hidden, *there]}
    walls = [Firewall(lab, host) for host in hidden]
    try:
        for wall in walls:
            wall.drop("tcp flags syn")
        began = time.monotonic()
        opened = connect_all(wanted, "true", pool_size=len(wanted), open_connection=gateways.open)
        took = time.monotonic() - began
    finally:
        for wall in walls:
            wall.open()
        for each in wanted.values():
            each.close()
    silent = HostFailure("timeout", "port 22 did not answer within 10 s")
    assert {host: opened[host] for host in hidden} == dict.fromkeys(hidden, silent)
    assert not [host for host in there if isinstance(opened[host], HostFailure)]
    assert 10 <= took < 12  # one after the other they would take half a minute


@long
def test_row_74_a_whole_deploy_does_with_few_files_beside_its_connections(lab, fab, app, large):
    few = len(lab.names) + 24
    fab.prefix = ("prlimit", f"--nofile={few}:{few}")
    arguments = ("--files-path", str(large), "--destination-path", app, "--tag", "v1")
    said = fab("web[1-8]", *arguments, "--report", "out.html")
    assert "8 of 8 hosts switched to v1" in said
    assert [arrived(lab, host, app, large) for host in lab.names] == [[]] * len(lab.names)


@long
def test_row_71_a_host_that_falls_silent_in_the_middle_fails_alone(lab, fab, app, large, slow_seeder):
    """Nor is it waited for again by what is done on the hosts once the deploy has failed."""
    (fab.directory / "fabric.yaml").write_text("murder: {hooks: {failed: uname}}\n")
    arguments = ("--files-path", str(large), "--destination-path", app, "--tag", "v1")
    running = fab.start("web[1-3]", *arguments)
    running.wait_for("stage")
    began = time.monotonic()
    hung = list(agents(lab, "web3"))
    for pid in hung:
        os.kill(pid, signal.SIGSTOP)
    try:
        assert running.end() == 3, str(running)
        took = time.monotonic() - began
    finally:
        for pid in hung:
            os.kill(pid, signal.SIGCONT)
    assert re.search(r"web3: it said nothing for \d+ s|web3: no answer within \d+ s", str(running)), str(
        running
    )
    assert "v1 lies ready on web[1-2]" in str(running)
    assert took < 100, str(running)  # one silence, and what the others need meanwhile; two are 120 s
    wait_until(lambda: not agents(lab), 90, "agents still run")


@long
def test_row_12_ctrl_c_waits_for_no_host_that_vanished_while_it_was_sent_the_payload(lab, fab, app, tmp_path):
    tree.generate(tmp_path / "build", 250_000_000, 40)
    wall = Firewall(lab, "web1")
    arguments = ("--files-path", str(tmp_path / "build"), "--destination-path", app, "--tag", "v1")
    try:
        running = fab.start("web[1-3]", *arguments)
        running.wait_for("stage")
        pause(0.5)
        wall.drop("ip saddr 0.0.0.0/0")
        began = time.monotonic()
        running.interrupt()
        assert running.end() == 130, str(running)
        assert time.monotonic() - began < 15, str(running)
    finally:
        wall.open()
    assert "web1 did not answer, and what was started there ends by itself" in str(running)
    wait_until(lambda: not agents(lab), 90, "agents still run")


@long
def test_row_89_an_agent_that_was_stopped_for_most_of_a_minute_goes_on(lab, fab, app, large):
    """
    What the operator said meanwhile has come, and is read; that nothing was heard is nobody's fault.

    It is stopped some seconds after it was asked for anything, and before the first heartbeat: so nothing was
    heard for more than a minute, the longest there is before an agent takes its operator for gone.
    """
    slow_down(lab, "web1", "2mbit")
    try:
        running = fab.start("web[1-3]", "--files-path", str(large), "--destination-path", app, "--tag", "v1")
        running.wait_for("upload")
        pause(5)
        frozen = list(agents(lab, "web3"))
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)
        pause(57)
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
    finally:
        slow_down(lab, "web1", None)
    assert running.end() == 0, str(running)
    assert arrived(lab, "web3", app, large) == []


@long
def test_row_71_a_login_that_hangs_is_waited_for_once(lab, fab, app, source):
    bashrc = lab.host_root("web2") / "root/.bashrc"
    bashrc.write_text("sleep 600\n")
    try:
        arguments = ("--files-path", str(source), "--destination-path", app, "--tag", "v1")
        running = fab.start("web[1-3]", *arguments, "--allow-failures", "1")
        running.wait_for("connect")
        began = time.monotonic()
        assert running.end() == 3, str(running)
        took = time.monotonic() - began
    finally:
        bashrc.write_text("")
    assert "web2: it let us in, but its agent did not start within 120 s" in str(running)
    assert "no answer within" not in str(running)
    assert [arrived(lab, host, app, source) for host in ("web1", "web3")] == [[], []]
    assert took < 20, str(running)  # who asks it once more waits for thirty seconds


@long
@pytest.mark.parametrize(
    "login", ["export LC_ALL=tr_TR.UTF-8 LANG=tr_TR.UTF-8", "umask 000", "unset HOME", "set -e"]
)
def test_row_76_whatever_a_login_sets_the_result_is_the_same(lab, fab, app, source, login):
    bashrc = lab.host_root("web2") / "root/.bashrc"
    bashrc.write_text(f"{login}\n")
    settings = fab.directory / "fabric.yaml"
    settings.write_text("murder: {remote_murder_path: /root/.murder}\n")
    try:
        fab("web[1-2]", "--files-path", str(source), "--destination-path", app, "--tag", "v1")
    finally:
        bashrc.write_text("")
    assert arrived(lab, "web2", app, source) == []
    for directory in ("", "releases", "current/"):
        modes = {(place(lab, host, app) / directory).stat().st_mode for host in ("web1", "web2")}
        assert {mode & 0o777 for mode in modes} == {0o755}


@long
def test_row_28_a_swarm_that_takes_the_whole_link_leaves_ssh_its_answers(lab, fab, app, tmp_path):
    """The seeder sends at a limit below its link's rate; whoever logs in there meanwhile is answered soon."""
    tree.generate(tmp_path / "build", 8_000_000, 40)
    (fab.directory / "fabric.yaml").write_text("murder: {upload_limit: 16Mbit}\n")
    for host in HOSTS:
        slow_down(lab, host, "20mbit")
    try:
        arguments = ("--files-path", str(tmp_path / "build"), "--destination-path", app, "--tag", "v1")
        running = fab.start("web[1-3]", *arguments)
        running.wait_for("upload")
        answered = []
        while running.process.poll() is None:
            began = time.monotonic()
            ssh = ["ssh", "-F", str(lab.ssh_config), "web1", "true"]
            subprocess.run(ssh, check=True, timeout=60, stdin=subprocess.DEVNULL)
            answered.append(time.monotonic() - began)
        assert running.end() == 0, str(running)
    finally:
        for host in HOSTS:
            slow_down(lab, host, None)
    assert len(answered) > 1
    assert max(answered) < 5
