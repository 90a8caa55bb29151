"""Deploys back to back, each with a fault that chance draws: nothing is lost, and nothing stays."""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path

import pytest
from deploying import RECORDS, agents, arrived, current, on_host, place, slow_down, wait_until
from extent import long
from swarm import Firewall, cut, pause, reset

from demo import tree
from lab import rig

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(rig.missing() is not None, reason=str(rig.missing())),
]
HOSTS = ("web1", "web2", "web3", "web4")
#: Seconds after which no agent is there that nobody has spoken to: the lease, and time to end.
LEASE = 60 + 30
DEPLOYS = int(os.environ.get("MURDER_SOAK", "5"))
SEED = int(os.environ.get("MURDER_SOAK_SEED", "1"))


# Each fault says whether it found somebody: a deploy may be over, or not have begun on the host it draws.


def nothing(lab, running, rng):
    """A deploy without any fault."""
    return True


def kill_an_agent(lab, running, rng):
    """The agent of some host, the seeder's too, is gone at once."""
    killed = list(agents(lab, rng.choice(HOSTS)))
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    return bool(killed)


def hang_an_agent(lab, running, rng):
    """The agent of some host does nothing for a while."""
    hung = list(agents(lab, rng.choice(HOSTS)))
    for pid in hung:
        os.kill(pid, signal.SIGSTOP)
    pause(rng.uniform(1, 6))
    for pid in hung:
        os.kill(pid, signal.SIGCONT)
    return bool(hung)


def interrupt(lab, running, rng):
    """The operator presses Ctrl-C."""
    return signalled(running, signal.SIGINT)


def kill_fab(lab, running, rng):
    """The operator's machine is gone, as far as anybody can see."""
    return signalled(running, signal.SIGKILL)


def cut_a_host_off(lab, running, rng):
    """Some host reaches none of the others, and they not it."""
    away = rng.choice(HOSTS)
    found = is_connected(lab, away)
    walls = cut(lab, away, [host for host in HOSTS if host != away])
    pause(rng.uniform(1, 12))
    for wall in walls:
        wall.open()
    return found


def reset_connections(lab, running, rng):
    """Some host's connections end, that to the operator too."""
    host = rng.choice(HOSTS)
    found = is_connected(lab, host)
    reset(lab, host)
    return found


def change_what_is_staged(lab, running, rng):
    """A byte of what some host has so far is another one."""
    staging = Path(place(lab, rng.choice(HOSTS), running.app)) / ".murder/staging"
    found = sorted(staging.rglob("*.bin"))
    for path in found:
        with open(path, "r+b") as file:
            byte = file.read(1) or b"\0"
            file.seek(0)
            file.write(bytes([byte[0] ^ 1]))
    return bool(found)


FAULTS = [
    nothing,
    kill_an_agent,
    hang_an_agent,
    interrupt,
    kill_fab,
    cut_a_host_off,
    reset_connections,
    change_what_is_staged,
]


def signalled(running, number):
    """Send a signal to a `fab` that is under way; False where it is not any more."""
    if running.process.poll() is not None:
        return False
    os.killpg(running.process.pid, number)
    return True


def is_connected(lab, host):
    """Tell whether a host has a connection, that to the operator included."""
    return bool(on_host(lab, host, "ss -Htn state established"))


def leftovers(lab, host, app):
    """Return what lies or listens on a host though nothing is under way."""
    root = place(lab, host, app)
    found = [f".murder/{name}" for name in os.listdir(root / ".murder") if name not in RECORDS]
    found += [
        f"{name}/{entry}" for name in (".murder/runs", ".murder/staging") for entry in os.listdir(root / name)
    ]
    found += [name for name in os.listdir(root) if name.startswith(".current")]
    found += [str(path) for path in (lab.host_root(host) / "root/.murder/state/seeds").glob("*")]
    ports = on_host(lab, host, "ss -Hltn").splitlines()
    return found + [line for line in ports if not line.split()[3].endswith(":22")]


@long
def test_deploys_back_to_back_with_a_fault_each_lose_nothing_and_leave_nothing(lab, fab, tmp_path):
    rng = random.Random(SEED)
    app = f"/srv/soak-{SEED}"
    files = tmp_path / "build"
    tree.generate(files, 3_000_000, 60)
    slow_down(lab, "web1", "8mbit")
    number = struck = 0
    try:
        while struck < DEPLOYS:
            number += 1
            assert number <= 2 * DEPLOYS, "most faults find nobody"
            fault = rng.choice(FAULTS)
            said = f"deploy {number} of seed {SEED}: {fault.__name__}"
            for path in [files / "big.bin", *rng.sample(sorted(files.glob("part-*/*/*.dat")), 5)]:
                path.write_bytes(rng.randbytes(300_000))
            arguments = ("--files-path", str(files), "--destination-path", app, "--tag", f"v{number}")
            before = current(lab, "web4", app)
            running = fab.start("web[1-4]", *arguments)
            running.app = app
            running.wait_for(rng.choice(["connect", "prepare", "stage", "upload"]))
            pause(rng.uniform(0, 2))
            found = fault(lab, running, rng)
            struck += found
            code = running.end()
            # A fault may come when the run is over already.
            assert code in ((-9, 0) if fault is kill_fab else (0, 3, 4, 130)), f"{said}\n{running}"
            assert "Traceback" not in str(running), f"{said}\n{running}"
            # Whatever came of it: each host is at the one or the other, and whole.
            for host in HOSTS:
                assert current(lab, host, app) in (before, f"releases/v{number}"), f"{said}\n{running}"
            if code == 0:
                assert [arrived(lab, host, app, files) for host in HOSTS] == [[]] * 4, f"{said}\n{running}"
            wait_until(lambda: not agents(lab), LEASE, f"{said}: agents still run")
            again = fab.start("web[1-4]", *arguments)
            assert again.end() == 0, f"{said}\n{running}\n{again}"
            assert [arrived(lab, host, app, files) for host in HOSTS] == [[]] * 4, said
            wait_until(lambda: not agents(lab), 15, f"{said}: agents still run")
            assert [leftovers(lab, host, app) for host in HOSTS] == [[]] * 4, said
            print(f"{said}{'' if found else ' found nobody'}, {code}", flush=True)
    finally:
        slow_down(lab, "web1", None)
        for host in HOSTS:
            Firewall(lab, host).open()
