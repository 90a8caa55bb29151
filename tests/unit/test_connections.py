"""Connections to many hosts: what they share, and what they must not."""

from __future__ import annotations

import io
import threading
from types import SimpleNamespace

import fabric
import pytest
from invoke.tasks import Task
from paramiko import RejectPolicy, SSHConfig, SSHException

from murder_fabric.deploy.connecting import remote
from murder_fabric.deploy.connecting.connections import Gateways, connection, host_kwargs
from murder_fabric.deploy.connecting.host_keys import _Policy
from murder_fabric.deploy.connecting.remote import connect_all
from murder_fabric.deploy.executor import ConnectionCall
from murder_fabric.deploy.failures import JumpHostError

SSH_CONFIG = """
Host web*
    IdentityFile /keys/web
    ProxyJump jump1,root@jump2:2222
Host db*
    ProxyCommand nc %h %p
Host free1
    ProxyJump none
Host jump2
    ConnectTimeout 3
Host *
    User deploy
"""


@pytest.fixture
def config():
    ssh_config = SSHConfig()
    ssh_config.parse(io.StringIO(SSH_CONFIG))
    return fabric.Config(ssh_config=ssh_config)


def test_the_keys_of_one_host_are_not_offered_by_the_next(config):
    made = [connection(config, {"host": f"web{n}", "gateway": False}) for n in range(8)]
    assert [one.connect_kwargs["key_filename"] for one in made] == [["/keys/web"]] * 8
    assert "key_filename" not in config.connect_kwargs


def test_the_keys_of_the_command_line_reach_every_host_once(config):
    config.connect_kwargs = {"key_filename": ["/cli"], "timeout": 4}
    made = [connection(config, {"host": f"web{n}", "gateway": False}) for n in range(3)]
    assert [one.connect_kwargs["key_filename"] for one in made] == [["/cli", "/keys/web"]] * 3
    assert [(one.connect_timeout, one.connect_kwargs["timeout"]) for one in made] == [(None, 4)] * 3


def test_a_tasks_own_connect_kwargs_are_not_written_to(config):
    own = {"password": "x"}
    made = connection(config, {"host": "web1", "gateway": False, "connect_kwargs": own})
    assert made.connect_kwargs["password"] == "x"
    assert own == {"password": "x"}


def test_a_silent_host_is_given_up_on(config):
    assert connection(config, {"host": "other"}).connect_timeout == 10
    assert connection(config, {"host": "jump2"}).connect_timeout == 3
    config.murder = {"connect_timeout": 7}
    made = connection(config, {"host": "other"})
    assert (made.connect_timeout, made.connect_kwargs["banner_timeout"]) == (7, 7)


def test_hosts_behind_the_same_jump_hosts_share_them(config):
    gateways = Gateways(config)
    one, two = gateways.connection({"host": "web1"}), gateways.connection({"host": "web2"})
    assert one.gateway is two.gateway
    assert (one.gateway.host, one.gateway.user, one.gateway.port) == ("jump2", "root", 2222)
    assert one.gateway.gateway.host == "jump1"
    assert one.gateway.gateway.gateway is None


@pytest.mark.parametrize(
    ("host", "gateway"), [("db1", "nc db1 22"), ("free1", None), ("jump1", None), ("other", None)]
)
def test_a_host_without_jump_hosts_goes_its_own_way(config, host, gateway):
    assert Gateways(config).connection({"host": host}).gateway == gateway


def test_the_configured_gateway_is_used_where_ssh_config_has_none(config):
    config.gateway = "nc proxy 22"
    assert Gateways(config).connection({"host": "other"}).gateway == "nc proxy 22"


def test_a_jump_host_is_opened_before_what_lies_behind_it(config, monkeypatch):
    opened = []
    monkeypatch.setattr(fabric.Connection, "open", lambda self: opened.append(self.host))
    gateways = Gateways(config)
    gateways.open(gateways.connection({"host": "web1"}))
    assert opened == ["jump1", "jump2", "web1"]


