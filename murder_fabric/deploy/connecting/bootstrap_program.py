"""
Runs on a host before any agent is there: puts the agent in place, then becomes it.

It is sent as text and executed (see `bootstrap`), never imported by the operator's side, and keeps to the
syntax of Python 3.5: an interpreter too old for the agent has to say so in a sentence.

One line of JSON comes on stdin, then, if the answer was `"have": false`, `length` bytes of zip:

    -> {"murder_path": "~/.murder", "digest": "<sha256>", "length": 1186023, "requires_python": [3, 9],
        "run": ["control"] or null}
    <- {"event": "bootstrap", "time": ..., "have": false, "python": "3.11.2",
        "executable": "/usr/bin/python3"}

If the order has `"passed_on": true`, a line comes before those bytes. It says which other host has them;
else, or where they are not to be had there, they come on stdin as ever:

    -> {"fetch": {"address": "192.0.2.7", "port": 8998, "path": "/5f...", "patience": 5.9}} or {"fetch": null}
    <- {"event": "unfetched", "time": ..., "reason": "192.0.2.7 port 8998: Connection refused"}
    <- {"event": "received", "time": ...} once they have come on stdin

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
#: Seconds in which another host must let us in, and after which one that says nothing is given up.
CONNECT_LIMIT = 3.0
SILENCE_LIMIT = 10.0
MAX_HEAD = 4096
OPEN = (
    "%s can be changed by other users, so no agent is started from there: chmod go-w it, or set"
    " remote_murder_path"
)
LED = (
    "%s is a link that another user made and can lead elsewhere, so no agent is started from behind it:"
    " have it removed, or set remote_murder_path"
)


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
            install(obtain(stdin, **order), home, agent)
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
    refuse_what_others_lead(home)
    # Links are followed once: what was looked at is what the agent starts from.
    home = os.path.realpath(home)
    os.makedirs(home, 0o700, exist_ok=True)
    refuse_what_others_lead(home)  # somebody may have been quicker to make one of them
    status = os.lstat(home)
    if os.path.realpath(home) != home or is_open(status, 0o022) or is_anothers(status):
        raise Refused(OPEN % home)
    return home


def refuse_what_others_lead(home: str) -> None:
    """Refuse a place that a link of somebody else leads to, or above which everybody can rename things."""
    for place in (home, os.path.realpath(home)):
        while place != os.path.dirname(place):
            if os.path.islink(place) and is_anothers(os.lstat(place)):
                raise Refused(LED % place)
            place = os.path.dirname(place)
            if os.path.isdir(place) and is_open(os.stat(place), stat.S_IWOTH):
                raise Refused(OPEN % place)


def is_anothers(status: os.stat_result) -> "bool":
    """Tell whether what was looked at is neither ours nor root's."""
    return status.st_uid not in (0, os.geteuid())


def is_open(status: os.stat_result, whom: int) -> "bool":
    """Tell whether others, by the bits *whom*, can change a directory; a sticky bit keeps them from ours."""
    return bool(status.st_mode & whom and not status.st_mode & stat.S_ISVTX)


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


def obtain(stdin: io.FileIO, length: int, digest: str, passed_on: bool = False, **_: "object") -> "bytes":
    """Return the agent's bytes, from the host that a line on stdin names, or else from stdin."""
    if not passed_on:
        return receive(stdin, length, digest)
    try:
        where = json.loads(stdin.readline().decode())["fetch"]
    except ValueError:
        raise Refused("the connection ended before it was said where the agent is") from None
    if where is not None:
        try:
            return fetch(length, digest, **where)
        except (OSError, Refused) as error:
            reason = getattr(error, "strerror", None) or error
            say("unfetched", reason="%s port %d: %s" % (where["address"], where["port"], reason))
    content = receive(stdin, length, digest)
    say("received")
    return content


def fetch(length: int, digest: str, address: str, port: int, path: str, patience: float) -> "bytes":
    """Get *length* bytes by HTTP in the time there is, and check that they are what was announced."""
    import socket  # few need it

    end = time.monotonic() + patience
    content = bytearray()
    with contextlib.closing(socket.create_connection((address, port), CONNECT_LIMIT)) as peer:
        peer.sendall(("GET %s HTTP/1.0\r\n\r\n" % path).encode("ascii"))
        while body_length(content) < length:
            left = end - time.monotonic()
            if left <= 0:
                raise Refused("only %d bytes in %g s" % (len(content), patience))
            peer.settimeout(min(left, SILENCE_LIMIT))
            part = peer.recv(1 << 16)
            if not part:
                raise Refused("it sent %d bytes and no more" % len(content))
            content += part
    body = bytes(content[-body_length(content) :])
    if len(body) != length or hashlib.sha256(body).hexdigest() != digest:
        raise Refused("what it has is not the agent (its SHA-256 differs)")
    return body


def body_length(content: bytearray) -> "int":
    """Return how many bytes of an HTTP answer came after its head; refuse one that gives nothing."""
    end = content.find(b"\r\n\r\n", 0, MAX_HEAD)
    if end < 0:
        if len(content) >= MAX_HEAD:
            raise Refused("it does not answer as a host of ours")
        return 0
    if content[:7] != b"HTTP/1." or content[8:13] != b" 200 ":
        raise Refused("it does not give the agent")
    return len(content) - end - 4


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
