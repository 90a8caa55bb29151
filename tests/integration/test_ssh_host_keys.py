"""Host keys against a real sshd: known, unknown, changed, accepted as new, and not looked at."""

from __future__ import annotations

import os
import stat
import subprocess

import fabric
import pytest
import sshd as sshds
from programs import FAB, REPOSITORY

from murder_fabric.deploy.connecting.connections import Gateways
from murder_fabric.deploy.failures import HostKeyError

FABFILE = """
from fabric import task
from invoke import Collection
from murder_fabric import murder

@task
def hi(c):
    c.run("echo let in")

ns = Collection(hi, murder)
"""

pytestmark = pytest.mark.skipif(bool(sshds.missing()), reason=str(sshds.missing()))


@pytest.fixture
def sshd(tmp_path):
    made = sshds.prepare(tmp_path)
    with made.running():
        yield made


def open_one(sshd, strictness=None, default="strict"):
    text = sshd.ssh_config.read_text()
    if strictness is not None:
        text += f"    StrictHostKeyChecking {strictness}\n"
    (sshd.directory / "now").write_text(text)
    config = fabric.Config(
        runtime_ssh_path=str(sshd.directory / "now"), overrides={"murder": {"host_keys": default}}
    )
    made = Gateways(config).connection({"host": "127.0.0.1"})
    try:
        made.open()
    finally:
        made.close()


def test_a_known_key_opens_the_connection_even_beside_lines_paramiko_cannot_read(sshd):
    known = sshd.directory / "known_hosts"
    known.write_text("@cert-authority * ssh-ed25519 AAAA\nnonsense\n" + known.read_text())
    open_one(sshd)


def test_an_unknown_key_is_refused_and_nothing_is_written(sshd):
    (sshd.directory / "known_hosts").write_text("")
    with pytest.raises(HostKeyError, match=r"is not in .*known_hosts: check it and add it"):
        open_one(sshd)
    assert (sshd.directory / "known_hosts").read_text() == ""


def test_a_changed_key_is_refused_where_new_ones_are_accepted_too(sshd):
    known = sshd.directory / "known_hosts"
    known.write_text(known.read_text().replace("AAAAC3Nza", "AAAAC3Nzb"))
    for strictness in ("yes", "accept-new"):
        with pytest.raises(HostKeyError, match=r"is not the one in .*known_hosts:1.*ssh-keygen -R"):
            open_one(sshd, strictness)


@pytest.mark.parametrize("before", ["", "web1 ssh-ed25519 AAAA", "web1 ssh-ed25519 AAAA\n"])
def test_a_new_key_is_written_down_once_where_that_is_wanted(sshd, before):
    known = sshd.directory / "known_hosts"
    known.write_text(before)
    open_one(sshd, default="accept-new")
    open_one(sshd, strictness="yes")
    written = f"[127.0.0.1]:{sshd.port} {sshd.public_host_key()}"
    assert known.read_text().splitlines() == [*before.splitlines(), written]


def test_a_known_hosts_file_of_ours_is_nobody_elses_to_read(sshd):
    known = sshd.directory / "known_hosts"
    known.unlink()
    open_one(sshd, strictness="accept-new")
    assert stat.S_IMODE(known.stat().st_mode) == 0o600


def test_ssh_config_may_say_that_keys_do_not_matter(sshd):
    (sshd.directory / "known_hosts").write_text("")
    open_one(sshd, strictness="no")
    assert (sshd.directory / "known_hosts").read_text() == ""


def run_own_task(sshd, settings="", **environment):
    """Let `fab` run a task that has nothing to do with us, in a fabfile that imports us."""
    (sshd.directory / "fabfile.py").write_text(FABFILE)
    (sshd.directory / "fabric.yaml").write_text(settings)
    done = subprocess.run(
        [FAB, "-S", str(sshd.ssh_config), "-H", "127.0.0.1", "hi"],
        cwd=sshd.directory,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_a_task_that_is_not_ours_refuses_an_unknown_key_too(sshd):
    known = sshd.directory / "known_hosts"
    assert run_own_task(sshd)[:2] == (0, "let in\n")
    known.write_text("")
    code, out, said = run_own_task(sshd)
    assert (code, out) == (3, "")
    assert said.startswith(f"murder: [127.0.0.1]:{sshd.port}: the host key is not in {known}: check it")


def test_who_wants_no_check_gets_none_in_tasks_that_are_not_ours_either(sshd):
    (sshd.directory / "known_hosts").write_text("")
    assert run_own_task(sshd, "murder: {host_keys: off}") == (0, "let in\n", "")
    assert run_own_task(sshd, FABRIC_MURDER_HOST_KEYS="off")[:2] == (0, "let in\n")
    assert run_own_task(sshd, "tasks: {executor_class: fabric.executor.Executor}")[:2] == (0, "let in\n")
    assert (sshd.directory / "known_hosts").read_text() == ""


def test_a_key_that_is_accepted_unchecked_is_told_in_tasks_that_are_not_ours_too(sshd):
    known = sshd.directory / "known_hosts"
    right = known.read_text()
    known.write_text(right.replace("AAAAC3Nza", "AAAAC3Nzb"))
    code, out, said = run_own_task(sshd, "murder: {host_keys: off}")
    assert (code, out) == (0, "let in\n")
    assert said.startswith(f"murder: 127.0.0.1: the host key is not the one in {known}:1: this may be anoth")
    known.write_text("")
    code, out, said = run_own_task(sshd, "murder: {host_keys: accept-new}")
    assert (code, out) == (0, "let in\n")
    assert said.startswith(f"murder: 127.0.0.1: the host key was unknown; it was accepted, and is in {known}")
    assert run_own_task(sshd) == (0, "let in\n", "")
