"""The operator's machine as the seeder: which address hosts know it by, and what is said if there is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fabric
import pytest

from murder_fabric.deploy.connecting import remote
from murder_fabric.deploy.connecting.bundle import Bundle
from murder_fabric.deploy.connecting.connections import Gateways
from murder_fabric.deploy.failures import HostFailure
from murder_fabric.deploy.roles import HERE
from murder_fabric.deploy.seeding_here import address_here
from murder_fabric.deploy.settings import Settings
from murder_fabric.errors import BadInput


def test_it_is_found_where_all_hosts_see_it():
    assert address_here({"web1": "127.0.0.1", "web2": "127.0.0.1"}) == "127.0.0.1"


@pytest.mark.parametrize("said", ["192.0.2.1", "127.0.0.2", ""])
def test_one_host_that_sees_something_else_does_not_count(said):
    assert address_here({"web1": said, "web2": "127.0.0.1", "web3": "127.0.0.1"}) == "127.0.0.1"


@pytest.mark.parametrize(
    ("seen", "says"),
    [
        ({"web1": "127.0.0.1", "web2": "127.0.0.2"}, "web1 as 127.0.0.1, web2 as 127.0.0.2"),
        ({"web1": "127.0.0.1", "web2": ""}, "web2 cannot say where SSH came from"),
        ({"web1": "192.0.2.1", "web2": "192.0.2.1"}, "192.0.2.1, which is no address of its own: a NAT or"),
        ({"web1": "2001:db8::1"}, "2001:db8::1, which is no address of its own"),
    ],
)
def test_where_it_cannot_be_the_reason_is_said_and_what_to_do(seen, says):
    with pytest.raises(BadInput, match=r"leave --seed-here out, .*; nothing was changed$") as caught:
        address_here(seen)
    assert says in str(caught.value)


def test_the_agent_here_is_started_once_the_hosts_were_waited_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It hears of nobody before, and hosts that cannot be reached may take longer than its lease."""
    done: list[str] = []

    def connect(connections: Any, command: str, **options: Any) -> dict[str, HostFailure]:
        done.append(f"connect {' '.join(connections)}")
        return dict.fromkeys(connections, HostFailure("refused", "refused the connection to port 22"))

    def start() -> HostFailure:
        done.append("start")
        return HostFailure("agent", "no agent could be started here")

    monkeypatch.setattr(remote, "connect_all", connect)
    monkeypatch.setattr(remote, "_start_here", start)
    (tmp_path / "agent.pyz").write_bytes(b"agent")
    bundle = Bundle(tmp_path / "agent.pyz", "ab" * 32, 5, (3, 9))
    gateways = Gateways(fabric.Config(lazy=True))
    connections = {"web1": gateways.connection({"host": "web1"})}
    with remote.open_channels(gateways, connections, Settings(), bundle, print, here=True) as channels:
        assert set(channels.failures()) == {"web1", HERE}
    assert done == ["connect web1", "start"]
