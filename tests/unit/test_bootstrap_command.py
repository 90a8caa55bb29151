"""The one remote command, and what is sent after it."""

from __future__ import annotations

import ast
import io
import json
from pathlib import Path

import pytest

from murder_fabric.deploy.connecting import bootstrap
from murder_fabric.deploy.connecting.bootstrap import opening, remote_command
from murder_fabric.deploy.connecting.bundle import Bundle
from murder_fabric.errors import SettingsError

BUNDLE = Bundle(Path("agent.zip"), "ab" * 32, 1234, (3, 9))


def test_the_command_is_one_constant_line_no_shell_reads_differently() -> None:
    command = remote_command()

    assert command == f'python3 -I -X utf8 -c "{bootstrap.LOADER}"'
    assert not set(bootstrap.LOADER) & set("'\"!$`\\\n#%^*?~{}[]")


@pytest.mark.parametrize(
    ("python", "word"),
    [
        ("python3.11", "python3.11"),
        ("/opt/rh/rh-python39/root/bin/python3", "/opt/rh/rh-python39/root/bin/python3"),
        ("~/venv/bin/python", "~/venv/bin/python"),
        ("/opt/my python/bin/python3", "'/opt/my python/bin/python3'"),
        ("A=1", "'A=1'"),
        ("python3; reboot", "'python3; reboot'"),
        ("$(reboot)", "'$(reboot)'"),
    ],
)
def test_the_interpreter_stays_one_word(python: str, word: str) -> None:
    assert remote_command(python).startswith(f"{word} -I ")


def test_another_user_still_learns_by_which_address_ssh_came_in() -> None:
    assert remote_command("python3", "app") == (
        f'sudo -n -H -u app env SSH_CONNECTION="$SSH_CONNECTION" python3 -I -X utf8 -c "{bootstrap.LOADER}"'
    )


@pytest.mark.parametrize("python", ["", "-c", "it's", "wow!", "a\nb", "a\\b", "a\0b"])
def test_an_interpreter_no_shell_can_be_told_is_refused(python: str) -> None:
    with pytest.raises(SettingsError, match=r"^murder\.python cannot be "):
        remote_command(python)


def test_all_that_varies_is_in_two_lines_of_json() -> None:
    program, order = io.BytesIO(opening(BUNDLE, "~/ä b", ["control", "--x"])).readlines()

    assert "def main()" in json.loads(program)
    assert json.loads(order) == {
        "murder_path": "~/ä b",
        "digest": "ab" * 32,
        "length": 1234,
        "requires_python": [3, 9],
        "run": ["control", "--x"],
    }


def test_hosts_are_told_where_it_must_be_said_first_who_has_the_bytes() -> None:
    program, order = opening(BUNDLE, "~/.murder").splitlines()
    assert opening(BUNDLE, "~/.murder", passed_on=True).splitlines()[0] == program
    told = json.loads(opening(BUNDLE, "~/.murder", passed_on=True).splitlines()[1])

    assert told == {**json.loads(order), "passed_on": True}


def test_the_agent_need_not_be_started() -> None:
    order = opening(BUNDLE, "~/.murder", None).splitlines()[1]

    assert json.loads(order)["run"] is None


def test_old_interpreters_understand_the_program() -> None:
    """Python 3.5 knows neither f-strings nor annotated variables; `feature_version` finds the rest."""
    program = json.loads(opening(BUNDLE, "~/.murder").splitlines()[0])
    tree = ast.parse(program, feature_version=(3, 5))

    newer = (ast.JoinedStr, ast.AnnAssign, ast.NamedExpr)
    assert [node for node in ast.walk(tree) if isinstance(node, newer)] == []
    assert program.isascii()
