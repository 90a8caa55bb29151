"""Host keys against a real sshd: known, unknown, changed, accepted as new, and not looked at."""

from __future__ import annotations

import stat

import fabric
import pytest
import sshd as sshds

from murder_fabric.deploy.connecting.connections import Gateways
from murder_fabric.deploy.failures import HostKeyError

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
