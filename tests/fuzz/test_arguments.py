"""Host lists, tags and destinations as people, scripts and branch names give them; rows 68 and 69."""

from __future__ import annotations

import os

from bounded import patient
from every_parser import PARSERS
from hypothesis import given
from hypothesis import strategies as st

from murder_fabric.deploy.ranges import expand, fold

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
    PARSERS["host lists"].read(os.fsencode(text))


@patient
@given(expressions)
def test_hosts(text):
    PARSERS["hosts"].read(os.fsencode(text))


@patient
@given(st.lists(hosts, max_size=30, unique=True))
def test_what_is_folded_expands_to_the_same_hosts(names):
    assert sorted(expand(fold(names)) if names else []) == sorted(names)


@patient
@given(st.text(max_size=110) | st.from_regex(r"[A-Za-z0-9._-]{1,101}", fullmatch=True))
def test_tags(text):
    PARSERS["tags"].read(os.fsencode(text))


@patient
@given(st.lists(st.sampled_from(["/", "srv", "..", ".", "~", "a b", "$(id)", "\n"]), max_size=6).map("".join))
def test_destinations(text):
    PARSERS["destinations"].read(os.fsencode(text))
    PARSERS["paths"].read(os.fsencode(text))
