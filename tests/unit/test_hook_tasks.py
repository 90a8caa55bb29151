"""Tasks of a fabfile as hooks: how often they are called, with what, and what becomes of their errors."""

from __future__ import annotations

import sys
from typing import Any

import fabric
import pytest
from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit, UnexpectedExit
from invoke.runners import Result

from murder_fabric.deploy import hook_tasks as module
from murder_fabric.deploy.connecting.connections import Gateways
from murder_fabric.deploy.executor import GroupContext, group_task
from murder_fabric.deploy.hook_tasks import call, hook_tasks
from murder_fabric.deploy.tasks import murder
from murder_fabric.errors import BadInput, HostsFailed

HOSTS = ["web1", "ann@web2"]
ABOUT = {"name": "before_switch", "tag": "v2", "destination": "/srv/app", "release": "/srv/app/releases/v2"}


class FakeConnection(Context):
    """A connection that is never made; `web9` cannot be reached."""

    def __init__(self, config: Any, host: str) -> None:
        super().__init__(config)
        self._set(host=host, port=22, user="ann", connect_timeout=5, closed=False)

    def close(self) -> None:
        self._set(closed=True)


class FakeGateways(Gateways):
    """Makes connections, and keeps them."""

    def __init__(self, config: Any) -> None:
        self.config, self.made, self.closed = config, [], False

    def connection(self, kwargs: Any) -> Any:
        self.made.append(FakeConnection(self.config, kwargs["host"]))
        return self.made[-1]

    def open(self, wanted: Any) -> None:
        if wanted.host == "web9":
            raise ConnectionRefusedError

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def gateways(monkeypatch: pytest.MonkeyPatch) -> list[FakeGateways]:
    made: list[FakeGateways] = []

    def make(context: GroupContext) -> FakeGateways:
        made.append(FakeGateways(context.config))
        return made[-1]

    monkeypatch.setattr(GroupContext, "gateways", make)
    return made


def context(*hosts: str) -> GroupContext:
    config = fabric.Config(overrides={"murder": {"default_tag": "", "default_destination_path": ""}})
    return GroupContext(config, hosts or HOSTS)


def test_a_plain_task_is_called_for_each_host_and_finds_what_it_is_about(
    gateways: list[FakeGateways],
) -> None:
    seen = []

    @fabric.task
    def before_switch(c: Any) -> None:
        seen.append((c.host, c.murder_hook.tag, c.murder_hook.release, c.config.murder.default_tag))
        assert c.config.run.out_stream is sys.stderr

    given = context()
    assert call(before_switch, given, HOSTS, ABOUT, 8) == {}
    assert sorted(seen) == [(host, "v2", "/srv/app/releases/v2", "v2") for host in ("web1", "web2")]
    assert all(connection.closed for connection in gateways[0].made)
    assert gateways[0].closed
    assert given.config.murder.default_tag == ""
    assert "murder_hook" not in given.config


def test_a_group_task_is_called_once_with_the_hosts_that_are_left(gateways: list[FakeGateways]) -> None:
    seen = []

    @group_task
    def before_switch(c: GroupContext) -> None:
        seen.append((c.hosts, c.murder_hook.name))
        if len(seen) > 1:
            raise ValueError("no\nmore")

    assert call(before_switch, context(), ["ann@web2"], ABOUT, 8) == {}
    assert seen == [(["ann@web2"], "before_switch")]
    failures = call(before_switch, context(), HOSTS, ABOUT, 8)
    assert {host: failure.reason for host, failure in failures.items()} == dict.fromkeys(
        HOSTS, "ValueError: no more"
    )


def test_a_plain_task_is_not_called_where_there_is_no_host(gateways: list[FakeGateways]) -> None:
    @fabric.task
    def failed(c: Any) -> None:
        raise AssertionError

    assert call(failed, context(), [], ABOUT, 8) == {}
    assert gateways == []


def unexpected(stderr: str) -> UnexpectedExit:
    return UnexpectedExit(Result(command="drain", exited=3, stdout="some\n", stderr=stderr))


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (unexpected("no such\x1b[31m pool\n"), "`drain` ended with exit code 3: no such\\x1b[31m pool"),
        (unexpected(""), "`drain` ended with exit code 3: some"),
        (HostsFailed("web1 failed"), "web1 failed"),
        (Exit("enough"), "Exit: enough"),
        (SystemExit(2), "SystemExit: 2"),
        (KeyError("tag"), "KeyError: 'tag'"),
    ],
)
def test_whatever_a_task_raises_is_the_hosts_failure_in_one_line(
    gateways: list[FakeGateways], error: BaseException, reason: str
) -> None:
    @fabric.task
    def before_switch(c: Any) -> None:
        if c.host == "web1":
            raise error

    failures = call(before_switch, context(), HOSTS, ABOUT, 1)
    assert {host: failure.reason for host, failure in failures.items()} == {"web1": reason}


def test_a_host_that_cannot_be_reached_has_failed(gateways: list[FakeGateways]) -> None:
    called = []

    @fabric.task
    def before_connect(c: Any) -> None:
        called.append(c.host)

    failures = call(before_connect, context("web1", "web9"), ["web1", "web9"], ABOUT, 8)
    assert called == ["web1"]
    assert failures["web9"].reason == "refused the connection to port 22"
    assert not failures["web9"].connected


def test_tasks_of_the_collection_are_known_by_their_hook(monkeypatch: pytest.MonkeyPatch) -> None:
    assert murder.collections["hooks"] is murder.hooks
    hooks = Collection("hooks")
    monkeypatch.setattr(module, "HOOKS", hooks)

    @fabric.task
    def before_switch(c: Any) -> None: ...

    @fabric.task
    def before_swich(c: Any) -> None: ...

    hooks.add_task(before_switch)
    assert hook_tasks() == {"before_switch": before_switch}
    hooks.add_task(before_swich)
    with pytest.raises(
        BadInput, match=r"murder\.hooks: 'before_swich' is no hook; did you mean before_switch"
    ):
        hook_tasks()


def test_that_a_group_task_failed_is_not_lost_where_no_host_is_left() -> None:
    @group_task
    def failed(c: GroupContext) -> None:
        raise ValueError("no mail server")

    assert {host: one.reason for host, one in call(failed, context(), [], ABOUT, 8).items()} == {
        "this machine": "ValueError: no mail server"
    }
