"""The agent, which most hosts have from one of themselves: how often it leaves the operator."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from deploying import PATIENCE, Fab, wait_until

from lab import machine, rig

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(rig.missing() is not None, reason=str(rig.missing())),
    pytest.mark.skipif(shutil.which("nft") is None, reason="a firewall needs nft (Debian: nftables)"),
]

HOSTS = [f"web{number}" for number in range(1, 11)]
FIREWALL = (
    "add table inet passing",
    "add chain inet passing outgoing { type filter hook output priority 0; }",
    "add rule inet passing outgoing tcp dport 8998-9017 reject with tcp reset",
)
#: Does not start before a file is there.
LATE_PYTHON = '#!/bin/sh\nuntil [ -e "{flag}" ]; do sleep 0.05; done\nexec {python} "$@"\n'


class Uplink:
    """The operator's link to all hosts, so slow that it pays to spare it."""

    def __init__(self, lab: rig.Lab) -> None:
        route = machine.run("ip", "-o", "route", "get", lab.address("web1"))
        self.device = re.findall(r" dev (\S+)", route)[0]
        machine.run(*f"tc qdisc add dev {self.device} root tbf rate 10mbit burst 64kb latency 1s".split())

    def sent(self) -> int:
        return int(Path(f"/sys/class/net/{self.device}/statistics/tx_bytes").read_text())


@pytest.fixture(scope="module")
def ten(tmp_path_factory: pytest.TempPathFactory) -> Iterator[rig.Lab]:
    with rig.Lab(tmp_path_factory.mktemp("ten") / "run", hosts=len(HOSTS)) as standing:
        yield standing


def have_agents(lab: rig.Lab, hosts: list[str]) -> bool:
    return all(any((lab.host_root(host) / "root/.murder").glob("agent-*")) for host in hosts)


def test_few_agents_leave_the_operator_and_a_host_that_is_cut_off_gets_its_own(
    ten: rig.Lab, tmp_path: Path
) -> None:
    fab, uplink, flag = Fab(ten, tmp_path), Uplink(ten), ten.host_root("web10") / "go"
    fab("web1", "murder.distribute-files")
    one = uplink.sent()
    machine.run("ip", "netns", "exec", ten.prefix + "web10", "nft", "; ".join(FIREWALL))
    python = ten.host_root("web10") / "bin/python3"
    python.unlink()
    python.write_text(LATE_PYTHON.format(flag=flag, python=ten.python))
    python.chmod(0o755)

    running = fab.start("web[1-10]", "murder.distribute-files")
    wait_until(lambda: have_agents(ten, HOSTS[:-1]), PATIENCE, "web2 to web9 got no agent")
    flag.touch()  # from here on others have it for sure

    assert running.end() == 0, str(running)
    assert have_agents(ten, HOSTS)
    assert re.findall(
        r"(\S+) took the agent over SSH \(\S+ port \d+: Connection refused\)", str(running)
    ) == ["web10"]
    # To two hosts at once, to the one that passes it on, and to the one that is cut off.
    assert uplink.sent() - one < 5.5 * one
