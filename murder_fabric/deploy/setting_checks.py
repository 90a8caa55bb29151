"""What a setting may be: each check returns the value as it is kept, or says what it must be."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from ..units import parse_rate
from .hook_names import TASKS_ONLY, complaint
from .ranges import RoleHosts

#: The roles of Murder; others may be named too, for `-H @name`.
ROLES = ("tracker", "seeder", "peer")

#: Returns the value as it is kept; raises ValueError with what the setting must be.
Check = Callable[[Any], Any]


def whole(low: int, high: int) -> Check:
    """Return the check of a whole number from *low* to *high*."""

    def check(value: Any) -> int:
        if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value):
            value = int(value)
        if type(value) is not int or not low <= value <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return value

    return check


def text(pattern: str, meant: str, *, optional: bool = False) -> Check:
    """Return the check of what matches *pattern*; *meant* says what that is."""

    def check(value: Any) -> str:
        if value is None and optional:
            value = ""
        if type(value) in (int, float):  # YAML reads the tag 20261121 and the tag 1.5 as numbers.
            value = str(value)
        if not isinstance(value, str) or not (re.fullmatch(pattern, value) or (optional and not value)):
            raise ValueError(meant)
        return value

    return check


def path(value: Any) -> str:
    """Check a path that means the same wherever one stands, or none."""
    meant = "an absolute path or one that starts with ~/, without '..' in it, and not '/' or '~' itself"
    if value in (None, ""):
        return ""
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if not isinstance(value, str) or not value.isprintable() or not value.startswith(("/", "~/")):
        raise ValueError(meant)
    normal = os.path.normpath(value)
    if ".." in value.split("/") or normal in ("/", "//", "~"):
        raise ValueError(meant)
    return normal


def below(value: Any) -> str:
    """Check paths below `shared/`."""
    meant = "paths below shared/, with a comma between two, such as log, tmp/pids"
    if value in (None, "", [], ()):
        return ""
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, (list, tuple)) or not all(isinstance(part, str) for part in parts):
        raise ValueError(meant)
    paths = [part.strip().rstrip("/") for part in parts]
    for one in paths:
        names = one.split("/")
        if not one.isprintable() or re.search(r"[*?\[\]!,\\]", one) or {"", ".", ".."} & set(names):
            raise ValueError(meant)
    return ", ".join(dict.fromkeys(paths))


def ports(value: Any) -> str:
    """Check a port or a range of them; it is kept as a range."""
    match = re.fullmatch(r"([0-9]{1,5})(?:-([0-9]{1,5}))?", str(value))
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not 0 < first <= last < 65536:
        raise ValueError("a port such as 6881 or a range of ports such as 6881-6999")
    return f"{first}-{last}"


def urls(value: Any) -> str:
    """Check the URLs of web seeds."""
    meant = "URLs that begin with http:// or https:// and a host, all else quoted, with a space between two"
    found = (value or "").split() if isinstance(value, str) or value is None else value
    if not isinstance(found, (list, tuple)):
        raise ValueError(meant)
    if not all(isinstance(url, str) and re.fullmatch(r"https?://[!-.0-~]+(/[!-~]*)?", url) for url in found):
        raise ValueError(meant)
    return " ".join(dict.fromkeys(found))


def tracker_url(value: Any) -> str:
    """Check an announce URL, or none."""
    if value in (None, ""):
        return ""
    if not isinstance(value, str) or not re.fullmatch(r"https?://[!-.0-~]+/[!-~]*", value):
        raise ValueError("the announce URL of a tracker, such as http://tracker.example.com:6969/announce")
    return value


def webhook(value: Any) -> str:
    """Check the URL of a webhook, or none; it is a secret where it is Slack's, and not shown by us."""
    if value in (None, ""):
        return ""
    meant = "a URL that takes JSON by POST, such as https://hooks.example.com/services/T0/B0/x"
    if not isinstance(value, str) or not re.fullmatch(r"https?://[!-.0-?A-~]+(/[!-~]*)?", value):
        raise ValueError(meant)
    try:
        parts = urlsplit(value)
        is_whole = bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets or a port that are none
        is_whole = False
    if not is_whole:
        raise ValueError(meant)
    return value


