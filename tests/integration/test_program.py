"""The command `murder`: the tasks without a fabfile; no host is connected to."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest
import sshd as sshds

REPOSITORY = pathlib.Path(__file__).parent.parent.parent
PROGRAM = "from murder_fabric.deploy.program import main; main()"


@pytest.fixture
def murder(tmp_path):
    """Run `murder` in a directory of its own; returns exit code, stdout and stderr."""

    def run(*arguments):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), "HOME": str(tmp_path)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout, done.stderr

    return run


def test_the_tasks_are_at_the_top_and_take_ranges(murder):
    assert murder("-H", "web[1-3],!web2", "hosts") == (
        0,
        "tracker: web1\nseeder: web1\npeers: web[1,3] (2)\n",
        "",
    )


def test_settings_are_read_from_where_it_runs(murder, tmp_path):
    (tmp_path / "fabric.yaml").write_text("murder: {roles: {peer: 'web[1-3]', tracker: t1}}")
    assert murder("hosts")[1].splitlines() == ["tracker: t1", "seeder: web1", "peers: web[1-3] (3)"]
    code, _, said = murder("--dry", "deploy", "--destination-path", "/srv/app", "--files-path", "fabric.yaml")
    assert code == 0
    assert "on web[1-3] (3 hosts): 1 file" in said


def test_a_fabfile_that_lies_about_is_not_run(murder, tmp_path):
    (tmp_path / "fabfile.py").write_text("raise SystemExit('the fabfile ran')")
    assert murder("-H", "web1", "hosts")[0] == 0


def test_help_and_completion_name_the_tasks_and_their_options(murder):
    _, help_text, _ = murder("--help")
    assert help_text.startswith("Usage: murder ")
    assert "  deploy " in help_text
    assert "rollback" in murder("--complete", "--", "murder", "ro")[1].split()
    assert "--destination-path" in murder("--complete", "--", "murder", "deploy", "--d")[1].split()


def test_bash_completes_its_tasks_by_the_script_that_it_prints(murder, tmp_path):
    program = tmp_path / "bin" / "murder"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\nexec '{sys.executable}' -c '{PROGRAM}' \"$@\"\n")
    program.chmod(0o755)
    (tmp_path / "script").write_text(murder("--print-completion-script", "bash")[1])
    press_tab = 'COMP_WORDS=(murder ro); _complete_murder murder ro murder; echo "${COMPREPLY[@]}"'
    done = subprocess.run(
        ["bash", "--norc", "-c", f". ./script && complete -p murder && {press_tab}"],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": str(REPOSITORY),
            "HOME": str(tmp_path),
            "PATH": f"{program.parent}:{os.environ['PATH']}",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.splitlines()[1:] == ["rollback"], done.stderr


@pytest.mark.parametrize("arguments", ["--list", "--version", "deploy --help", "history"])
def test_it_ends_quietly_where_nobody_reads_what_it_prints(tmp_path, arguments):
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, *arguments.split()],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), "HOME": str(tmp_path)},
            stdin=subprocess.DEVNULL,
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


def test_murders_spelling_names_the_same_tasks_and_no_tag_is_spelt_anew(murder):
    code, _, said = murder("--dry", "-H", "web1", "start_tracker")
    assert (code, said.splitlines()[0]) == (0, "murder: starting the tracker on web1")
    assert (
        "the seeder of stop_tracker on"
        in murder("--dry", "-H", "a", "start-seeding", "--tag", "stop_tracker")[2]
    )


@pytest.mark.parametrize("text", ["murder: [", "murder: {roles: {peer: a}", "murder:\n\t- a"])
def test_a_settings_file_that_is_no_yaml_is_one_line(murder, tmp_path, text):
    (tmp_path / "fabric.yaml").write_text(text)
    code, _, said = murder("-H", "web1", "hosts")
    assert code == 2
    assert len(said.splitlines()) == 1
    assert "fabric.yaml" in said


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["-H", "web[1-", "hosts"], "never closed"),
        (["-H", "web[1-", "--", "hostname"], "never closed"),
        (["--", "hostname"], "no hosts are named"),
        (["-S", "nosuch", "-H", "web1", "hosts"], "--ssh-config: there is no file nosuch"),
        (["-S", "broken", "-H", "web1", "hosts"], "ssh_config cannot be read: Unparsable line"),
        (["-f", "nosuch.yaml", "-H", "web1", "hosts"], "--config: there is no file nosuch.yaml"),
        (["-t", "soon", "-H", "web1", "hosts"], "a flag that takes a number"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(murder, tmp_path, arguments, reason):
    (tmp_path / "broken").write_text("Host\n")
    code, out, said = murder(*arguments)
    assert (code, out, len(said.splitlines())) == (2, "", 1)
    assert said.startswith("murder: ")
    assert reason in said


def test_a_command_goes_to_the_hosts_that_roles_name_and_nowhere_in_a_dry_run(murder, tmp_path):
    (tmp_path / "fabric.yaml").write_text("murder: {roles: {peer: 'web[1-3]', tracker: t1}}")
    assert murder("--dry", "--", "uname", "-r")[2].startswith("uname -r on web[1-3]: not run")
    assert murder("--dry", "-H", "db[1-2]", "--", "uname")[2].startswith("uname on db[1-2]: not run")


def test_a_command_ends_at_the_first_host_that_cannot_be_reached_in_one_sentence(murder):
    code, out, said = murder("-H", "127.0.0.[1-2]:1", "--", "hostname")
    assert (code, out) == (3, "")
    assert said == (
        "murder: 127.0.0.1:1: refused the connection to port 1; the command was not run on 127.0.0.[1-2]:1\n"
    )


@pytest.mark.skipif(bool(sshds.missing()), reason=str(sshds.missing()))
def test_a_command_runs_on_each_host_after_the_tasks_until_it_fails_on_one(murder, tmp_path):
    server = sshds.prepare(tmp_path)
    where = ("-S", str(server.ssh_config), "-H", "127.0.0.[1-3]")
    with server.running():
        code, out, _ = murder(*where, "hosts", "--", "echo", "$SSH_CONNECTION | cut -d' ' -f3")
        assert (code, out.splitlines()[-3:]) == (0, ["127.0.0.1", "127.0.0.2", "127.0.0.3"])
        code, out, _ = murder(*where, "--", "case $SSH_CONNECTION in *.2*) exit 7;; *) echo ran;; esac")
        assert (code, out) == (7, "ran\n")
        (tmp_path / "known_hosts").write_text("")
        code, out, said = murder(*where, "--", "echo ran")
    assert (code, out) == (3, "")
    assert "the host key is not in" in said
