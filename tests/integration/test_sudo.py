"""`murder.sudo` on real hosts: logging in as one user, running as another."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from programs import FAB, REPOSITORY, make_tree

from lab import rig

FABFILE = """
from invoke import Collection
from murder_fabric import murder
ns = Collection(murder)
"""
#: Who logs in and who owns the destination; no such accounts exist outside the hosts.
LOGIN, OWNER = 64001, 64002
PYTHON = "/usr/bin/python3"
ALLOWED, ASKED = "web7", "web8"

pytestmark = [
    pytest.mark.skipif(shutil.which("sudo") is None, reason="needs sudo"),
    pytest.mark.skipif(not os.access(PYTHON, os.X_OK), reason=f"needs {PYTHON}, which any user may run"),
]


def inside(lab: rig.Lab, host: str, *command: str) -> None:
    """Run a command on a host, as root there."""
    assert lab.run_in(host, command).wait() == 0, command


def give_accounts(lab: rig.Lab, host: str, sudoers: str) -> list[str]:
    """Let a host have the accounts `murderlogin` and `murderowner`; return what is mounted for that."""
    own = lab.host_root(host)
    accounts = [f"murderlogin:x:{LOGIN}:{LOGIN}::/srv/homes/login:/bin/sh"]
    accounts += [f"murderowner:x:{OWNER}:{OWNER}::/srv/homes/owner:/bin/sh", ""]
    (own / "passwd").write_text(Path("/etc/passwd").read_text() + "\n".join(accounts))
    (own / "sudoers").write_text(sudoers)
    (own / "sudoers").chmod(0o440)
    shadow = own / "shadow"
    shadow.write_text(shadow.read_text() + "murderlogin:*:19000::::::\nmurderowner:*:19000::::::\n")
    for name, user in (("login", LOGIN), ("owner", OWNER)):
        home = own / "srv/homes" / name
        home.mkdir(parents=True)
        os.chown(home, user, user)
    keys = own / "srv/homes/login/.ssh"
    keys.mkdir()
    shutil.copy(own / "root/.ssh/authorized_keys", keys)
    for name in ("passwd", "sudoers"):
        inside(lab, host, "mount", "--bind", str(own / name), f"/etc/{name}")
    return ["/etc/passwd", "/etc/sudoers"]


@pytest.fixture
def hosts(lab: rig.Lab) -> Iterator[rig.Lab]:
    """web7 lets murderlogin be murderowner; web8 would ask for a password. Both are as before afterwards."""
    sudoers = {ALLOWED: "murderlogin ALL=(murderowner) NOPASSWD: ALL\n", ASKED: "root ALL=(ALL) ALL\n"}
    shadows = {host: (lab.host_root(host) / "shadow").read_text() for host in sudoers}
    mounted = []
    try:
        for host, text in sudoers.items():
            mounted += [(host, path) for path in give_accounts(lab, host, text)]
            place = lab.host_root(host) / "srv/sudo"
            place.mkdir()
            os.chown(place, OWNER, OWNER)
        yield lab
    finally:
        for host, path in mounted:
            inside(lab, host, "umount", path)
        for host, text in shadows.items():
            (lab.host_root(host) / "shadow").write_text(text)
            for name in ("sudo", "homes"):
                shutil.rmtree(lab.host_root(host) / "srv" / name)


@pytest.fixture
def fab(lab: rig.Lab, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    (tmp_path / "fabfile.py").write_text(FABFILE)
    (tmp_path / "fabric.yaml").write_text(f"murder: {{sudo: murderowner, python: {PYTHON}}}")

    def run(host: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [FAB, "-S", str(lab.ssh_config), "-H", host, *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


def test_what_arrives_is_of_the_user_that_sudo_names(
    hosts: rig.Lab, fab: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    build = make_tree(tmp_path / "build", 300_000)
    where = ("--files-path", str(build), "--destination-path", "/srv/sudo/app", "--tag", "v1")
    ended = fab(f"murderlogin@{ALLOWED}", "murder.deploy", *where)
    assert ended.returncode == 0, ended.stderr
    app = hosts.host_root(ALLOWED) / "srv/sudo/app"
    assert (app / "current/big").read_bytes() == (build / "big").read_bytes()
    owners = {(path.lstat().st_uid, path.lstat().st_gid) for path in [app, *app.rglob("*")]}
    assert owners == {(OWNER, OWNER)}
    assert (hosts.host_root(ALLOWED) / "srv/homes/owner/.murder").is_dir()
    assert not (hosts.host_root(ALLOWED) / "srv/homes/login/.murder").exists()


def test_a_host_that_asks_for_a_password_is_one_sentence(
    hosts: rig.Lab, fab: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    ended = fab(f"murderlogin@{ASKED}", "murder.distribute-files")
    assert ended.returncode == 4, ended.stderr
    assert f"murderlogin@{ASKED}: sudo asks for a password to become murderowner" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert os.listdir(hosts.host_root(ASKED) / "srv/sudo") == []
