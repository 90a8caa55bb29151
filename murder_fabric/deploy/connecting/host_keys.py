"""
Host keys, checked as OpenSSH would: `known_hosts`, `StrictHostKeyChecking`, `UserKnownHostsFile`.

Fabric accepts every key. Paramiko's own reader of `known_hosts` fails as a whole at the first line with
`@cert-authority`; ours reads line by line and passes over what it cannot use.
"""

from __future__ import annotations

import base64
import hmac
import os
import shlex
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

import fabric
from paramiko import AutoAddPolicy, MissingHostKeyPolicy, PKey, SSHClient, Transport

from ..failures import HostKeyError

#: ssh_config(5), where the files are not named.
USER_FILES = "~/.ssh/known_hosts ~/.ssh/known_hosts2"
GLOBAL_FILES = "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2"
#: What `StrictHostKeyChecking` says, in our words; nobody is there to be asked 500 times.
STRICTNESS = {"yes": "strict", "ask": "strict", "accept-new": "accept-new", "no": "off", "off": "off"}


class KnownKey(NamedTuple):
    """One line of a known_hosts file (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT)."""

    patterns: str
    key_type: str
    #: In base64, as it was written.
    key: str
    #: `@revoked`, `@cert-authority` or nothing.
    marker: str
    #: `file:line`, for who must mend it.
    where: str


def parse_known_hosts(lines: Iterable[str], path: str) -> list[KnownKey]:
    """Return the entries among *lines*; what is no entry is passed over, as OpenSSH does."""
    entries = []
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        marker = words.pop(0) if words[0].startswith("@") else ""
        if len(words) >= 3 and marker in ("", "@revoked", "@cert-authority"):
            entries.append(KnownKey(words[0], words[1], words[2], marker, f"{path}:{number}"))
    return entries


def names_host(patterns: str, name: str) -> bool:
    """Return whether the first field of a line means *name*: plain, with wildcards and `!`, or hashed."""
    if patterns.startswith("|1|"):
        salt, _, digest = patterns[3:].partition("|")
        try:
            wanted = hmac.digest(base64.b64decode(salt), name.encode(), "sha1")
            return hmac.compare_digest(wanted, base64.b64decode(digest))
        except ValueError:  # no base64, or no ASCII at all
            return False
    found = False
    for pattern in patterns.lower().split(","):
        # With many stars a regular expression made by hand would take for ever; and `[` is no wildcard here.
        if fnmatchcase(name, pattern.lstrip("!").replace("[", "[[]")):
            if pattern.startswith("!"):
                return False
            found = True
    return found


def judge(entries: Iterable[KnownKey], key_type: str, key: str) -> tuple[str, str]:
    """
    Compare a key with what is known of its host.

    A host known by keys of other types only counts as changed: it was asked for those types first.

    Returns:
        `known`, `changed`, `revoked` or `unknown`; and where that is written.
    """
    verdict, where = "unknown", ""
    for entry in entries:
        same = (entry.key_type, entry.key) == (key_type, key)
        if entry.marker == "@revoked" and same:
            return "revoked", entry.where
        if not entry.marker and verdict != "known":
            verdict, where = ("known" if same else "changed"), entry.where
    return verdict, where


def tell_on_stderr(host: str, sentence: str) -> None:
    """Say what became of the key of *host*, where no run has a view to say it."""
    print(f"murder: {host}: {sentence}", file=sys.stderr)


class HostKeys:
    """
    The known hosts of one run; each file is read once.

    Args:
        default: `strict`, `accept-new` or `off`, for hosts of which ssh_config says nothing.
        tell: takes a host, as it was written, and what to know of its key though it was accepted; called by
            whatever thread connects.
    """

    def __init__(self, default: str, tell: Callable[[str, str], None] = tell_on_stderr) -> None:
        self.tell = tell
        self._default = default
        self._files: dict[str, list[KnownKey]] = {}
        self._lock = threading.Lock()

    def guard(self, connection: fabric.Connection) -> None:
        """
        Make *connection*, and each it goes through, refuse a host that is not who it was, when it is opened.

        A policy other than Fabric's, which accepts all, was chosen by whoever made the connection: it stays.
        """
        if isinstance(connection.gateway, fabric.Connection):
            self.guard(connection.gateway)
        # Paramiko has no way to ask; where it hides it in another place one day, ours is taken.
        if isinstance(getattr(connection.client, "_policy", None), (AutoAddPolicy, type(None))):
            self._guard(connection)

    def _guard(self, connection: fabric.Connection) -> None:
        word = str(connection.ssh_config.get("stricthostkeychecking", "")).lower()
        user_files = _paths(connection.ssh_config, "userknownhostsfile", USER_FILES)
        global_files = _paths(connection.ssh_config, "globalknownhostsfile", GLOBAL_FILES)
        names = _names(connection)
        entries = [
            entry
            for path in [*user_files, *global_files]
            for entry in self._entries(path)
            if any(names_host(entry.patterns, name) for name in names)
        ]
        strictness = STRICTNESS.get(word, self._default)
        policy = _Policy(self, connection.original_host, names[0], entries, strictness, user_files)
        connection.client.set_missing_host_key_policy(policy)
        known_types = {entry.key_type for entry in entries if not entry.marker}
        # A copy: Fabric may have given it those of the configuration, which other hosts share.
        own = dict(connection.connect_kwargs, transport_factory=_preferring(known_types))
        connection.connect_kwargs = own

    def remember(self, name: str, key: PKey, path: str) -> None:
        """Append the key of a new host to the known_hosts file at *path*."""
        line = f"{name} {key.get_name()} {key.get_base64()}\n"
        with self._lock:
            file = Path(path)
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
            with os.fdopen(descriptor, "r+b") as known:
                if known.seek(0, os.SEEK_END):
                    known.seek(-1, os.SEEK_END)
                    line = line if known.read() == b"\n" else f"\n{line}"
                known.write(line.encode())
            self._files.pop(path, None)

    def _entries(self, path: str) -> list[KnownKey]:
        with self._lock:
            if path not in self._files:
                try:
                    text = Path(path).read_text(encoding="utf-8", errors="replace")
                except OSError:
                    text = ""
                self._files[path] = parse_known_hosts(text.splitlines(), path)
            return self._files[path]


