"""The files of a lab: keys, what sshd and ssh read, and the directories that are the hosts' own."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

#: The directories of a host that are its own, below lab/run/hosts/<name>.
OWN = ("srv", "var/tmp", "root")
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

SSHD_CONFIG = """\
ListenAddress {address}:22
HostKey "{host}/host_key"
PidFile none
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
PrintMotd no
AuthorizedKeysFile .ssh/authorized_keys
MaxStartups 2000:30:4000
MaxSessions 200
Subsystem sftp internal-sftp
SetEnv PATH="{path}"
"""

#: curve25519 because ssh's first choice, sntrup761, costs 75 ms of CPU a connection: a lot for 48 hosts here.
SSH_CONFIG = """\
Host {names}
  User root
  Port 22
  IdentityFile "{run}/key"
  IdentitiesOnly yes
  UserKnownHostsFile "{run}/known_hosts"
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
  KexAlgorithms curve25519-sha256
  LogLevel ERROR
"""

#: Runs in a host's own mount and UTS namespace and then stays, so that both live as long as the host does.
KEEPER = """\
set -e
hostname "$1"
shift 1
while [ "$1" != -- ]; do
  mount --bind "$1" "$2"
  [ "$3" = rw ] || mount -o remount,bind,ro "$2"
  shift 3
done
shift
for pair in "$@"; do mount --rbind "${pair%%=*}" "${pair#*=}"; done
echo ready
exec sleep infinity >/dev/null
"""


def new_key(path: Path) -> str:
    """Make an ed25519 key pair at *path* and return the public half without its comment."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)], check=True)
    return " ".join(path.with_suffix(".pub").read_text().split()[:2])


def search_path(host: Path) -> str:
    """Return PATH as a host's processes see it: its `python3` is the one the lab was told to offer."""
    return f"{host}/bin:{SYSTEM_PATH}"


def write_host(host: Path, address: str, python: str, operator_key: str) -> str:
    """Write a host's directories and sshd's configuration; return the public half of its host key."""
    for own in OWN:
        (host / own).mkdir(parents=True)
    (host / "var/tmp").chmod(0o1777)
    home = host / "root"
    home.chmod(0o700)
    (home / ".ssh").mkdir(mode=0o700)
    (home / ".ssh/authorized_keys").write_text(operator_key + "\n")
    (home / ".bashrc").touch()  # empty: bash reads it for every command over ssh
    (host / "bin").mkdir()
    (host / "bin/python3").symlink_to(python)
    # sshd without PAM refuses an account whose password is locked with "!", as root's is on many machines.
    (host / "shadow").touch(mode=0o600)
    (host / "shadow").write_text("root:*:19000:0:99999:7:::\nsshd:*:19000:0:99999:7:::\n")
    (host / "sshd_config").write_text(SSHD_CONFIG.format(address=address, host=host, path=search_path(host)))
    return new_key(host / "host_key")


def write_client(run: Path, addresses: Mapping[str, str], host_keys: Mapping[str, str]) -> None:
    """Write `ssh_config`, `known_hosts` and the hosts' own /etc/hosts for the hosts in *addresses*."""
    known = [f"{name},{addresses[name]} {key}\n" for name, key in host_keys.items()]
    (run / "known_hosts").write_text("".join(known))
    entries = [f"Host {name}\n  HostName {address}\n" for name, address in addresses.items()]
    (run / "ssh_config").write_text("".join(entries) + SSH_CONFIG.format(names=" ".join(addresses), run=run))
    lines = ["127.0.0.1 localhost\n", "::1 localhost ip6-localhost\n"]
    lines += [f"{address} {name}\n" for name, address in addresses.items()]
    (run / "etc-hosts").write_text("".join(lines))
