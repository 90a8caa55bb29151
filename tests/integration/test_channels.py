"""Channels to agents behind a real sshd: what is asked, what is answered, and how hosts fail."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
import time

import fabric
import pytest
import sshd as sshds

from murder_fabric.control import Message
from murder_fabric.deploy.connecting.channels import MAX_STDERR, Channels, Opening
from murder_fabric.deploy.connecting.connections import UNACKNOWLEDGED_LIMIT, Gateways
from murder_fabric.deploy.connecting.remote import connect_all
from murder_fabric.deploy.failures import HostFailure

pytestmark = pytest.mark.skipif(bool(sshds.missing()), reason=str(sshds.missing()))

#: Stands in for the agent: says hello, then does what it is asked, until its input ends.
AGENT = """
import json, sys, time
from pathlib import Path
def say(event, **fields):
    print(json.dumps({"event": event, "time": time.time(), **fields}), flush=True)
print("Welcome to this host")
say("hello", version=1)
for line in sys.stdin.buffer:
    asked = json.loads(line)
    attached = sys.stdin.buffer.read(asked.get("attached", 0))
    do, own = asked["do"], {"id": asked["id"]}
    if do == "count":
        for number in range(3):
            say("progress", number=number, **own)
        say("done", length=len(attached), **own)
    elif do == "refuse":
        say("failed", reason="no \\x1b[31mspace\\n left", **own)
    elif do == "shout":
        for _ in range(2000):
            sys.stderr.write("\\x1b[2Jnoise " * 20 + "\\n")
        sys.stderr.flush()
        say("done", **own)
    elif do == "sleep":
        time.sleep(60)
    elif do == "exit":
        print("cannot go on", file=sys.stderr)
        sys.exit(7)
    elif do == "garbage":
        sys.stdout.write("x" * 100_000 + "\\n")
        sys.stdout.flush()