def test_a_dead_jump_host_is_tried_once_and_named_for_all_hosts_behind_it(config, monkeypatch):
    tried = []

    def refuse(self):
        tried.append(self.host)
        raise ConnectionRefusedError

    monkeypatch.setattr(fabric.Connection, "open", refuse)
    gateways = Gateways(config)
    for name in ("web1", "web2", "web3"):
        with pytest.raises(JumpHostError, match=r"^jump1: refused the connection to port 22$"):
            gateways.open(gateways.connection({"host": name}))
    assert tried == ["jump1"]


@pytest.mark.parametrize(
    ("text", "kwargs"),
    [
        ("web1", {"host": "web1"}),
        ("root@[::1]:2222", {"host": "::1", "user": "root", "port": 2222}),
    ],
)
def test_a_host_string_becomes_what_a_connection_takes(text, kwargs):
    assert host_kwargs(text) == kwargs


def policies(made):
    """How the keys of *made* and of each jump host before it are judged."""
    return [made.client._policy] + (policies(made.gateway) if made.gateway else [])


def test_a_jump_host_somebody_made_is_checked_like_those_we_make(config):
    far = fabric.Connection("jump4", config=config, gateway=fabric.Connection("jump3", config=config))
    made = Gateways(config).connection({"host": "web1", "gateway": far})
    assert [type(policy) for policy in policies(made)] == [_Policy] * 3


def test_the_configured_jump_host_is_checked_too(config):
    config.gateway = fabric.Connection("jump3", config=config)
    made = Gateways(config).connection({"host": "other"})
    assert [type(policy) for policy in policies(made)] == [_Policy] * 2


def test_a_policy_that_somebody_gave_a_jump_host_stays(config):
    own = fabric.Connection("jump3", config=config)
    own.client.set_missing_host_key_policy(RejectPolicy())
    made = Gateways(config).connection({"host": "web1", "gateway": own})
    assert [type(policy) for policy in policies(made)] == [_Policy, RejectPolicy]


def test_a_task_that_is_not_ours_is_checked_with_all_its_jump_hosts(config):
    call = ConnectionCall(Task(lambda c: None), init_kwargs={"host": "web1"})
    made = call.make_context(config)
    assert made.gateway.gateway is not None
    assert [type(policy) for policy in policies(made)] == [_Policy] * 3
    assert "transport_factory" not in config.connect_kwargs


@pytest.mark.parametrize(
    ("raised", "is_let_in", "reason"),
    [
        (SSHException("no answer"), False, "neither let us in nor refused within 0 s"),
        (JumpHostError("jump1"), False, "it lies behind a jump host that cannot be used, jump1"),
        (None, True, "let us in but started nothing within 0 s"),
    ],
)
def test_of_what_took_too_long_it_is_told_which_step_did(monkeypatch, raised, is_let_in, reason):
    monkeypatch.setattr(remote, "SETUP_LIMIT", -60.0)

    def start_nothing(timeout):
        raise SSHException("no answer")

    stuck = Stuck()
    stuck.port, stuck.user, stuck.gateway = 22, "root", None
    stuck.get_transport = lambda: SimpleNamespace(open_session=start_nothing)

    def open_connection(connection):
        if raised is not None:
            raise raised

    results = connect_all({"web1": stuck}, "true", pool_size=1, open_connection=open_connection)
    assert (results["web1"].reason, results["web1"].connected) == (reason, is_let_in)


class Stuck:
    """A connection that is being opened until it is closed."""

    def __init__(self):
        self.client = self
        self.gateway, self.connect_timeout = None, 5.0
        self.begun, self.closed = threading.Event(), threading.Event()

    def open(self):
        self.begun.set()
        assert self.closed.wait(30)

    def close(self):
        self.closed.set()


def test_ctrl_c_while_threads_are_still_started_stops_those_that_are(monkeypatch):
    """Ctrl-C takes the place of the second start; by then the first thread is at work."""
    connections = {"web1": Stuck(), "web2": Stuck()}
    begin = threading.Thread.start

    def start(thread):
        if connections["web1"].begun.is_set():
            raise KeyboardInterrupt
        begin(thread)
        assert connections["web1"].begun.wait(30)

    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(KeyboardInterrupt):
        connect_all(connections, "true", pool_size=2, open_connection=Stuck.open)
    assert connections["web1"].closed.is_set()
    assert not connections["web2"].begun.is_set()
