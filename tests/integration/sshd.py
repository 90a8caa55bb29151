"""A real sshd of our own on loopback: its own host key, settings and log, gone when the test ends."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from typing import Optional

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
HOSTS = [f"127.0.0.{n}" for n in range(1, 9)]


def missing() -> Optional[str]:
    """Why no sshd can be started here, if so."""
    if SSHD is None:
        return "no sshd: install openssh-server"
    if os.geteuid() != 0:
        return "sshd of another user than root cannot log anybody in"
    return None


class Sshd:
    """Where it listens, and with what one gets in."""

    def __init__(self, directory: pathlib.Path) -> None:
        self.directory = directory
        self.key = directory / "id"
        self.host_key = directory / "host_key"
        self.ssh_config = directory / "ssh_config"
        self.port = free_port()

    def public_host_key(self) -> str:
        """The type and the key, as known_hosts has them."""
        return " ".join((self.directory / "host_key.pub").read_text().split()[:2])

    def new_host_key(self) -> None:
        """Make a host key, another one each time; sshd reads it at each start."""
        self.host_key.unlink(missing_ok=True)
        (self.directory / "host_key.pub").unlink(missing_ok=True)
        generate_key(self.host_key)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Serve as long as the context lasts."""
        log = (self.directory / "sshd.log").open("ab")
        process = subprocess.Popen(
            [str(SSHD), "-D", "-e", "-f", str(self.directory / "sshd_config")], stderr=log, stdout=log
        )
        try:
            wait_for(self.port)
            yield
        finally:
            process.terminate()
            process.wait(10)
            log.close()


def prepare(
    directory: pathlib.Path, names: Sequence[str] = HOSTS, listen: Sequence[str] = HOSTS, settings: str = ""
) -> Sshd:
    """
    Write keys and settings for one sshd into *directory*, which is the home of who logs in.

    Not this machine's: bash reads ~/.bashrc for every command over ssh, and one that is killed while it
    does may leave a lock there (pyenv's, for one) that all later commands wait for.

    Args:
        names: what its hosts are known by.
        listen: the addresses it is at.
        settings: further lines of its settings, which go before ours.
    """
    pathlib.Path("/run/sshd").mkdir(exist_ok=True)
    sshd = Sshd(directory)
    generate_key(sshd.key)
    sshd.new_host_key()
    shutil.copy(directory / "id.pub", directory / "authorized_keys")
    addresses = "\n".join(f"ListenAddress {address}" for address in listen)
    (directory / "sshd_config").write_text(f"""
{settings}
Port {sshd.port}
{addresses}
HostKey {sshd.host_key}
AuthorizedKeysFile {directory}/authorized_keys
PidFile none
StrictModes no
UsePAM no
SetEnv HOME={directory}
PasswordAuthentication no
PermitRootLogin yes
MaxStartups 200:30:400
MaxAuthTries 3
""")
    (directory / "known_hosts").write_text(
        "".join(f"[{host}]:{sshd.port} {sshd.public_host_key()}\n" for host in names)
    )
    sshd.ssh_config.write_text(f"""
Host 127.*
    Port {sshd.port}
    User root
    IdentityFile {sshd.key}
    IdentitiesOnly yes
    UserKnownHostsFile {directory}/known_hosts
""")
    return sshd


def generate_key(path: pathlib.Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int) -> None:
    """Return once somebody listens on *port* of loopback."""
    for _ in range(100):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise TimeoutError(f"nobody listens on port {port}")
