"""Host lists, tags, paths, addresses and rates as people, scripts and branch names give them."""

from __future__ import annotations

import os
import re
from functools import partial
from typing import Any, Callable

from mutating import parts
from parsing import Parser

from murder_fabric.agent.addresses import Listen, parse_listen
from murder_fabric.agent.destination import expand as expand_destination
from murder_fabric.control import check_depth, check_tag
from murder_fabric.deploy.connecting.host_keys import names_host, parse_known_hosts
from murder_fabric.deploy.ranges import Target, expand, parse_host
from murder_fabric.errors import BadInput, HostRangeError
from murder_fabric.units import LEAST_RATE, parse_rate


def text(parse: Callable[[str], Any]) -> Callable[[bytes], Any]:
    """Return what *parse* makes of an argument as the system hands it over, which need be no UTF-8."""
    return lambda data: parse(os.fsdecode(data))


def said(*samples: str) -> tuple[bytes, ...]:
    return tuple(map(os.fsencode, samples))


def are_hosts(found: list[str], data: bytes) -> None:
    assert not any(host.startswith("-") for host in found)
    assert not re.search(r"\s", "".join(found))


def is_a_host(target: Target, data: bytes) -> None:
    assert not target.host.startswith("-")
    assert target.port is None or 0 < target.port < 65536


def is_a_tag(tag: str, data: bytes) -> None:
    assert os.fsencode(tag) == data
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", tag, re.ASCII)


def is_deep_enough(path: str, data: bytes) -> None:
    assert os.fsencode(path) == data
    assert path not in ("/", "//", "/srv", "/srv/")


def is_absolute(path: str, data: bytes) -> None:
    assert path.startswith("/")
    assert path.count("/") >= 2
    assert ".." not in path.split("/")
    assert "\0" not in path


def is_where_to_listen(listen: Listen, data: bytes) -> None:
    assert 0 <= listen.first_port <= listen.last_port <= 65535
    assert parse_listen(str(listen)) == listen


def is_a_rate(rate: int, data: bytes) -> None:
    assert rate >= LEAST_RATE


def known(data: bytes) -> Any:
    """Return which lines of a known_hosts file mean one of two names."""
    lines = parse_known_hosts(data.decode("utf-8", "replace").splitlines(), "known_hosts")
    return [
        line for line in lines if names_host(line.patterns, "web1") or names_host(line.patterns, "[db]:2222")
    ] or None


# Said twice in a word, the first range makes 2,209 hosts; said three times, too many. Short ranges would
# be said ten times before that, and cost as much as all the other inputs.
EXPRESSIONS = (
    "web[1-47]",
    "web[08-10],db",
    "a@h:22,b,!b",
    "[::1]:22,::1",
    "web[1,2,5-9/2].x",
    "x[1-2]y",
    "@db,!db2",
)
ROLES = {"db": ["db1", "db2", "@web"], "web": "web1", "itself": "@itself"}
HOSTS = ("web1", "root@web1:2222", "::1", "root@[fd00::1]:22", "fe80::1%eth0", "DOM\\user@a.b-c")
OF_HOSTS = (
    *("{a,b}", "@", ":22", "[::1]", "^", "!", "$(id)", "`", "*", "~", ";", "user@", "[", "]"),
    *("-oProxyCommand=x", "é", "@itself", "@none"),
)
PATHS = ("/srv/app", "~/app", "~root/app", "/srv/a b", "/srv/app/", "/srv/./x", "/var/tmp/é")
OF_PATHS = ("~", "~root", "~nobody/", "//", "/./", "/../", "$(id)", "\\", "\0")
KNOWN = (
    "web1,10.0.0.1 ssh-ed25519 AAAA\n# a comment\n@revoked * ssh-rsa BBBB\n[db]:2222 ssh-rsa CCCC ann@desk\n",
    "|1|c2FsdA==|ZGlnZXN0 ssh-ed25519 AAAA\n!web2,web? ssh-ed25519 AAAA\n@cert-authority *.x ssh-rsa BBBB\n",
)
COMMA, SLASH = parts(b","), parts(b"/")
PARSERS = [
    # A few signs may name a hundred thousand hosts, and no more.
    Parser(
        "host lists",
        text(partial(expand, roles=ROLES)),
        HostRangeError,
        said(*EXPRESSIONS),
        are_hosts,
        COMMA,
        said(*OF_HOSTS),
        1 << 20,
    ),
    Parser("hosts", text(parse_host), HostRangeError, said(*HOSTS), is_a_host, None, said(*OF_HOSTS)),
    Parser("tags", text(check_tag), BadInput, said("v1", "2026-11-22_06.35", "a" * 100), is_a_tag),
    Parser("destinations", text(check_depth), BadInput, said(*PATHS), is_deep_enough, SLASH, said(*OF_PATHS)),
    Parser("paths", text(expand_destination), BadInput, said(*PATHS), is_absolute, SLASH, said(*OF_PATHS)),
    Parser(
        "where to listen",
        text(parse_listen),
        BadInput,
        said("10.0.0.5:6881", "[fd00::5]:6881-6999", "0.0.0.0:0", "[::1%lo]:65535"),
        is_where_to_listen,
    ),
    Parser(
        "rates",
        text(parse_rate),
        ValueError,
        said("10MB", "1.5 MB/s", "80Mbit", "500000", "0.01 GB", "123456789", "20kB", "1.000001Gbit/s"),
        is_a_rate,
        words=said("kB", "MB", "GB", "kbit", "/s", ".", " "),
    ),
    Parser(
        "known hosts", known, (), said(*KNOWN), shape=parts(b"\n"), words=said("|1|", "@", "*", "?", "!", " ")
    ),
]
