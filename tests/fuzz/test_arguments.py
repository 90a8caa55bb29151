"""Host lists, tags and destinations as people, scripts and branch names give them; rows 68 and 69."""

from __future__ import annotations

import re

from bounded import patient, read
from hypothesis import given
from hypothesis import strategies as st

from murder_fabric.control import check_depth, check_tag
from murder_fabric.deploy.ranges import expand, fold, parse_host
from murder_fabric.errors import BadInput, HostRangeError

WORDS = [
    "web",
    "1",
    "01",
    "[",
    "]",
    "-",
    ",",
    "[1-3]",
    "[08-10]",
    "{a,b}",
    "@",
    ":22",
    "::1",
    "[::1]",
    "^",
    "!",
    " ",
]
WORDS += [
    "-oProxyCommand=x",
    "$(id)",
    "`",
    "'",
    "\n",
    "\0",
    "\u202e",
    "é",
    "%s",
    "*",
    "~",
    "..",
    "/",
    ";",
    "user@",
]
expressions = st.lists(st.sampled_from(WORDS) | st.text(max_size=3), max_size=8).map("".join)
hosts = st.builds(
    "{}{}{}".format, st.sampled_from(["web", "db-", "a.b"]), st.integers(0, 120), st.sampled_from(["", ".x"])
)


@patient
@given(expressions)
def test_host_lists(text):
    # A few signs may name a hundred thousand hosts, and no more.
    found = read(expand, text, HostRangeError, size=1 << 20)
    for host in found or ():
        assert not host.startswith("-")
        assert not re.search(r"\s", host)


@patient
@given(expressions)
def test_hosts(text):
    target = read(parse_host, text, HostRangeError)
    assert target is None or not target.host.startswith("-")


@patient
@given(st.lists(hosts, max_size=30, unique=True))
def test_what_is_folded_expands_to_the_same_hosts(names):
    assert sorted(expand(fold(names)) if names else []) == sorted(names)


@patient
@given(st.text(max_size=110) | st.from_regex(r"[A-Za-z0-9._-]{1,101}", fullmatch=True))
def test_tags(text):
    tag = read(check_tag, text, BadInput)
    if tag is not None:
        assert tag == text
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", tag, re.ASCII)


@patient
@given(st.lists(st.sampled_from(["/", "srv", "..", ".", "~", "a b", "$(id)", "\n"]), max_size=6).map("".join))
def test_destinations(text):
    path = read(check_depth, text, BadInput)
    assert path is None or path == text
    assert path not in ("/", "//", "/srv", "/srv/")
