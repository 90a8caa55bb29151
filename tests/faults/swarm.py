"""A swarm of real agents on the hosts of the lab, and what can be done to them while it is under way."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from deploying import slow_down
from programs import AGENT, REPOSITORY, Program, Programs, contents, create, make_tree, wait_until

from lab import machine, rig
from murder_fabric.metainfo.parsing import parse_metainfo

TRACKER, SEEDER = "web1", "web2"
PEERS = ("web3", "web4", "web5")
#: Bytes of the payload, and what the seeder may send a second: one copy takes it four seconds.
SIZE, RATE = 2_000_000, "4mbit"
#: Bytes of one that takes long enough to see what a fault costs, 25 seconds.
LARGER = 12_000_000
#: Seconds that everything may take once nothing is in the way any more.
PATIENCE = 60.0
DETOUR, ODD_PEER = (str(Path(__file__).with_name(name)) for name in ("detour.py", "odd_peer.py"))
#: An agent on a copy of a machine, woken from the same memory: it draws what all copies draw.
SAME_MEMORY = "import os, runpy; os.urandom = bytes; os.getpid = lambda: 1234"
#: One that says on stderr why it hangs up on whom, as it notes for nobody else.
WHY = "import runpy, sys; from twisted.logger import formatEvent, globalLogPublisher as log"
SAYING_WHY = f"{WHY}; log.addObserver(lambda event: print(formatEvent(event), file=sys.stderr, flush=True))"
CLONE, CANDID = (
    (sys.executable, "-c", f"{code}; runpy.run_module('murder_fabric', None, '__main__')")
    for code in (SAME_MEMORY, SAYING_WHY)
)


class Swarm:
    """A tracker on web1, a slow seeder on web2, peers on the hosts after it."""

    def __init__(
        self, lab: rig.Lab, programs: Programs, place: Path, size: int = SIZE, rate: str | None = RATE
    ) -> None:
        self.lab = lab
        self.peers: dict[str, Program] = {}
        self._programs = programs
        self._place = place
        place.mkdir(exist_ok=True)
        self._tree = make_tree(place / "source" / "app", size)
        self._torrent = place / "app.torrent"
        create(self._tree, self._torrent, *(("--piece-length", "16384") if size <= LARGER else ()))
        #: The URL of the tracker that was started last.
        self.announce = ""
        self.info = parse_metainfo(self._torrent.read_bytes()).info
        slow_down(lab, SEEDER, rate)

    def start_tracker(self, port: int = 0, prefix: Sequence[str] = ()) -> Program:
        """Start the tracker, at *port* if it is one; *prefix* is what its command is run under."""
        where = ("--listen", f"{self.lab.address(TRACKER)}:{port}")
        tracker = self.agent(TRACKER, "tracker", *where, prefix=prefix)
        self.announce = f"http://{self.lab.address(TRACKER)}:{tracker.event('started')['port']}/announce"
        self.tracker = tracker
        return tracker

    @property
    def tracker_port(self) -> int:
        """The port of the tracker that was started last."""
        return int(self.announce.rpartition(":")[2].partition("/")[0])

    def start_seeder(self, program: Sequence[str] = AGENT) -> Program:
        """Start the seeder, wherever it finds a port."""
        arguments = (self._torrent, self._tree, *self._where(SEEDER))
        seeder = self.agent(SEEDER, "seed", *arguments, program=program)
        seeder.event("started")
        self.seeder = seeder
        return seeder

    def start_peer(self, host: str, *prefix: str, program: Sequence[str] = AGENT) -> Program:
        """Start the peer of a host, or start it again; *prefix* is what its command is run under."""
        arguments = (self._torrent, self.home(host), *self._where(host), "--seed-for", "60")
        self.peers[host] = self.agent(host, "peer", *arguments, prefix=prefix, program=program)
        return self.peers[host]

    def start_odd_peer(self, host: str, kind: str, other: str = "") -> Program:
        """Start a peer as no client is (`odd_peer.py`); it says its port once it is there."""
        what = (kind, self.info.info_hash.hex(), self.info.geometry.piece_count, self.lab.address(host))
        inside = ("ip", "netns", "exec", self.lab.prefix + host, sys.executable, ODD_PEER)
        odd = self._programs.start(*inside, *map(str, what), other or self.announce)
        wait_until(lambda: "\n" in odd.out, f"the peer that is {kind} is there: {odd.told()}")
        return odd

    def agent(
        self, host: str, *arguments: Any, prefix: Sequence[str] = (), program: Sequence[str] = AGENT
    ) -> Program:
        """Start an agent in the network of a host."""
        inside = (*prefix, "ip", "netns", "exec", self.lab.prefix + host)
        return self._programs.start(*inside, *program, *arguments, "--json", cwd=REPOSITORY)

    def home(self, host: str) -> Path:
        """Return where the payload of a host goes."""
        return self._place / host

    def wait_for_bytes(self, host: str, least: int) -> None:
        """Return when a peer has told of so many bytes."""
        self.peers[host].event("progress", lambda said: said["bytes"] >= least, timeout=PATIENCE)

    def bytes_of(self, host: str) -> int:
        """Return of how many bytes a peer has told."""
        told = [event["bytes"] for event in self.peers[host].events if event["event"] == "progress"]
        return int(told[-1]) if told else 0

    def must_complete(self, *hosts: str, patience: float = PATIENCE) -> None:
        """Wait until those hosts (all, if none is named) have every byte."""
        for host in hosts or self.peers:
            self.peers[host].event("completed", timeout=patience)
            assert contents(self.home(host) / "app") == contents(self._tree), host

    def _where(self, host: str) -> tuple[str, ...]:
        return ("--listen", f"{self.lab.address(host)}:0", "--announce", self.announce)


class Firewall:
    """What a host's kernel does with packets that come in, without telling anybody."""

    def __init__(self, lab: rig.Lab, host: str) -> None:
        self._command = ("ip", "netns", "exec", lab.prefix + host, "nft", "-f", "-")

    def drop(self, *what: str) -> None:
        """Drop what matches one of these, as nft spells it: `ip saddr 10.0.0.7`."""
        rules = "\n".join(f"add rule inet faults input {each} drop" for each in what)
        chain = "add chain inet faults input { type filter hook input priority 0; }"
        machine.run(*self._command, lines=["add table inet faults", chain, *rules.split("\n")])

    def open(self) -> None:
        """Let everything in again."""
        machine.run(*self._command, lines=["add table inet faults", "delete table inet faults"])


