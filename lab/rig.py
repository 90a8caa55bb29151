"""A lab: hosts web1..webN as network namespaces on a bridge, each with its own sshd, disk and home."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pwd
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from . import files, machine
from .machine import LabError

REPOSITORY = Path(__file__).resolve().parent.parent
MOST_HOSTS = 1000
RATE = re.compile(r"[1-9][0-9]*(\.[0-9]+)?[kmg]?bit")
NEEDED = ("ip", "tc", "nsenter", "unshare", "ssh-keygen", "/usr/sbin/sshd")


def missing() -> str | None:
    """Say what this machine lacks for a lab, or None."""
    if os.geteuid() != 0:
        return "a lab needs root (network namespaces)"
    absent = [name for name in NEEDED if not shutil.which(name)]
    return f"a lab needs {', '.join(absent)}" if absent else None


class Lab:
    """
    Hosts on this machine, for one directory.

    The bridge lives in a namespace of its own; one veth leads from the machine into it.  *rate* (as tc spells
    it, `100mbit`) shapes every host's link both ways.  *python* is what the hosts find as `python3`.  What a
    host has for itself, /srv, /var/tmp and root's home, is seen from outside below `host_root(name)`; of the
    operator's home hosts see this repository and what runs it, and *shown*, directories too.
    """

    def __init__(
        self,
        path: str | Path,
        hosts: int = 8,
        rate: str | None = None,
        python: str | None = None,
        shown: Sequence[Path] = (),
    ) -> None:
        if not 1 <= hosts <= MOST_HOSTS:
            raise LabError(f"a lab has 1 to {MOST_HOSTS} hosts, not {hosts}")
        if rate is not None and not RATE.fullmatch(rate):
            raise LabError(f"{rate!r} is no rate; write it as 100mbit or 1gbit")
        self.path = Path(path).resolve()
        self.names = [f"web{number}" for number in range(1, hosts + 1)]
        self.rate = rate
        self._shown = tuple(shown)
        found = shutil.which("python3", path=files.SYSTEM_PATH)
        if python is not None and (found := shutil.which(python)) is None:
            raise LabError(f"{python} is no interpreter; name one by its path, such as /usr/bin/python3")
        self.python = os.path.realpath(found or sys.executable)
        self.ssh_config = self.path / "ssh_config"
        self.home = Path(pwd.getpwuid(0).pw_dir)
        digest = hashlib.sha256(str(self.path).encode()).hexdigest()
        self._number = int(digest[:8], 16)
        self.prefix = f"{machine.FAMILY}{digest[:6]}-"
        self._uplink = f"mlab-{digest[:6]}"  # an interface name has 15 characters at most
        self._bridge = f"{self.prefix}bridge"
        self._keepers: dict[str, int] = {}
        self._sshds: dict[str, int] = {}
        self._addresses: dict[str, str] = {}
        self._children: list[subprocess.Popen[str]] = []

    @classmethod
    def standing(cls, path: str | Path) -> Lab:
        """Return the lab that an earlier process put up at *path*."""
        try:
            state = json.loads((Path(path) / "state.json").read_text())
        except OSError:
            raise LabError(f"no lab is up at {path}; run inv lab.up") from None
        lab = cls(path, hosts=len(state["addresses"]), rate=state["rate"], python=state["python"])
        lab._addresses, lab._keepers, lab._sshds = state["addresses"], state["keepers"], state["sshds"]
        return lab

    def __enter__(self) -> Lab:
        self.up()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()

    def host_root(self, name: str) -> Path:
        """Return where a host's own directories are seen from outside: `host_root("web1") / "srv"`."""
        return self.path / "hosts" / name

    def address(self, name: str) -> str:
        """Return a host's IPv4 address."""
        return self._addresses[name]

    def up(self) -> None:
        """Put the hosts up and wait until each answers ssh; `LabError` leaves nothing behind."""
        if why := missing():
            raise LabError(why)
        if machine.namespaces(self.prefix):
            raise LabError(f"a lab is up at {self.path}, or was left half built; run inv lab.down first")
        if self.path.exists() and any(self.path.iterdir()) and not (self.path / "hosts").is_dir():
            raise LabError(f"{self.path} is not empty and no lab's; name another directory")
        try:
            self._remove_files()
            machine.raise_neighbour_limits()
            self._write_files()
            self._connect()
            self._start_keepers()
            for name in self.names:
                self.start_sshd(name)
            for name in self.names:
                self.wait_for_ssh(name)
            self._note_state()
        except BaseException:
            self.down()
            raise

    def down(self) -> None:
        """Remove everything of this lab, also what a crash left half built."""
        if os.geteuid() != 0:
            raise LabError("a lab needs root (network namespaces)")
        names = machine.namespaces(self.prefix)
        for child in self._children:  # a zombie is in no namespace: collect it once it was ended
            if child.poll() is None:
                child.terminate()
        machine.end_processes_in(names)
        for child in self._children:
            child.wait()
        self._children.clear()
        if Path(f"/sys/class/net/{self._uplink}").exists():
            machine.run("ip", "link", "del", self._uplink)
        machine.run("ip", "-batch", "-", lines=[f"netns del {name}" for name in names])
        machine.restore_neighbour_limits()
        self._remove_files()

    def run_in(self, name: str, argv: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
        """Start *argv* inside a host; *options* are Popen's.  The pid is that of the program itself."""
        environment = {
            "HOME": str(self.home),
            "PATH": files.search_path(self.host_root(name)),
            "LANG": "C.UTF-8",
        }
        keeper = self._keepers[name]
        if not machine.same_namespace(keeper, self.prefix + name):
            raise LabError(
                f"host {name} of the lab at {self.path} is gone; run inv lab.down, then inv lab.up"
            )
        enter = ["nsenter", f"--target={keeper}", "--mount", "--uts", "--net", "--"]
        # A working directory is an open one: only a `cd` made inside finds the host's own home.
        enter += ["/bin/sh", "-c", 'cd && exec "$@"', "sh"]
        return subprocess.Popen([*enter, *argv], **{"env": environment, **options})

    def start_sshd(self, name: str) -> None:
        """Start a host's sshd; its log is `sshd.log` beside the host's directories."""
        host = self.host_root(name)
        argv = ["/usr/sbin/sshd", "-D", "-e", "-f", f"{host}/sshd_config"]
        with (host / "sshd.log").open("a") as log:  # opened here: on the host the way to it may be read-only
            sshd = self.run_in(
                name, argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self._children.append(sshd)
        self._sshds[name] = sshd.pid

    def stop_sshd(self, name: str) -> None:
        """End a host's sshd, but not its sessions: new connections are refused."""
        pid = self._sshds.pop(name)
        if machine.same_namespace(pid, self.prefix + name):
            os.kill(pid, 15)
        deadline = time.monotonic() + 5
        while _answers(self.address(name)):
            if time.monotonic() > deadline:
                raise LabError(f"sshd of {name} (process {pid}) does not end")
            time.sleep(0.01)

    def wait_for_ssh(self, name: str, patience: float = 30.0) -> None:
        """Return when a host answers ssh; `LabError` after *patience* seconds."""
        deadline = time.monotonic() + patience
        while not _answers(self.address(name)):
            if time.monotonic() > deadline:
                raise LabError(f"sshd of {name} does not answer; see {self.host_root(name)}/sshd.log")
            time.sleep(0.02)

    def _write_files(self) -> None:
        network = machine.free_network(self._number)
        addresses = [str(address) for address in network.hosts()]
        self._gateway = f"{addresses[0]}/{network.prefixlen}"
        self._network_bits = network.prefixlen
        self._addresses = dict(zip(self.names, addresses[10:]))  # web1 has .11, web2 .12
        (self.path / "hosts").mkdir(parents=True)
        operator_key = files.new_key(self.path / "key")
        host_keys = {
            name: files.write_host(self.host_root(name), self.address(name), self.python, operator_key)
            for name in self.names
        }
        files.write_client(self.path, self._addresses, host_keys)

    def _connect(self) -> None:
        """Make the namespaces, the bridge in its own, and a shaped link from each host to it."""
        spaces = [self._bridge, *(self.prefix + name for name in self.names)]
        machine.run("ip", "-batch", "-", lines=[f"netns add {space}" for space in spaces])
        ports = []
        for name in self.names:
            ports.append(f"link add {name} type veth peer name eth0 netns {self.prefix}{name}")
            ports.append(f"link set {name} master br0 up")
        machine.run("ip", "-n", self._bridge, "-batch", "-", lines=["link add br0 up type bridge", *ports])
        for name in self.names:
            address = f"address add {self.address(name)}/{self._network_bits} dev eth0"
            lines = ["link set lo up", address, "link set eth0 up"]
            machine.run("ip", "-n", self.prefix + name, "-batch", "-", lines=lines)
        if self.rate:
            shape = f"root tbf rate {self.rate} burst 64kb latency 400ms"
            for name in self.names:
                machine.run("tc", "-n", self.prefix + name, *f"qdisc add dev eth0 {shape}".split())
            lines = [f"qdisc add dev {name} {shape}" for name in self.names]
            machine.run("tc", "-n", self._bridge, "-batch", "-", lines=lines)
        peer = f"type veth peer name uplink netns {self._bridge}"
        machine.run("ip", "link", "add", self._uplink, *peer.split())
        machine.run("ip", "-n", self._bridge, "link", "set", "uplink", "master", "br0", "up")
        machine.run("ip", "address", "add", self._gateway, "dev", self._uplink)
        machine.run("ip", "link", "set", self._uplink, "up")

    def _start_keepers(self) -> None:
        Path("/run/sshd").mkdir(exist_ok=True)  # sshd's empty directory; Debian's service makes it at boot
        started = []
        for name in self.names:
            space = f"--net={machine.NAMESPACES / (self.prefix + name)}"
            argv = ["nsenter", space, "unshare", "--mount", "--uts", "--propagation=private"]
            argv += ["/bin/sh", "-c", files.KEEPER, "keeper", name, *self._mounts(name)]
            with (self.host_root(name) / "keeper.log").open("w") as log:
                keeper = subprocess.Popen(
                    argv,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                    start_new_session=True,
                )
            self._children.append(keeper)
            self._keepers[name] = keeper.pid
            started.append((name, keeper))
        for name, keeper in started:
            assert keeper.stdout is not None
            with keeper.stdout as words:
                if words.readline() != "ready\n":
                    why = (self.host_root(name) / "keeper.log").read_text().strip()
                    raise LabError(f"{name} could not mount its directories: {why}")

    def _mounts(self, name: str) -> list[str]:
        """
        Return the keeper's arguments: triples of source, target, rw or ro, then `--`, then source=target.

        What hosts need of the operator's home (an interpreter of pyenv, this repository) is bound into
        theirs, read-only, before theirs covers it.
        """
        host = self.host_root(name)
        arguments = [f"{self.path}/etc-hosts", "/etc/hosts", "rw", f"{host}/shadow", "/etc/shadow", "rw"]
        needed = {Path(sys.base_prefix), Path(sys.prefix), REPOSITORY, self.path, *self._shown}
        needed.add(Path(self.python).parent.parent)
        needed = {path for path in needed if self.home in path.parents}
        for path in sorted(needed):
            if needed.isdisjoint(path.parents):
                target = host / "root" / path.relative_to(self.home)
                target.mkdir(parents=True, exist_ok=True)
                arguments += [str(path), str(target), "ro"]
        seen = {own: str(self.home) if own == "root" else f"/{own}" for own in files.OWN}
        return [*arguments, "--", *(f"{host}/{own}={target}" for own, target in seen.items())]

    def _note_state(self) -> None:
        state = {
            "addresses": self._addresses,
            "rate": self.rate,
            "python": self.python,
            "keepers": self._keepers,
            "sshds": self._sshds,
        }
        (self.path / "state.json").write_text(json.dumps(state, indent=1) + "\n")

    def _remove_files(self) -> None:
        if mounted := machine.mounts_below(self.path):
            raise LabError(f"something is mounted at {mounted[0]}; unmount it, then run inv lab.down again")
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self.path / "hosts")
        for name in ("key", "key.pub", "known_hosts", "ssh_config", "etc-hosts", "state.json"):
            with contextlib.suppress(FileNotFoundError):
                (self.path / name).unlink()
        with contextlib.suppress(OSError):  # not there, or something of the user's is in it
            self.path.rmdir()


def _answers(address: str) -> bool:
    try:
        with socket.create_connection((address, 22), timeout=1) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False
