"""Hosts for the demonstration: SSH servers in one process, each with its own port and home; no root."""

from __future__ import annotations

import argparse
import getpass
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twisted.conch.avatar import ConchUser
from twisted.conch.checkers import InMemorySSHKeyDB, SSHPublicKeyChecker
from twisted.conch.interfaces import IConchUser
from twisted.conch.ssh.factory import SSHFactory
from twisted.conch.ssh.keys import Key
from twisted.conch.ssh.transport import SSHServerTransport
from twisted.conch.ssh.userauth import SSHUserAuthServer
from twisted.cred.portal import IRealm, Portal
from twisted.internet.protocol import Protocol
from twisted.internet.stdio import StandardIO
from zope.interface import implementer

from demo.session import Connection, Session

ADDRESS = "127.0.0.1"
KEY_TYPE = b"ssh-ed25519"
SSH_CONFIG = """\
Host *
  User {user}
  IdentityFile "{run}/key"
  IdentitiesOnly yes
  UserKnownHostsFile "{run}/known_hosts"
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
  LogLevel ERROR
"""


def new_key() -> Key:
    """Return a fresh ed25519 key."""
    return Key(Ed25519PrivateKey.generate())


@implementer(IRealm)
class Host:
    """One host: its key, its home, and what is running on it."""

    def __init__(self, name: str, run: Path, reactor: Any) -> None:
        self.name = name
        self.home = run / "hosts" / name
        self.home.mkdir(parents=True, exist_ok=True)
        self.key = new_key()
        self.sessions: set[Session] = set()
        self._bin = run / "bin"
        self._reactor = reactor

    def environment(self, client: Any, server: Any) -> dict[str, str]:
        """Return what a program on this host finds in its environment, as sshd would set it."""
        user = getpass.getuser()
        return {
            "HOME": str(self.home),
            "USER": user,
            "LOGNAME": user,
            "SHELL": "/bin/sh",
            "PATH": f"{self._bin}:/usr/local/bin:/usr/bin:/bin",
            "LANG": os.environ.get("LANG", "C.UTF-8"),
            "SSH_CLIENT": f"{client.host} {client.port} {server.port}",
            "SSH_CONNECTION": f"{client.host} {client.port} {server.host} {server.port}",
        }

    def requestAvatar(self, user: bytes, mind: object, *interfaces: Any) -> tuple[Any, ConchUser, Any]:
        return IConchUser, Account(self, self._reactor), lambda: None

    def factory(self, operator: Key) -> Any:
        """Return what listens for this host and lets nobody in but the owner of *operator*."""
        factory: Any = SSHFactory()
        realm: Any = self
        factory.protocol = SSHServerTransport
        factory.services = {b"ssh-userauth": SSHUserAuthServer, b"ssh-connection": Connection}
        factory.publicKeys, factory.privateKeys = {KEY_TYPE: self.key.public()}, {KEY_TYPE: self.key}
        known: Any = InMemorySSHKeyDB({getpass.getuser().encode(): [operator.public()]})
        checker: Any = SSHPublicKeyChecker(known)
        factory.portal = Portal(realm, [checker])
        return factory


class Account(ConchUser):
    """The operator, logged in at a host."""

    def __init__(self, host: Host, reactor: Any) -> None:
        super().__init__()
        self.channelLookup[b"session"] = Session
        self.host, self.reactor, self.sessions = host, reactor, host.sessions


class UntilInputEnds(Protocol):
    """Lives as long as whoever holds the other end of our stdin: no orphan if that is killed."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor

    def connectionLost(self, reason: object = None) -> None:
        if self._reactor.running:
            self._reactor.stop()


def write_client(run: Path, operator: Key, hosts: dict[Host, int]) -> None:
    """Write `key`, `ssh_config` and `known_hosts` for the ports the hosts listen at."""
    key = run / "key"
    key.touch(mode=0o600)
    key.write_bytes(operator.toString("OPENSSH", subtype="v1"))
    entries, known = [], []
    for host, port in hosts.items():
        entries.append(f"Host {host.name}\n  HostName {ADDRESS}\n  Port {port}\n")
        public = host.key.public().toString("OPENSSH").decode()
        known.append(f"[{host.name}]:{port},[{ADDRESS}]:{port} {public}\n")
    everyone = SSH_CONFIG.format(user=getpass.getuser(), run=run)
    (run / "known_hosts").write_text("".join(known))
    (run / "ssh_config").write_text("".join(entries) + everyone)


def serve(run: Path, count: int, python: str) -> None:
    """Put *count* hosts up below *run*, say so on stdout, and serve until stdin ends or a signal comes."""
    from twisted.internet import reactor as installed

    reactor: Any = installed
    (run / "bin").mkdir(parents=True, exist_ok=True)
    link = run / "bin" / "python3"
    link.unlink(missing_ok=True)
    link.symlink_to(python)
    operator = new_key()
    hosts: dict[Host, int] = {}
    for number in range(1, count + 1):
        host = Host(f"web{number}", run, reactor)
        port = reactor.listenTCP(0, host.factory(operator), backlog=128, interface=ADDRESS)
        hosts[host] = port.getHost().port
    write_client(run, operator, hosts)

    def hang_up() -> None:
        for host in hosts:
            for session in list(host.sessions):
                session.send_signal(signal.SIGHUP)

    reactor.addSystemEventTrigger("before", "shutdown", hang_up)
    StandardIO(UntilInputEnds(reactor), reactor=reactor)
    print(f"{count} hosts are up: ssh -F {run}/ssh_config web1", flush=True)
    reactor.run()


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(prog="python -m demo.hosts", description=__doc__)
    parser.add_argument("--hosts", type=int, default=8, help="how many (default: %(default)s)")
    parser.add_argument(
        "--run", type=Path, default=Path(__file__).parent / "run", help="where homes and keys go"
    )
    parser.add_argument("--python", default=sys.executable, help="what the hosts have as python3")
    arguments = parser.parse_args()
    if not 1 <= arguments.hosts <= 1000:
        parser.error(f"--hosts {arguments.hosts}: from 1 to 1000 hosts")
    if (found := shutil.which(arguments.python)) is None:
        parser.error(f"--python {arguments.python}: no such interpreter")
    serve(arguments.run.resolve(), arguments.hosts, os.path.realpath(found))


if __name__ == "__main__":
    main()
