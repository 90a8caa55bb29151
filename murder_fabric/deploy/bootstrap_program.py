"""
Runs on a host before any agent is there: puts the agent in place, then becomes it.

It is sent as text and executed (see `bootstrap`), never imported by the operator's side, and keeps to the
syntax of Python 3.5: an interpreter too old for the agent has to say so in a sentence.

One line of JSON comes on stdin, then, if the answer was `"have": false`, `length` bytes of zip:

    -> {"murder_path": "~/.murder", "digest": "<sha256>", "length": 1186023, "requires_python": [3, 9],
        "run": ["control"] or null}
    <- {"event": "bootstrap", "time": ..., "have": false, "python": "3.11.2",
        "executable": "/usr/bin/python3"}

What cannot be done ends in one `failed` with its `reason`. Not a byte of stdin is read beyond what is ours:
the rest belongs to the agent. The agent lies unpacked in `<murder_path>/agent-<digest>`, beside the marker
by which we know a directory of ours.
"""
# f-strings are newer than the oldest interpreter that must understand this.
# ruff: noqa: UP031

import contextlib
import hashlib
import io
import json
import os
import shutil
import stat
import sys
import tempfile
import time
import zipfile

#: Lies in every directory we made; a JSON object with the size of each file beside it.
MARKER = ".murder-agent"
#: Seconds after which what nobody used goes: an agent (its marker is touched at each start), and the
#: leavings of an unpacking that was killed.
AGENT_UNUSED = 30 * 24 * 3600
LEAVINGS_UNUSED = 24 * 3600
UNPACKING = ".unpacking-"
MAX_UNPACKED = 256 << 20


class Refused(Exception):
    """Its text is the sentence the operator reads."""


