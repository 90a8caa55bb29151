"""The real `fab` with a fabfile of ours: ranges, roles, group tasks, mistakes; no host is connected to."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import pytest

#: Further interpreters with another pair of Fabric and Invoke, separated by ':'.
PYTHONS = [sys.executable, *filter(None, os.environ.get("MURDER_FABRIC_PYTHONS", "").split(":"))]
REPOSITORY = pathlib.Path(__file__).parent.parent.parent

FABFILE = """
from fabric import task
from invoke import Collection, call
from murder_fabric import errors, group_task, murder

@task
def before(c):
    print("before", type(c).__name__)

@task(pre=[before])
def hi(c):
    print("hi", c.original_host, c.user, c.port)

@task
def here(c):
    print("here", type(c).__name__)

@task(hosts=["web[1-2]", {"host": "db1", "port": 2222}])
def fixed(c):
    print("fixed", c.original_host, c.port)

@group_task
def wrapped(c, tag):
    print("wrapped", tag, c.hosts, c.config.run.dry)
    murder["hosts"](c)

@task(pre=[murder["hosts"]])
def after(c):
    pass

@group_task
def bad(c):
    raise errors.BadInput("no")

ns = Collection(hi, here, fixed, wrapped, after, bad, murder)
"""
SETTINGS = """
user: deploy
murder:
  roles:
    tracker: tracker1
    peer: ["web[1-3]", "web5"]
    canary: web1
