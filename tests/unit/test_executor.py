"""The executor's parts, without a `fab` around them; see tests/integration/test_fab.py for that."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import fabric
import pytest
from invoke.config import merge_dicts
from invoke.context import Context

from murder_fabric.deploy import executor
from murder_fabric.deploy.executor import Executor, GroupContext, GroupTask, group_task, misfit
from murder_fabric.deploy.settings import SECTION, defaults


def program(executor_class):
    return SimpleNamespace(program=SimpleNamespace(executor_class=executor_class))


def test_the_executor_is_put_in_place_of_fabrics_own(monkeypatch):
    main = program(fabric.Executor)
    monkeypatch.setitem(sys.modules, "fabric.main", main)
    assert executor.install()
    assert main.program.executor_class is Executor
    assert not executor.install()


def test_somebody_elses_executor_is_left_alone(monkeypatch):
    class Other(fabric.Executor):
        pass

    main = program(Other)
    monkeypatch.setitem(sys.modules, "fabric.main", main)
    assert not executor.install()
    assert main.program.executor_class is Other


def test_outside_fab_nothing_is_put_in_place(monkeypatch):
    monkeypatch.delitem(sys.modules, "fabric.main", raising=False)
    assert not executor.install()


def test_a_group_has_every_host_once_as_it_was_written():
    context = GroupContext(hosts=["web1", "root@[::1]:22", "web1", {"host": "web1", "user": "root"}])
    assert context.hosts == ["web1", "root@[::1]:22", "root@web1"]


def test_a_group_makes_a_connection_for_each_host():
    made = GroupContext(fabric.Config(), ["web1", "root@web2:2222"]).connections()
    assert [(one.host, one.port) for one in made] == [("web1", 22), ("web2", 2222)]
    assert made[1].user == "root"


@group_task
def names(c):
    return type(c).__name__, c.hosts


@pytest.mark.parametrize(
    ("context", "hosts"),
    [
        (GroupContext(hosts=["web1", "web2"]), ["web1", "web2"]),
        (fabric.Connection("root@web1:2222"), ["root@web1:2222"]),
        (Context(), []),
    ],
)
def test_a_group_task_gets_a_group_whatever_it_is_called_with(context, hosts):
    assert names(context) == ("GroupContext", hosts)


def test_a_group_task_takes_the_options_of_a_task():
    @group_task(name="other", help={"tag": "which"}, auto_shortflags=True)
    def some(c, tag=""):
        """Do something."""

    assert isinstance(some, GroupTask)
    assert (some.name, some.auto_shortflags, names.auto_shortflags) == ("other", True, False)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (["a"] * 99, "murder is to be a mapping (`murder: {keep_releases: 3}`), but is a list: ['a', 'a', "),
        ({"roles": "web1"}, "a setting is to be a mapping, but is a text: 'web1'; look into fabric.yaml. No"),
        (
            {"sudo": {"user": "app"}},
            "a setting is to be a text, but is a mapping: {'user': 'app'}; look into",
        ),
    ],
)
def test_a_setting_of_the_wrong_shape_is_a_short_sentence(given, sentence):
    with pytest.raises(ValueError, match="merge") as caught:
        merge_dicts({SECTION: defaults()}, {SECTION: given})
    said = str(misfit(caught.value))
    assert said.startswith(sentence)
    assert len(said) < 250


def test_what_else_invoke_says_of_settings_is_cut_short():
    said = str(misfit(executor.AmbiguousMergeError("it is\nodd " * 99)))
    assert said.startswith("settings do not go together: it is odd it is odd")
    assert len(said) < 250
