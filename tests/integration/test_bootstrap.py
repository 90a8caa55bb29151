"""The loader on stdin, in real processes: each login shell, each Python, and everything in the way."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Optional

import pytest
from programs import snapshot

from murder_fabric.deploy.connecting.bootstrap import opening, remote_command
from murder_fabric.deploy.connecting.bundle import Bundle, build_bundle
from murder_fabric.tracker.http import format_response, format_response_head

SHELLS = ["sh", "dash", "bash", "zsh", "csh", "tcsh", "fish", "ksh"]
SUPPORTED = ["3.9", "3.10", "3.11", "3.12", "3.13"]
TOO_OLD = ["3.5", "3.6", "3.7", "3.8"]

#: Root without these writes only where it may, as anybody else does.
UNPRIVILEGED = (
    ("setpriv", "--inh-caps=-all", "--bounding-set=-dac_override,-dac_read_search")
    if os.geteuid() == 0
    else ()
)

#: Says how it was started and what was left on stdin for it.
TINY_AGENT = """\
import json, os, sys
import beside
umask = os.umask(0)
print(json.dumps({
    "event": "hello", "argv": sys.argv, "isolated": sys.flags.isolated, "utf8": sys.flags.utf8_mode,
    "umask": umask, "site": "site" in sys.modules, "beside": beside.__file__, "input": sys.stdin.read(),
}))
"""


def packed(directory: pathlib.Path, files: dict[str, str], *, requires: tuple[int, int] = (3, 9)) -> Bundle:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name), text)
    content = buffer.getvalue()
    path = directory / f"{hashlib.sha256(content).hexdigest()}.zip"
    path.write_bytes(content)
    return Bundle(path, path.stem, len(content), requires)


@pytest.fixture
def tiny(tmp_path: pathlib.Path) -> Bundle:
    return packed(tmp_path, {"__main__.py": TINY_AGENT, "beside.py": "", "deep/er/x.py": "x = 1"})


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return build_bundle(tmp_path_factory.mktemp("cache"))


def interpreter(version: str) -> str:
    """Return a Python of that version that this machine has, or skip the test."""
    for pyenv in sorted(pathlib.Path.home().glob(f".pyenv/versions/{version}.*/bin/python")):
        return str(pyenv)
    if found := shutil.which(f"python{version}"):
        return found
    pytest.skip(f"no Python {version} on this machine")


class Host:
    """A home directory, and commands run in it as sshd would: by the login shell, with pipes."""

    def __init__(self, home: pathlib.Path) -> None:
        self.home = home
        self.home.mkdir()
        self.murder_path = self.home / ".murder"

    def start(
        self,
        python: str = sys.executable,
        shell: str = "sh",
        umask: int = 0o022,
        prefix: Sequence[str] = (),
    ) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*prefix, shell, "-c", remote_command(python)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.home,
            env={"HOME": str(self.home), "PATH": os.environ["PATH"]},
            umask=umask,
        )

    def bring(
        self,
        bundle: Bundle,
        *,
        content: Optional[bytes] = None,
        murder_path: str = "~/.murder",
        run: Optional[list[str]] = ["control"],  # noqa: B006
        rest: bytes = b'{"do": "heartbeat"}\n',
        line: bytes = b"",
        **how: Any,
    ) -> list[dict[str, Any]]:
        """
        Bring the agent to this host and start it; return the events it answered with.

        *line*, if there is one, says before *content* where another host has that.
        """
        process = self.start(**how)
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(opening(bundle, murder_path, run, passed_on=bool(line)))
        process.stdin.flush()
        answer = process.stdout.readline()
        if answer and json.loads(answer).get("have") is False:
            process.stdin.write(line)
            process.stdin.write(bundle.path.read_bytes() if content is None else content)
            process.stdin.write(rest)
        elif answer and json.loads(answer).get("have"):
            process.stdin.write(rest)
        output, errors = process.communicate(timeout=60)
        assert errors == b""
        events = [json.loads(line) for line in (answer + output).splitlines()]
        assert all("event" in event for event in events)
        return events

    def agents(self) -> list[str]:
        return sorted(os.listdir(self.murder_path))


@pytest.fixture
def host(tmp_path: pathlib.Path) -> Host:
    return Host(tmp_path / "home")


def names(events: list[dict[str, Any]]) -> list[str]:
    return [event["event"] for event in events]


@pytest.mark.parametrize("shell", SHELLS)
def test_every_login_shell_starts_the_agent(host: Host, tiny: Bundle, shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} on this machine")

    first, agent = host.bring(tiny, shell=shell, rest=b"exactly this")

    assert (first["event"], first["have"]) == ("bootstrap", False)
    assert first["python"] == "{}.{}.{}".format(*sys.version_info)
    assert agent["argv"] == [str(host.murder_path / f"agent-{tiny.sha256}"), "control"]
    assert agent["input"] == "exactly this"


@pytest.mark.parametrize("name", ["a b", "it$HOME", "üñí", "semi;colon"])
def test_an_interpreter_with_an_odd_name_is_found(host: Host, tiny: Bundle, name: str) -> None:
    python = host.home / name
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)

    for shell in filter(shutil.which, SHELLS):
        assert names(host.bring(tiny, shell=shell, python=str(python))) == ["bootstrap", "hello"]


def test_the_second_time_nothing_is_sent(host: Host, tiny: Bundle) -> None:
    host.bring(tiny)

    first, agent = host.bring(tiny, rest=b"next")

    assert first["have"] is True
    assert agent["input"] == "next"


def test_the_agent_starts_alone_with_the_standard_library(host: Host, tiny: Bundle) -> None:
    (host.home / "json.py").write_text("raise SystemExit('the wrong json')")
    (host.home / "beside.py").write_text("raise SystemExit('the wrong one')")

    agent = host.bring(tiny, umask=0o027)[1]

    assert (agent["isolated"], agent["utf8"], agent["site"], agent["umask"]) == (1, 1, False, 0o027)
    assert agent["beside"] == str(host.murder_path / f"agent-{tiny.sha256}" / "beside.py")


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_nobody_else_may_enter_whatever_the_umask(host: Host, tiny: Bundle, umask: int) -> None:
    host.bring(tiny, umask=umask, murder_path="~/deep/.murder", run=None)

    modes = {
        os.lstat(os.path.join(top, name)).st_mode & 0o7777
        for top, directories, files in os.walk(host.home / "deep")
        for name in [*directories, *files]
    }
    assert modes == {0o700, 0o600}


def test_byte_code_is_kept(host: Host, tiny: Bundle) -> None:
    host.bring(tiny)

    compiled = host.murder_path / f"agent-{tiny.sha256}" / "__pycache__"
    assert "beside" in {path.name.split(".")[0] for path in compiled.iterdir()}


def test_the_agent_can_be_put_in_place_without_being_started(host: Host, tiny: Bundle) -> None:
    assert names(host.bring(tiny, run=None)) == ["bootstrap"]
    assert host.agents() == [f"agent-{tiny.sha256}"]


@pytest.mark.parametrize("at", [0, 100, -1])
def test_damaged_bytes_are_refused_and_nothing_is_left(host: Host, tiny: Bundle, at: int) -> None:
    content = bytearray(tiny.path.read_bytes())
    content[at] ^= 1

    events = host.bring(tiny, content=bytes(content))

    assert names(events) == ["bootstrap", "failed"]
    assert "damaged" in events[1]["reason"]
    assert host.agents() == []


def test_bytes_of_another_digest_are_refused(host: Host, tiny: Bundle) -> None:
    events = host.bring(Bundle(tiny.path, "0" * 64, tiny.size, tiny.requires_python))

    assert names(events) == ["bootstrap", "failed"]
    assert host.agents() == []


def test_a_connection_that_ends_early_leaves_nothing(host: Host, tiny: Bundle) -> None:
    events = host.bring(tiny, content=tiny.path.read_bytes()[:100], rest=b"")

    assert events[1]["reason"] == f"the connection ended after 100 of the agent's {tiny.size} bytes"
    assert host.agents() == []


@pytest.mark.parametrize("name", ["../out", "/etc/out", "a//b", "./a", "a/../b", "a\\b"])
def test_a_file_that_would_land_elsewhere_is_refused(host: Host, tmp_path: pathlib.Path, name: str) -> None:
    events = host.bring(packed(tmp_path, {"__main__.py": "", name: "x"}))

    assert names(events) == ["bootstrap", "failed"]
    assert repr(name) in events[1]["reason"]
    assert host.agents() == []


def test_a_directory_of_somebody_else_stays_as_it_is(host: Host, tiny: Bundle) -> None:
    foreign = host.murder_path / f"agent-{tiny.sha256}"
    foreign.mkdir(parents=True)
    (foreign / "precious").write_text("x")

    events = host.bring(tiny)

    assert names(events) == ["failed"]
    assert events[0]["reason"] == f"{foreign} is in the way and was not made by murder_fabric: move it away"
    assert [path.name for path in foreign.iterdir()] == ["precious"]


def test_an_empty_directory_or_a_link_is_not_ours_either(
    host: Host, tiny: Bundle, tmp_path: pathlib.Path
) -> None:
    agent = host.murder_path / f"agent-{tiny.sha256}"
    agent.mkdir(parents=True)
    assert names(host.bring(tiny)) == ["failed"]

    agent.rmdir()
    agent.symlink_to(tmp_path)
    assert names(host.bring(tiny)) == ["failed"]


def test_an_agent_that_lost_files_is_put_right(host: Host, tiny: Bundle) -> None:
    """As after a crash of the host, or what cleans up old files."""
    host.bring(tiny)
    agent = host.murder_path / f"agent-{tiny.sha256}"
    (agent / "beside.py").unlink()
    (agent / "__main__.py").write_text("")

    first, hello = host.bring(tiny)

    assert (first["have"], hello["event"]) == (False, "hello")
    assert host.agents() == [agent.name]
    assert not (agent / ".damaged").exists()


def test_a_path_that_cannot_be_a_directory_is_said(host: Host, tiny: Bundle) -> None:
    (host.home / "file").touch()

    [event] = host.bring(tiny, murder_path="~/file/.murder")

    assert event["reason"] == (
        "cannot put the agent into ~/file/.murder (Not a directory):"
        " set remote_murder_path to a directory that can be written"
    )


@pytest.mark.skipif(os.geteuid() == 0 and shutil.which("setpriv") is None, reason="root needs setpriv")
@pytest.mark.parametrize("closed", ["home", "home/.murder"])
def test_a_directory_that_cannot_be_written_is_said_and_nothing_written(
    host: Host, tiny: Bundle, closed: str
) -> None:
    """Fault rows 35 and 72."""
    if closed == "home/.murder":
        host.murder_path.mkdir()
    (host.home.parent / closed).chmod(0o500)
    before = snapshot(host.home.parent)

    [*begun, failed] = host.bring(tiny, prefix=UNPRIVILEGED)

    assert set(names(begun)) <= {"bootstrap"}
    assert "cannot put the agent into ~/.murder (Permission denied)" in failed["reason"]
    assert snapshot(host.home.parent) == before


@pytest.mark.skipif(not os.path.ismount("/sys"), reason="no read-only /sys on this machine")
def test_a_read_only_file_system_is_said_even_to_root(host: Host, tiny: Bundle) -> None:
    [event] = host.bring(tiny, murder_path="/sys/.murder")

    assert event["reason"].startswith("cannot put the agent into /sys/.murder (")


def test_no_agent_starts_where_others_can_write(host: Host, tiny: Bundle) -> None:
    host.murder_path.mkdir()
    host.murder_path.chmod(0o777)

    [event] = host.bring(tiny)

    assert event["reason"].startswith(f"{host.murder_path} can be changed by other users")
    assert host.agents() == []


@pytest.mark.parametrize("reached", ["as it is", "through a link in it", "by a link to what is in it"])
def test_no_agent_starts_below_a_directory_that_everybody_can_write_to(
    host: Host, tiny: Bundle, reached: str
) -> None:
    """Row 81: who may rename our directory may put another in its place, between looking and starting too."""
    everybodys = host.home / "srv"
    (host.home / "own").mkdir()
    everybodys.mkdir()
    if reached == "through a link in it":
        (everybodys / "deep").symlink_to(host.home / "own")
    elif reached == "by a link to what is in it":
        (everybodys / "deep").mkdir()
        (host.home / "link").symlink_to(everybodys)
    everybodys.chmod(0o777)
    above = host.home / "link" if reached == "by a link to what is in it" else everybodys

    [event] = host.bring(tiny, murder_path=f"{above}/deep/murder")

    assert event["reason"].startswith(f"{above} can be changed by other users, so no agent is started")
    assert not (above / "deep/murder").exists()
    everybodys.chmod(0o1777)
    assert names(host.bring(tiny, murder_path=f"{above}/deep/murder")) == ["bootstrap", "hello"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give away what is his")
@pytest.mark.parametrize("above", ["", "/deep"])
def test_no_agent_starts_from_behind_a_link_of_another_user(host: Host, tiny: Bundle, above: str) -> None:
    """Row 81: it leads to a directory of ours, until it was looked at."""
    sticky, link = host.home / "tmp", host.home / "tmp/murder"
    (host.home / "own").mkdir()
    sticky.mkdir()
    sticky.chmod(0o1777)
    link.symlink_to(host.home / "own")
    os.chown(link, 12345, 12345, follow_symlinks=False)

    [event] = host.bring(tiny, murder_path=f"{link}{above}")

    assert event["reason"].startswith(f"{link} is a link that another user made")
    assert list((host.home / "own").iterdir()) == []
    os.chown(link, 0, 0, follow_symlinks=False)
    assert names(host.bring(tiny, murder_path=f"{link}{above}")) == ["bootstrap", "hello"]


def test_an_agent_starts_from_where_links_led_when_it_was_looked_at(host: Host, tiny: Bundle) -> None:
    own, link = host.home / "own", host.home / "link"
    own.mkdir()
    link.symlink_to(own)

    _, hello = host.bring(tiny, murder_path=f"{link}/murder")

    assert hello["argv"][0] == f"{own}/murder/agent-{tiny.sha256}"


def test_a_directory_like_tmp_will_do(host: Host, tiny: Bundle) -> None:
    host.murder_path.mkdir()
    host.murder_path.chmod(0o1777)

    assert names(host.bring(tiny)) == ["bootstrap", "hello"]


def test_two_at_once_both_get_their_agent(host: Host, tiny: Bundle) -> None:
    both = [host.start(), host.start()]
    for process in both:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(opening(tiny, "~/.murder"))
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["have"] is False
    for number, process in enumerate(both):
        assert process.stdin is not None
        process.stdin.write(tiny.path.read_bytes() + b"%d" % number)
        process.stdin.flush()
    answers = [process.communicate(timeout=60) for process in both]

    assert [errors for _, errors in answers] == [b"", b""]
    assert [json.loads(output)["input"] for output, _ in answers] == ["0", "1"]
    assert host.agents() == [f"agent-{tiny.sha256}"]


def test_agents_that_nobody_started_for_a_month_go(host: Host, tmp_path: pathlib.Path, tiny: Bundle) -> None:
    old, recent = (packed(tmp_path, {"__main__.py": f"# {age}"}) for age in ("old", "recent"))
    for bundle, days in ((old, 31), (recent, 29)):
        host.bring(bundle, run=None)
        marker = host.murder_path / f"agent-{bundle.sha256}" / ".murder-agent"
        os.utime(marker, (time.time() - days * 86400,) * 2)
    foreign = host.murder_path / "agent-foreign"
    foreign.mkdir()
    os.utime(foreign, (0, 0))
    leaving = host.murder_path / ".unpacking-killed"
    leaving.mkdir()
    os.utime(leaving, (0, 0))

    host.bring(tiny)

    assert host.agents() == sorted([f"agent-{recent.sha256}", f"agent-{tiny.sha256}", "agent-foreign"])


@pytest.mark.parametrize("version", TOO_OLD)
def test_an_old_python_says_so_in_a_sentence(host: Host, tiny: Bundle, version: str) -> None:
    python = interpreter(version)

    [event] = host.bring(tiny, python=python)

    assert event["event"] == "failed"
    assert f" here is {version}." in event["reason"]
    assert event["reason"].endswith("the agent needs 3.9 or newer: set murder.python")
    assert list(host.home.iterdir()) == []


class OtherHost:
    """Answers the first connection with *answer*, and then closes it or, with *stays*, says no more."""

    def __init__(self, answer: bytes, stays: bool = False) -> None:
        self.asked = b""
        self._answer = answer
        self._stays = stays
        self._over = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._over.set()
        self._listening.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            connection, _ = self._listening.accept()
            with connection:
                while not self.asked.endswith(b"\r\n\r\n") and (part := connection.recv(4096)):
                    self.asked += part
                connection.sendall(self._answer)
                self._over.wait(30 if self._stays else 0)


def answered(body: bytes) -> bytes:
    return format_response_head(200, len(body), "application/octet-stream", last=True) + body


def place(port: int, patience: float = 20.0) -> bytes:
    where = {"address": "127.0.0.1", "port": port, "path": "/5f", "patience": patience}
    return json.dumps({"fetch": where}).encode() + b"\n"


@pytest.fixture
def other_host() -> Iterator[Callable[..., OtherHost]]:
    begun: list[OtherHost] = []

    def begin(answer: bytes, *, stays: bool = False) -> OtherHost:
        begun.append(OtherHost(answer, stays))
        return begun[-1]

    yield begin
    for one in begun:
        one.end()


@pytest.mark.parametrize("version", SUPPORTED)
def test_the_agent_comes_from_another_host(
    host: Host, tiny: Bundle, other_host: Callable[..., OtherHost], version: str
) -> None:
    other = other_host(answered(tiny.path.read_bytes()), stays=True)
    how = {"python": interpreter(version), "content": b"", "rest": b"exactly this"}
    first, agent = host.bring(tiny, line=place(other.port), **how)

    assert first["have"] is False
    assert agent["input"] == "exactly this"
    assert other.asked == b"GET /5f HTTP/1.0\r\n\r\n"


def test_a_host_without_another_to_fetch_from_gets_its_agent_on_stdin(host: Host, tiny: Bundle) -> None:
    *events, agent = host.bring(tiny, line=b'{"fetch": null}\n', rest=b"exactly this")

    assert names(events) == ["bootstrap", "received"]
    assert agent["input"] == "exactly this"


@pytest.mark.parametrize(
    ("answer", "stays", "reason"),
    [
        ("short", False, "it sent {half} bytes and no more"),
        ("short", True, r"(only \d+ bytes in 0.5 s|timed out)"),
        ("silent", True, r"(only \d+ bytes in 0.5 s|timed out)"),
        ("damaged", False, r"what it has is not the agent \(its SHA-256 differs\)"),
        ("longer", False, r"what it has is not the agent \(its SHA-256 differs\)"),
        ("absent", False, "it does not give the agent"),
        ("endless", False, "it does not answer as a host of ours"),
    ],
)
def test_where_another_host_does_not_give_the_agent_it_comes_on_stdin(
    host: Host, tiny: Bundle, other_host: Callable[..., OtherHost], answer: str, stays: bool, reason: str
) -> None:
    content = tiny.path.read_bytes()
    whole = answered(content)
    half = whole[: len(whole) // 2]
    other = other_host(
        {
            "short": half,
            "silent": b"",
            "damaged": whole[:-1] + b"?",
            "longer": answered(content + b"?"),
            "absent": format_response(404, b"not found" + content),
            "endless": b"x" * 5000,
        }[answer],
        stays=stays,
    )
    line = place(other.port, 0.5 if stays else 20.0)
    first, unfetched, received, agent = host.bring(tiny, line=line, rest=b"exactly this")

    assert names([first, unfetched, received]) == ["bootstrap", "unfetched", "received"]
    said = f"127.0.0.1 port {other.port}: {reason.format(half=len(half))}"
    assert re.fullmatch(said, unfetched["reason"])
    assert agent["input"] == "exactly this"
    assert host.agents() == [f"agent-{tiny.sha256}"]


def test_where_another_host_lets_nobody_in_the_agent_comes_on_stdin(host: Host, tiny: Bundle) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    events = host.bring(tiny, line=place(port), rest=b"exactly this")

    assert events[1]["reason"] == f"127.0.0.1 port {port}: Connection refused"
    assert events[-1]["input"] == "exactly this"


@pytest.mark.parametrize("line", [b"", b'{"fetch": '])
def test_a_connection_that_ends_before_it_says_where_the_agent_is_leaves_nothing(
    host: Host, tiny: Bundle, line: bytes
) -> None:
    process = host.start()
    output, errors = process.communicate(opening(tiny, "~/.murder", passed_on=True) + line, timeout=60)

    events = [json.loads(one) for one in output.splitlines()]
    assert events[1]["reason"] == "the connection ended before it was said where the agent is"
    assert errors == b""
    assert host.agents() == []


#: Imports everything of ours in the bundle and what it runs on, and says what came from elsewhere.
IMPORT_ALL = """\
import importlib, pathlib, sys
top = sys.argv[1]
sys.path.insert(0, top)
from twisted.internet import epollreactor
from twisted.web import client, http, resource, server
import automat, bencodepy
for path in sorted(pathlib.Path(top, "murder_fabric").rglob("*.py")):
    parts = path.relative_to(top).with_suffix("").parts
    importlib.import_module(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
elsewhere = [m.__file__ for m in list(sys.modules.values())
             if m.__name__.split(".")[0] in ("twisted", "zope", "murder_fabric", "bencodepy")
             and not (m.__file__ or top).startswith(top)]
print(elsewhere)
"""


@pytest.mark.parametrize("version", SUPPORTED)
def test_the_real_bundle_imports_on_every_python(host: Host, real: Bundle, version: str) -> None:
    python = interpreter(version)
    assert names(host.bring(real, python=python, run=None)) == ["bootstrap"]

    agent = host.murder_path / f"agent-{real.sha256}"
    ran = subprocess.run(
        [python, "-I", "-S", "-c", IMPORT_ALL, str(agent)], capture_output=True, text=True, timeout=60
    )

    assert (ran.stdout, ran.stderr) == ("[]\n", "")
