"""Why a host could not be reached: one word and one sentence, whatever was raised."""

from __future__ import annotations

import errno
import socket

import pytest
from paramiko.ssh_exception import (
    AuthenticationException,
    ChannelException,
    NoValidConnectionsError,
    SSHException,
)

from murder_fabric.deploy.failures import (
    MAX_REASON,
    MAX_REASONS,
    HostFailure,
    HostKeyError,
    JumpHostError,
    explain,
    explain_start,
    printable,
)

TABLE = [
    (socket.gaierror(-2, "Name or service not known"), "unresolved", "the name does not resolve (Name"),
    (ConnectionRefusedError(), "refused", "refused the connection to port 22"),
    (
        NoValidConnectionsError({("10.0.0.1", 22): ConnectionRefusedError()}),
        "refused",
        "refused the connection to port 22",
    ),
    (
        NoValidConnectionsError({("10.0.0.1", 22): OSError(errno.EHOSTUNREACH, "x")}),
        "unreachable",
        "port 22 cannot be reached: No route to host",
    ),
    (socket.timeout("timed out"), "timeout", "did not answer within 10 s"),
    (OSError(errno.ENETUNREACH, "x"), "unreachable", "Network is unreachable"),
    (OSError(errno.EMFILE, "x"), "unreachable", "too many files are open on this machine"),
    (AuthenticationException("Authentication failed."), "authentication", "did not let deploy in"),
    (SSHException("No authentication methods available"), "authentication", "there is no key or password"),
    (SSHException("No existing session"), "authentication", "hung up while deploy logged in"),
    (SSHException("Error reading SSH protocol banner"), "ssh", "no SSH server spoke at port 22"),
    (ChannelException(2, "Connect failed"), "unreachable", "the jump host cannot reach port 22"),
    (
        JumpHostError("jump1: refused the connection to port 22"),
        "unreachable",
        "it lies behind a jump host that cannot be used, jump1: refused the connection to port 22",
    ),
    (HostKeyError("the key of web1 changed"), "host key", "the key of web1 changed"),
    (EOFError(), "ssh", "SSH failed: EOFError"),
    (SSHException("evil\r\n\x1b[2Jline"), "ssh", "SSH failed: evil \\x1b[2Jline"),
]


@pytest.mark.parametrize(("error", "cause", "reason"), TABLE)
def test_what_was_raised_becomes_a_sentence(error, cause, reason):
    failure = explain(error, port=22, user="deploy", timeout=10.0, spent=0.5)
    assert failure.cause == cause
    assert reason in str(failure)
    assert str(failure).isprintable()
    assert not failure.connected


@pytest.mark.parametrize("says", ["No existing session", "Error reading SSH protocol banner"])
def test_a_host_that_never_spoke_ran_out_of_time(says):
    """Which of the two Paramiko says is chance: both wait equally long."""
    failure = explain(SSHException(says), port=22, user="deploy", timeout=10.0, spent=10.1)
    assert failure.cause == "timeout"
    assert "as an SSH server within 10 s" in failure.reason


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("no space\n  left\t\r\n", "no space left"),
        ("\x1b]0;owned\x07\x1b[2J", r"\x1b]0;owned\x07\x1b[2J"),
        ("a\x00b\x9bc", r"a\x00b\x9bc"),
        ("\u202eevil", r"\u202eevil"),
        ("\udcff", r"\udcff"),
        ("Gerät voll", "Gerät voll"),
    ],
)
def test_what_could_steer_a_terminal_is_shown_escaped(said, shown):
    assert printable(said) == shown


@pytest.mark.parametrize("cause", ["lost", "agent", "failed", "refused"])
def test_whatever_a_host_is_out_for_steers_no_terminal(cause):
    failure = HostFailure(cause, "its v1 is bad: \x1b]0;owned\x07\r\nmurder: 3 of 3 hosts switched")
    assert failure.reason == str(failure) == r"its v1 is bad: \x1b]0;owned\x07 murder: 3 of 3 hosts switched"
    assert len(HostFailure(cause, "x" * 10**6).reason) == MAX_REASONS


def test_a_long_reason_is_cut():
    assert len(printable("x" * 10_000)) == MAX_REASON


@pytest.mark.parametrize("cause", ["lost", "agent", "late", "failed"])
def test_an_agents_failure_comes_after_the_connection(cause):
    assert HostFailure(cause, "").connected


@pytest.mark.parametrize(
    ("status", "said", "sentence"),
    [
        (127, "sh: 1: sudo: not found", "there is no sudo to become app with"),
        (127, "zsh:1: command not found: sudo", "there is no sudo to become app with"),
        (1, "sudo: a password is required", "sudo asks for a password to become app"),
        (1, "sudo: a terminal is required to read the password", "sudo asks for a password to become app"),
        (1, "sudo: unknown user app", "sudo does not let us become app (murder.sudo): sudo: unknown user"),
        (127, "env: 'python3': No such file or directory", "install Python 3.9 or newer there"),
        (3, "no space left", "the agent ended with exit code 3: no space left"),
    ],
)
def test_an_agent_that_never_spoke_is_explained_by_who_it_was_to_run_as(status, said, sentence):
    assert sentence in explain_start(status, said, "app")


def test_without_murder_sudo_nothing_is_said_of_it():
    assert "murder.sudo" not in explain_start(1, "sudo: a password is required", "")