def cut(lab: rig.Lab, host: str, others: Sequence[str]) -> list[Firewall]:
    """Let nothing through between a host and *others*, both ways; return what opens it again."""
    ends = [(host, others), *((other, [host]) for other in others)]
    walls = []
    for end, away in ends:
        wall = Firewall(lab, end)
        wall.drop(*(f"ip saddr {lab.address(other)}" for other in away))
        walls.append(wall)
    return walls


def reset(lab: rig.Lab, host: str, other: str | None = None) -> int:
    """
    End every connection of a host at once, or every one to *other*, with an error at both ends.

    Return how many those were: `ss` says each, and 0 where the kernel does not let it end any.
    """
    to = "" if other is None else f"dst {lab.address(other)}"
    inside = ["ip", "netns", "exec", lab.prefix + host]
    ended = subprocess.run(
        [*inside, *f"ss -HtnK state established {to}".split()], capture_output=True, timeout=30
    )
    return len(ended.stdout.splitlines())


def connected(lab: rig.Lab, host: str, other: str, port: int | None = None) -> bool:
    """Tell whether the kernel of a host has a connection to another one, or to a *port* of it."""
    match = ["dst", lab.address(other), *(() if port is None else ("and", "dport", "=", f":{port}"))]
    inside = ("ip", "netns", "exec", lab.prefix + host)
    return bool(machine.run(*inside, "ss", "-Htn", "state", "established", *match))


def pause(seconds: float) -> None:
    """Let a fault last; what comes of it is waited for elsewhere."""
    time.sleep(seconds)


def slow_intake(lab: rig.Lab, host: str, rate: str | None) -> None:
    """Let no more than *rate* reach a host (None: as before)."""
    device = ("tc", "-n", f"{lab.prefix}bridge", "qdisc")
    if rate is None:
        machine.run(*device, "del", "dev", host, "root")
    else:
        machine.run(*device, *f"add dev {host} root tbf rate {rate} burst 32kb latency 1s".split())


@contextlib.contextmanager
def detour(lab: rig.Lab, host: str, delay: float, jitter: float = 0.0, twice: float = 0.0) -> Iterator[None]:
    """Let all that a host sends and gets come later, in another order, and some of it twice (`detour.py`)."""
    bridge = f"{lab.prefix}bridge"
    links = ("ip", "-n", bridge, "link")
    machine.run(*links, "add", "detour-in", "type", "veth", "peer", "name", "detour-out")
    machine.run(*links, "set", host, "nomaster")
    machine.run(*links, "set", "detour-in", "master", "br0", "up")
    machine.run(*links, "set", "detour-out", "up")
    way = [host, "detour-out", *map(str, (delay, jitter, twice))]
    carrying = subprocess.Popen(
        ["ip", "netns", "exec", bridge, sys.executable, DETOUR, *way], stdout=subprocess.PIPE, text=True
    )
    try:
        assert carrying.stdout is not None
        assert carrying.stdout.readline() == "ready\n"
        yield
        assert carrying.poll() is None
    finally:
        carrying.kill()
        carrying.communicate()
        machine.run(*links, "del", "detour-in")
        machine.run(*links, "set", host, "master", "br0")


@contextlib.contextmanager
def group(kind: str, **limits: str) -> Iterator[Group]:
    """Make a control group (version 1) of a kind, with its limits; skips where there are none."""
    root = Path("/sys/fs/cgroup") / kind
    if not (root / "cgroup.procs").exists() or not os.access(root, os.W_OK):
        pytest.skip(f"no control groups of version 1 for {kind} here")
    place = root / f"murder-faults-{os.getpid()}"
    place.mkdir()
    try:
        made = Group(place)
        for name, value in limits.items():
            made.set(name.replace("__", "."), value)
        yield made
    finally:
        wait_until(lambda: _removed(place), f"{place} is empty")


class Group:
    """A control group: what runs under `prefix` is in it from its beginning."""

    def __init__(self, place: Path) -> None:
        self._place = place
        place.mkdir(exist_ok=True)
        join = f'echo $$ >"{place}/cgroup.procs" && exec "$@"'
        self.prefix = ("/bin/sh", "-c", join, "sh")

    def set(self, name: str, value: str) -> None:
        """Write one of its settings."""
        (self._place / name).write_text(value)


def _removed(place: Path) -> bool:
    """Remove a group once nobody is in it; what is left there is killed."""
    for pid in (place / "cgroup.procs").read_text().split():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    try:
        place.rmdir()
    except OSError:
        return False
    return True