def failures(value: Any) -> str:
    """Check how many hosts, or which share of them."""
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,6}|[0-9]{1,2}%|100%", str(value)):
        raise ValueError("a number of hosts such as 3, or a share of them such as 10%")
    return str(value)


def batch(value: Any) -> str:
    """Check how many hosts at a time, or which share of them; at least one, or no batches."""
    if value in (None, ""):
        return ""
    if isinstance(value, bool) or not re.fullmatch(r"[1-9][0-9]{0,5}|[1-9][0-9]?%|100%", str(value)):
        raise ValueError("a number of hosts from 1 on such as 3, or a share of them such as 10%")
    return str(value)


def moment(value: Any) -> str:
    """Check that it may be a moment; see `waves.moment_of`. YAML makes numbers and dates of bare ones."""
    if isinstance(value, datetime):
        return value.isoformat()
    if value is not None and not isinstance(value, str):
        raise ValueError("a moment in quotes such as '03:00' or '2026-11-22T03:00:00+01:00'")
    return value or ""


def rate(value: Any) -> str:
    """Check a limit in bytes a second, or none; it is kept as their number."""
    return "" if value in (None, "") else str(parse_rate(str(value)))


def dscp(value: Any) -> str:
    """Check how packets are marked, or that they are not."""
    return "" if value in (None, "") else str(whole(0, 63)(value))


def health_check(value: Any) -> str:
    """Check a command, or an HTTP URL, or none."""
    if value in (None, ""):
        return ""
    if not isinstance(value, str) or "\0" in value or not value.strip():
        raise ValueError("a command, or a URL such as http://127.0.0.1:8000/health")
    if re.match(r"https?:", value, re.IGNORECASE) and not re.fullmatch(
        r"https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?([/?][!-~]*)?", value
    ):
        raise ValueError("a URL such as http://127.0.0.1:8000/health, without user or fragment, all quoted")
    return value


def hooks(value: Any) -> dict[str, list[str]]:
    """Check the commands of hooks."""
    meant = "names of hooks such as before_switch, each with a command or a list of them"
    if not isinstance(value, Mapping):
        raise ValueError(meant)
    found = {}
    for name, given in value.items():
        if wrong := complaint(str(name)):
            raise ValueError(f"{meant}: {wrong}")
        commands = [given] if isinstance(given, str) else given or []
        if not isinstance(commands, (list, tuple)) or not all(map(_is_command, commands)):
            raise ValueError(f"{meant}; {name} is not")
        if commands and name in TASKS_ONLY:
            raise ValueError(f"{meant}; {name} can only be a task of murder.hooks, no agent is there then")
        found[name] = list(commands)
    return found


def _is_command(value: Any) -> bool:
    return isinstance(value, str) and "\0" not in value and bool(value.strip())


def user(value: Any) -> str:
    """Check whom sudo is to make of the user who logs in; nobody else where empty."""
    if isinstance(value, bool):
        return "root" if value else ""
    checked: str = text(r"[A-Za-z_][A-Za-z0-9_.-]*", "the user to become on the host", optional=True)(value)
    return checked


def roles(value: Any) -> dict[str, RoleHosts]:
    """Check the hosts of roles; those of Murder are always there."""
    meant = "role names, each with a host expression or a list of them"
    if not isinstance(value, Mapping):
        raise ValueError(meant)
    found: dict[str, RoleHosts] = {}
    for name, hosts in value.items():
        if isinstance(hosts, (list, tuple)) and all(isinstance(host, str) for host in hosts):
            hosts = [host for host in hosts if host]
        elif not isinstance(hosts, str) and hosts is not None:
            raise ValueError(meant)
        if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", name):
            raise ValueError(meant)
        found[name] = hosts or ""
    return {**dict.fromkeys(ROLES, ""), **found}


def choice(*words: str) -> Check:
    """Return the check of one of *words*."""

    def check(value: Any) -> str:
        if value is False and "off" in words:  # YAML 1.1 reads a bare `off` as no.
            value = "off"
        if value not in words:
            raise ValueError(" or ".join([", ".join(words[:-1]), words[-1]]))
        return str(value)

    return check