"""


@pytest.fixture(params=PYTHONS, ids=lambda python: pathlib.Path(python).parent.parent.name)
def fab(request, tmp_path):
    """Run `fab` with arguments in a directory with a fabfile; returns exit code, stdout lines, stderr."""
    (tmp_path / "fabfile.py").write_text(FABFILE)
    home = tmp_path / "home"
    home.mkdir()

    def run(*arguments, settings=None, **environment):
        if settings is not None:
            (tmp_path / "fabric.yaml").write_text(settings)
        done = subprocess.run(
            [request.param, "-m", "fabric", *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), "HOME": str(home), **environment},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        return done.returncode, done.stdout.splitlines(), done.stderr

    return run


def test_a_group_task_runs_once_and_others_once_a_host(fab):
    code, lines, _ = fab("-H", "web[1-2],u@[::1]:22", "hi", "murder.hosts", settings="user: deploy")
    assert code == 0
    assert lines == [
        "before Context",
        "hi web1 deploy 22",
        "hi web2 deploy 22",
        "hi ::1 u 22",
        "tracker: web1",
        "seeder: web1",
        "peers: web[1-2],u@[::1]:22 (3)",
    ]


def test_the_same_group_task_twice_is_two_calls(fab):
    code, lines, _ = fab("-H", "web[001-500]", "wrapped", "--tag", "a", "wrapped", "--tag", "b")
    assert code == 0
    assert [line.split()[:2] for line in lines if "wrapped" in line] == [["wrapped", "a"], ["wrapped", "b"]]
    assert lines.count("peers: web[001-500] (500)") == 2


def test_the_hosts_of_a_task_may_be_ranges(fab):
    assert fab("fixed") == (0, ["fixed web1 22", "fixed web2 22", "fixed db1 2222"], "")


def test_a_host_named_twice_is_two_calls_of_an_ordinary_task(fab):
    assert fab("-H", "a,a", "hi", settings="user: x")[1] == ["before Context", "hi a x 22", "hi a x 22"]


def test_without_hosts_the_roles_are_meant(fab):
    code, lines, _ = fab("murder.hosts", settings=SETTINGS)
    assert (code, lines) == (
        0,
        ["tracker: tracker1", "seeder: web1", "peers: web[1-3,5] (4)", "@canary: web1"],
    )


def test_a_role_is_hosts_for_every_task(fab):
    code, lines, _ = fab("-H", "@peer,!@canary", "hi", "murder.hosts", settings=SETTINGS)
    assert code == 0
    assert lines[1:4] == ["hi web2 deploy 22", "hi web3 deploy 22", "hi web5 deploy 22"]
    assert lines[-2:] == ["peers: web[2-3,5] (3)", "@canary: web1"]


def test_the_environment_goes_before_the_defaults(fab):
    code, lines, _ = fab("-H", "@peer", "murder.hosts", FABRIC_MURDER_ROLES_PEER="x[1-2]")
    assert (code, lines[-1]) == (0, "peers: x[1-2] (2)")


def test_a_task_without_hosts_stays_as_it_was(fab):
    assert fab("here") == (0, ["here Context"], "")


def test_the_list_shows_the_tasks_with_their_first_line(fab):
    code, lines, _ = fab("--list")
    assert code == 0
    said = " ".join(" ".join(lines).split())
    assert "murder.hosts Show which hosts the arguments and roles name, and who switches first." in said


def test_murders_own_spelling_names_the_same_task(fab):
    """Invoke knows dashes alone; what is no task of ours is left to it."""
    dashed = fab("--dry", "-H", "web1", "murder.start-tracker")
    assert fab("--dry", "-H", "web1", "murder.start_tracker") == dashed
    assert dashed[0] == 0
    code, _, error = fab("-H", "web1", "murder.start_a_tracker")
    assert (code, error.strip()) == (1, "No idea what 'murder.start_a_tracker' is!")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (
            ["-H", "web[1-", "hi"],
            "murder: -H/--hosts: host expression 'web[1-', position 4: '[' is never closed",
        ),
        (["-H", "web[5-1]", "hi"], "position 5: the range 5-1 runs backwards"),
        (["-H", "web[1-99999999]", "hi"], "100,000 is the limit"),
        (["-H", "-oProxyCommand=x", "hi"], "is an option and no host"),
        (["-H", "@nope", "murder.hosts"], "no role 'nope'; known roles: canary, peer, tracker"),
    ],
)
def test_a_bad_host_expression_is_one_line_and_exit_2(fab, arguments, reason):
    code, lines, error = fab(*arguments, settings=SETTINGS)
    assert (code, lines) == (2, [])
    assert reason in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("settings", "environment", "reason"),
    [
        ("", {}, "no hosts are named"),
        ("murder: {tracker_prot: 1}", {}, "did you mean tracker_port"),
        ("murder: {pool_size: many}", {}, "pool_size is 'many', but must be a whole number"),
        ("murder: {roles: web1}", {}, "is to be a mapping, but is a text"),
        ("murder: 7", {}, "but is a number: 7; look into"),
        ("", {"FABRIC_MURDER_POOL_SIZE": "many"}, "a wrong value"),
    ],
)
def test_a_bad_setting_is_one_line_and_exit_2(fab, settings, environment, reason):
    code, lines, error = fab("murder.hosts", settings=settings, **environment)
    assert (code, lines) == (2, [])
    assert reason in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("hosts", "settings", "reason"),
    [("web1", "murder: 7", "but is a number: 7"), ("web[1-", "", "never closed")],
)
def test_what_ends_before_any_task_is_a_document_too_where_that_was_asked(fab, hosts, settings, reason):
    code, lines, error = fab("-H", hosts, "murder.hosts", "--json", settings=settings)
    (document,) = (json.loads(line) for line in lines)
    assert (code, document["task"], document["exit_code"]) == (2, "hosts", 2)
    assert reason in document["message"]
    assert reason in error


def test_a_task_of_ours_that_went_well_is_not_said_to_be_refused_by_what_comes_after(fab):
    code, lines, _ = fab("-H", "web1", "murder.hosts", "--json", "bad", settings="")
    assert code == 2
    assert [json.loads(line)["exit_code"] for line in lines] == [0]


def test_a_pre_task_gets_no_hosts_and_says_so(fab):
    """Fabric gives hosts to main tasks only; the roles still count."""
    assert fab("-H", "web1", "after")[0] == 2
    assert fab("-H", "web1", "after", settings=SETTINGS)[1][-2] == "peers: web[1-3,5] (4)"


def test_the_off_switch_gives_fabrics_own_executor_back(fab):
    code, _, error = fab("-H", "web[1-", "hi", settings="tasks: {executor_class: fabric.executor.Executor}")
    assert code != 2
    assert "never closed" not in error


def test_a_command_without_a_task_takes_ranges_where_the_users_settings_name_the_executor(fab, tmp_path):
    """`fab -- COMMAND` imports no fabfile, which would put it in place."""
    where = ("--dry", "-H", "web[1-3]", "--", "uname")
    (tmp_path / "home" / ".fabric.yaml").write_text(
        "tasks: {executor_class: murder_fabric.deploy.executor.Executor}"
    )
    code, _, said = fab(*where)
    assert (code, said) == (0, "uname on web[1-3]: not run, nor connected to, because of --dry\n")


def test_a_command_behind_a_task_waits_for_it(fab):
    code, lines, said = fab("--dry", "-H", "web[1-2]", "hi", "--", "uname")
    assert (code, lines[0], len(lines)) == (0, "before Context", 3)
    assert said.startswith("uname on web[1-2]: not run")