Path(sys.argv[1]).write_text("input ended")
"""


@pytest.fixture(scope="module")
def sshd(tmp_path_factory):
    made = sshds.prepare(tmp_path_factory.mktemp("sshd"))
    (made.directory / "agent.py").write_text(AGENT)
    with made.running():
        yield made


@pytest.fixture
def gateways(sshd):
    return Gateways(fabric.Config(runtime_ssh_path=str(sshd.ssh_config)))


def connections(gateways, *hosts, **kwargs):
    return {host: gateways.connection({"host": host, **kwargs}) for host in hosts}


@pytest.fixture
def ended(sshd, tmp_path):
    """A file that the agent writes when its input has ended."""
    return tmp_path / "ended"


@pytest.fixture
def channels(sshd, gateways, ended):
    command = f"{sys.executable} -I {sshd.directory}/agent.py {ended}"
    opened = connect_all(connections(gateways, *sshds.HOSTS), command, pool_size=4)
    with Channels(opened) as made:
        assert all(isinstance(hello, Message) for hello in made.greet(20).values())
        yield made


def all_of(**fields):
    return {host: Message(fields) for host in sshds.HOSTS}


def test_every_host_is_asked_and_answers(channels):
    heard = []
    answers = channels.ask(
        all_of(do="count"), 20, lambda host, message: heard.append((host, message.fields["number"]))
    )
    assert list(answers) == sshds.HOSTS
    assert {answer.fields["event"] for answer in answers.values()} == {"done"}
    assert set(heard) >= {(host, 2) for host in sshds.HOSTS}  # the last word, whatever came before it


def test_what_is_attached_arrives_whole(channels):
    attached = bytes(range(256)) * 20_000
    answers = channels.ask({host: Message({"do": "count"}, attached) for host in sshds.HOSTS[:2]}, 30)
    assert [answer.fields["length"] for answer in answers.values()] == [len(attached)] * 2


def test_a_host_that_does_not_read_holds_up_nobody(channels):
    slow, *others = sshds.HOSTS
    stuck = channels.begin({slow: Message({"do": "sleep"})})
    flood = channels.begin({slow: Message({"do": "count"}, bytes(8 << 20))})
    answers = channels.ask({host: Message({"do": "count"}, b"abc") for host in others}, 10)
    assert [answer.fields["length"] for answer in answers.values()] == [3] * len(others)
    late = flood.wait(0.2)
    assert late == {slow: HostFailure("late", "no answer within 0.2 s")}
    assert stuck.wait(0)[slow].cause == "late"


def test_a_refusal_is_this_hosts_only_and_one_clean_line(channels):
    first, second, *_ = sshds.HOSTS
    answers = channels.ask({first: Message({"do": "refuse"}), second: Message({"do": "count"})}, 20)
    assert answers[first] == HostFailure("failed", "no \\x1b[31mspace left")
    assert answers[second].fields["event"] == "done"
    assert channels.ask({first: Message({"do": "count"})}, 20)[first].fields["event"] == "done"


def test_an_agent_that_ends_fails_with_its_last_words_now_and_later(channels):
    host = sshds.HOSTS[3]
    gone = HostFailure("lost", "the agent ended with exit code 7: cannot go on")
    waiting = channels.begin({host: Message({"do": "count"})})
    assert channels.ask({host: Message({"do": "exit"})}, 20) == {host: gone}
    assert channels.ask({host: Message({"do": "count"})}, 20) == {host: gone}
    assert waiting.wait(1)[host].fields["event"] == "done"
    assert channels.failures() == {host: gone}


def test_garbage_ends_the_conversation(channels):
    host = sshds.HOSTS[4]
    answer = channels.ask({host: Message({"do": "garbage"})}, 20)[host]
    assert answer.cause == "agent"
    assert "does not speak as an agent does" in answer.reason


def test_of_a_noisy_stderr_the_end_is_kept_with_control_characters_escaped(channels):
    host = sshds.HOSTS[5]
    assert channels.ask({host: Message({"do": "shout"})}, 20)[host].fields["event"] == "done"
    for _ in range(100):
        if len(channels.stderr(host)) > MAX_STDERR // 2:
            break
        time.sleep(0.02)
    assert MAX_STDERR // 2 < len(channels.stderr(host)) <= MAX_STDERR
    assert "\x1b" not in channels.stderr(host)


def test_closing_ends_the_agents_input_and_lets_it_finish(channels, ended):
    channels.close()
    assert ended.read_text() == "input ended"


def test_a_host_that_is_not_in_the_run_fails_alone(channels):
    answers = channels.ask({"web9": Message({"do": "count"}), sshds.HOSTS[0]: Message({"do": "count"})}, 20)
    assert answers["web9"].cause == "unreachable"
    assert answers[sshds.HOSTS[0]].fields["event"] == "done"


@contextlib.contextmanager
def listener(backlog=5):
    with socket.create_server(("127.0.0.1", 0), backlog=backlog) as server:
        yield server.getsockname()[1]


def failure_of(made, command="true"):
    (result,) = connect_all({"web1": made}, command, pool_size=1).values()
    assert isinstance(result, HostFailure), result
    assert "\n" not in result.reason
    return result


def test_a_name_that_does_not_resolve(gateways):
    failure = failure_of(gateways.connection({"host": "no-such-host.invalid"}))
    assert failure.cause == "unresolved"
    assert failure.reason.startswith("the name does not resolve (")


def test_a_port_nobody_listens_on(gateways):
    port = sshds.free_port()
    failure = failure_of(gateways.connection({"host": "127.0.0.1", "port": port}))
    assert failure == HostFailure("refused", f"refused the connection to port {port}")


def test_a_port_that_is_silent(gateways):
    with listener() as port:
        begun = time.monotonic()
        failure = failure_of(gateways.connection({"host": "127.0.0.1", "port": port, "connect_timeout": 1}))
    assert failure == HostFailure("timeout", f"port {port} did not answer as an SSH server within 1 s")
    assert time.monotonic() - begun < 10


def test_a_key_that_is_not_let_in(sshd, gateways, tmp_path):
    sshds.generate_key(tmp_path / "other")
    config = fabric.Config(overrides={"murder": {"host_keys": "off"}})
    made = Gateways(config).connection(
        {
            "host": "127.0.0.1",
            "port": sshd.port,
            "user": "root",
            "connect_kwargs": {
                "key_filename": [str(tmp_path / "other")],
                "look_for_keys": False,
                "allow_agent": False,
            },
        }
    )
    failure = failure_of(made)
    assert failure.cause == "authentication"
    assert failure.reason.startswith("did not let root in")


def test_one_bad_host_does_not_stop_the_others(gateways):
    bad = gateways.connection({"host": "127.0.0.1", "port": sshds.free_port()})
    made = {**connections(gateways, *sshds.HOSTS[:3]), "bad": bad}
    opened = connect_all(made, "cat", pool_size=2)
    with Channels(opened) as channels:
        assert list(channels.failures()) == ["bad"]
        assert channels.ask({"bad": Message({"do": "count"})}, 5)["bad"].cause == "refused"
        assert channels.greet(0.1)["bad"].cause == "refused"


def test_a_command_that_cannot_start_is_the_agents_failure(gateways):
    opened = connect_all(connections(gateways, "127.0.0.1"), "/no/such/python -c x", pool_size=1)
    with Channels(opened, Opening(b"program\n")) as channels:
        answer = channels.greet(20)["127.0.0.1"]
    assert answer.cause == "agent"
    assert "exit code 127" in answer.reason
    assert "/no/such/python" in answer.reason


def test_a_login_shell_that_hangs_is_told_from_an_agent_that_does(gateways):
    opened = connect_all(connections(gateways, "127.0.0.1"), "exec sleep 60", pool_size=1)
    with Channels(opened, Opening(b"program\n")) as channels:
        answers = channels.greet(0.5)
    reason = "it let us in, but its agent did not start within 0.5 s"
    assert answers == {"127.0.0.1": HostFailure("late", reason)}


def test_a_host_with_another_key_is_not_talked_to(sshd, tmp_path):
    (tmp_path / "known_hosts").write_text("")
    config = sshd.ssh_config.read_text().replace(f"{sshd.directory}/known_hosts", f"{tmp_path}/known_hosts")
    (tmp_path / "ssh_config").write_text(config)
    gateways = Gateways(fabric.Config(runtime_ssh_path=str(tmp_path / "ssh_config")))
    failure = failure_of(gateways.connection({"host": "127.0.0.1"}))
    assert failure.cause == "host key"


def test_ctrl_c_does_not_wait_for_slow_hosts(sshd, gateways):
    """The interrupt comes while one host is connected and one is silent."""
    with listener() as port:
        silent = gateways.connection({"host": "127.0.0.1", "port": port, "connect_timeout": 60})
        fast = gateways.connection({"host": "127.0.0.2"})
        timer = threading.Timer(1.0, lambda: signal_main_thread())
        timer.start()
        begun = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            connect_all({"silent": silent, "fast": fast}, "cat", pool_size=2)
        assert time.monotonic() - begun < 5
    assert not fast.is_connected


def signal_main_thread():
    import _thread

    _thread.interrupt_main()


def test_hosts_behind_a_jump_host_share_one_connection_to_it(sshd, tmp_path):
    jump = sshd.ssh_config.read_text() + "\nHost behind*\n    HostName 127.0.0.2\n    User root\n"
    jump += f"    Port {sshd.port}\n    IdentityFile {sshd.key}\n    ProxyJump 127.0.0.1\n"
    jump += f"    UserKnownHostsFile {sshd.directory}/known_hosts\n"
    (tmp_path / "ssh_config").write_text(jump)
    gateways = Gateways(fabric.Config(runtime_ssh_path=str(tmp_path / "ssh_config")))
    made = connections(gateways, *[f"behind{n}" for n in range(6)])
    opened = connect_all(made, "echo $SSH_CONNECTION; cat", pool_size=6, open_connection=gateways.open)
    assert len({id(one.gateway) for one in made.values()}) == 1
    sock = made["behind0"].gateway.transport.sock  # whose host would else be gone for a quarter of an hour
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == UNACKNOWLEDGED_LIMIT
    with Channels(opened, on_closed=gateways.close) as channels:
        assert channels.failures() == {}
    assert not made["behind0"].gateway.is_connected