class _Policy(MissingHostKeyPolicy):
    """Asked by Paramiko about every host, as its own list of keys stays empty."""

    def __init__(
        self,
        host_keys: HostKeys,
        host: str,
        name: str,
        entries: list[KnownKey],
        strictness: str,
        files: list[str],
    ) -> None:
        self._host_keys = host_keys
        self._host = host
        self._name = name
        self._entries = entries
        self._strictness = strictness
        self._files = files

    def missing_host_key(self, client: SSHClient, hostname: str, key: PKey) -> None:
        verdict, where = judge(self._entries, key.get_name(), key.get_base64())
        if verdict == "revoked":  # which OpenSSH refuses too, however lax it was told to be
            raise HostKeyError(f"the host key of {self._name} is revoked in {where}")
        if verdict == "changed" and self._strictness == "off":
            said = f"the host key is not the one in {where}: this may be another machine; its check is off"
            self._host_keys.tell(self._host, said)
        if verdict == "known" or self._strictness == "off":
            return
        if verdict == "changed":
            raise HostKeyError(
                f"the host key of {self._name} is not the one in {where}: this may be another machine; "
                f"if the host was set up anew, `{_forgetting(self._name, where)}` forgets the old key"
            )
        if self._strictness == "accept-new" and self._files:
            self._host_keys.remember(self._name, key, self._files[0])
            said = f"the host key was unknown; it was accepted, and is in {self._files[0]} from now on"
            self._host_keys.tell(self._host, said)
            return
        authority = any(entry.marker == "@cert-authority" for entry in self._entries)
        files = " or ".join(self._files) or "any file"
        # Without name and fingerprint, so that all new hosts share a line; ssh shows both.
        raise HostKeyError(
            f"the host key is not in {files}: "
            + "its @cert-authority cannot be checked by Paramiko; " * authority
            + "check it and add it by logging in with ssh once, or set murder.host_keys to accept-new",
            self._name,
        )


def _forgetting(name: str, where: str) -> str:
    """Return the command that removes the keys of *name* from the file of *where*, which is `file:line`."""
    path = where.rpartition(":")[0]
    is_default = path == os.path.expanduser(USER_FILES.split()[0])
    return f"ssh-keygen -R '{name}'" + f" -f {shlex.quote(path)}" * (not is_default)


def _names(connection: fabric.Connection) -> list[str]:
    """Return under which names OpenSSH looks the host up; new keys are written under the first."""
    alias = connection.ssh_config.get("hostkeyalias")
    if alias:
        return [str(alias).lower()]
    host = connection.host.lower()
    return [host] if connection.port == 22 else [f"[{host}]:{connection.port}"]


def _paths(ssh_config: Mapping[str, Any], keyword: str, default: str) -> list[str]:
    words = shlex.split(str(ssh_config.get(keyword, default)))
    home = os.path.expanduser("~")
    return [os.path.expanduser(word.replace("%d", home)) for word in words if word.lower() != "none"]


def _preferring(known_types: set[str]) -> Callable[..., Transport]:
    """Return what makes a transport that asks the host for a key of the known types first."""

    def make(*args: Any, **kwargs: Any) -> Transport:
        transport = Transport(*args, **kwargs)
        options = transport.get_security_options()
        known = [name for name in options.key_types if _key_type(name) in known_types]
        options.key_types = [*known, *(name for name in options.key_types if name not in known)]
        return transport

    return make


def _key_type(algorithm: str) -> str:
    """Return the type of key that a signature algorithm needs."""
    return "ssh-rsa" if algorithm.startswith("rsa-sha2-") else algorithm