def say(event: str, **fields: "object") -> None:
    """Put one event on stdout, at once."""
    sys.stdout.write(json.dumps(dict(fields, event=event, time=time.time())) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Answer, unpack if need be, and become the agent; ends with 3 where that cannot be."""
    stdin = io.FileIO(0, closefd=False)
    order = json.loads(stdin.readline().decode())
    try:
        check_interpreter(order["requires_python"])
        umask = os.umask(0o077)
        home = prepare(order["murder_path"])
        agent = os.path.join(home, "agent-" + order["digest"])
        have = is_whole(agent)
        say("bootstrap", have=have, python="%d.%d.%d" % sys.version_info[:3], executable=sys.executable)
        if not have:
            install(receive(stdin, order["length"], order["digest"]), home, agent)
        os.utime(os.path.join(agent, MARKER))
        sweep(home, agent)
        os.umask(umask)
    except OSError as error:
        fail(
            "cannot put the agent into %s (%s): set remote_murder_path to a directory that can be written"
            % (order["murder_path"], error.strerror or error)
        )
    except Refused as refusal:
        fail(str(refusal))
    if order["run"] is not None:
        # -S: only the standard library and the bundle, whatever this host has installed. utf8: file names
        # are the same bytes in every locale.
        command = [sys.executable, "-I", "-S", "-X", "utf8", agent, *order["run"]]
        os.execv(sys.executable, command)  # noqa: S606  (no shell is the point)


def fail(reason: str) -> None:
    """Say why there will be no agent, and end."""
    say("failed", reason=reason)
    sys.exit(3)


def check_interpreter(floor: "list[int]") -> None:
    """Refuse a Python older than *floor*, and one that does not know where it lies."""
    if not sys.executable:
        raise Refused("this Python does not know its own path: set murder.python to an absolute one")
    if list(sys.version_info[:2]) < floor:
        name, version = os.path.basename(sys.executable), "%d.%d.%d" % sys.version_info[:3]
        needed = "%d.%d" % tuple(floor)
        raise Refused(
            "%s here is %s; the agent needs %s or newer: set murder.python" % (name, version, needed)
        )


def prepare(murder_path: str) -> "str":
    """Make the directory for our agents, if it is missing; refuse one where others could put theirs."""
    home = os.path.expanduser(murder_path)
    if not os.path.isabs(home):
        raise Refused("no home directory for %s: set remote_murder_path to an absolute path" % murder_path)
    os.makedirs(home, 0o700, exist_ok=True)
    status = os.stat(home)
    writable = stat.S_IMODE(status.st_mode) & 0o022 and not status.st_mode & stat.S_ISVTX
    if writable or status.st_uid not in (0, os.geteuid()):
        raise Refused(
            "%s can be changed by other users, so no agent is started from it: chmod go-w it, or set"
            " remote_murder_path" % home
        )
    return home


def is_whole(agent: str) -> "bool":
    """Tell whether *agent* is there and ours, with every file in its full size."""
    try:
        status = os.lstat(agent)
    except FileNotFoundError:
        return False
    try:
        with open(os.path.join(agent, MARKER)) as marker:
            sizes = json.load(marker)
    except (OSError, ValueError):
        sizes = None
    ours = stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()
    if not ours or not sizes or not isinstance(sizes, dict):
        raise Refused("%s is in the way and was not made by murder_fabric: move it away" % agent)
    # A crash of the host, or what cleans up /tmp, can leave a directory with empty or missing files.
    return all(size_of(os.path.join(agent, name)) == size for name, size in sizes.items())


def size_of(path: str) -> "int":
    """Return the bytes of a file, -1 if there is none."""
    try:
        return os.lstat(path).st_size
    except OSError:
        return -1


def receive(stdin: io.FileIO, length: int, digest: str) -> "bytes":
    """Read exactly *length* bytes and check that they are what was announced."""
    content = bytearray()
    while len(content) < length:
        part = stdin.read(min(1 << 16, length - len(content)))
        if not part:
            raise Refused("the connection ended after %d of the agent's %d bytes" % (len(content), length))
        content += part
    if hashlib.sha256(content).hexdigest() != digest:
        raise Refused("the agent arrived damaged (its SHA-256 differs), nothing was unpacked: run it again")
    return bytes(content)


def install(content: bytes, home: str, agent: str) -> None:
    """Unpack beside *agent*, then rename; of two who do so at once the later uses what is there."""
    new = tempfile.mkdtemp(prefix=UNPACKING, dir=home)
    try:
        sizes = unpack(content, new)
        with open(os.path.join(new, MARKER), "x") as marker:
            json.dump(sizes, marker)
            marker.flush()
            os.fsync(marker.fileno())  # a marker that outlives a crash shows what else did not
        if os.path.lexists(agent) and not is_whole(agent):
            with contextlib.suppress(FileNotFoundError):  # the other one was quicker
                os.rename(agent, os.path.join(new, ".damaged"))
        try:
            os.rename(new, agent)
        except OSError:
            if not is_whole(agent):
                raise
    finally:
        shutil.rmtree(new, ignore_errors=True)
    shutil.rmtree(os.path.join(agent, ".damaged"), ignore_errors=True)


def unpack(content: bytes, directory: str) -> "dict[str, int]":
    """Write every file of the zip under *directory*; return their sizes by path."""
    sizes = {}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = archive.infolist()
        if sum(entry.file_size for entry in entries) > MAX_UNPACKED:
            raise Refused("the agent is larger than %d bytes, nothing was unpacked" % MAX_UNPACKED)
        for entry in entries:
            parts = entry.filename.split("/")
            if not all(parts) or {".", ".."} & set(parts) or set(entry.filename) & {"\\", "\0"}:
                raise Refused("the agent holds a file called %r, nothing was unpacked" % entry.filename)
            path = os.path.join(directory, *parts)
            os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
                sizes[entry.filename] = file.write(archive.read(entry))
    return sizes


def sweep(home: str, agent: str) -> None:
    """Remove agents that were not started for a month, and leavings; whatever resists stays."""
    for name in os.listdir(home):
        path = os.path.join(home, name)
        if name.startswith("agent-") and path != agent:
            touched, limit = os.path.join(path, MARKER), AGENT_UNUSED
        elif name.startswith(UNPACKING):
            touched, limit = path, LEAVINGS_UNUSED
        else:
            continue
        try:
            ours = os.lstat(path).st_uid == os.geteuid()
            unused = time.time() - os.lstat(touched).st_mtime
        except OSError:
            continue  # not an agent, or somebody else is at it
        if ours and unused > limit:
            shutil.rmtree(path, ignore_errors=True)


if __name__ == "__main__":
    main()
