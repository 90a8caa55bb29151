"""Host expressions: what they expand to, what they refuse, and folding as the inverse."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from murder_fabric.deploy.ranges import MAX_HOSTS, Target, expand, fold, parse_host
from murder_fabric.errors import HostRangeError

ROLES = {"tracker": "deploy1", "peer": "web[1-3]", "all": ["@peer", "db[1-2]"], "loop": "@loop", "empty": ""}

GOOD = [
    ("web1", ["web1"]),
    ("web1, web2", ["web1", "web2"]),
    ("web[1-3]", ["web1", "web2", "web3"]),
    ("web[3]", ["web3"]),
    ("web[1-3, 5]", ["web1", "web2", "web3", "web5"]),
    ("web[008-010,130]", ["web008", "web009", "web010", "web130"]),
    ("web[08-11]", ["web08", "web09", "web10", "web11"]),
    ("web[098-101]", ["web098", "web099", "web100", "web101"]),
    ("web[99-101]", ["web99", "web100", "web101"]),
    ("web[0-1]", ["web0", "web1"]),
    ("web[00-01]", ["web00", "web01"]),
    ("[1-9/2]", ["1", "3", "5", "7", "9"]),
    ("web[01-10/4].example.com", ["web01.example.com", "web05.example.com", "web09.example.com"]),
    ("a[1-2]-b[1-3]", ["a1-b1", "a1-b2", "a1-b3", "a2-b1", "a2-b2", "a2-b3"]),
    ("user@h[1-2]:2222", ["user@h1:2222", "user@h2:2222"]),
    ("127.0.0.1:[2201-2202]", ["127.0.0.1:2201", "127.0.0.1:2202"]),
    ("10.0.[1-2].[1-2]", ["10.0.1.1", "10.0.1.2", "10.0.2.1", "10.0.2.2"]),
    ("::1", ["::1"]),
    ("fe80::1%eth0", ["fe80::1%eth0"]),
    ("[::1]:22", ["[::1]:22"]),
    ("root@[fd00::1]:22,web1", ["root@[fd00::1]:22", "web1"]),
    ("db1,web[1-2],a", ["db1", "web1", "web2", "a"]),
    ("a,a", ["a", "a"]),
    ("web[1-4],!web[2-3]", ["web1", "web4"]),
    ("!web2,web[1-3]", ["web1", "web3"]),
    ("root@web[1-3]:22,!web2", ["root@web1:22", "root@web3:22"]),
    ("root@web[1-2],web1,!root@web1", ["root@web2", "web1"]),
    ("@peer,@tracker", ["web1", "web2", "web3", "deploy1"]),
    ("@all,!web2", ["web1", "web3", "db1", "db2"]),
    ("web[2-4],!@peer", ["web4"]),
    ("x1,!@peer", ["x1"]),
    ("DOMAIN\\me@web1", ["DOMAIN\\me@web1"]),
]

BAD = [
    ("", "empty"),
    ("  ", "empty"),
    ("web[1-", "position 4: '[' is never closed"),
    ("db1,web[1-,x", "position 8: '[' is never closed"),
    ("web1]", "position 5: ']' has no '['"),
    ("web[[1-2]]", "position 5: brackets cannot be nested"),
    ("web[5-1]", "position 5: the range 5-1 runs backwards"),
    ("web[1-99999999]", "99,999,999 hosts are named; 100,000 is the limit"),
    ("web[1-999]-[1-999]", "998,001 hosts are named"),
    ("a[1-60000],b[1-60000]", "position 12: more than 100,000 hosts"),
    ("web[]", "a number is missing"),
    ("web[1,,2]", "position 7: a number is missing"),
    ("web[a-c]", "neither a number nor a range"),
    ("web[1:5]", "write [1-5]"),
    ("web[1:9:3]", "write [1-9/3]"),
    ("web[1-5/0]", "step of 0"),
    ("web[-3]", "lacks a number"),
    ("web[001-20]", "different leading zeros"),
    ("web[1-020]", "different leading zeros"),
    ("web[" + "9" * 5000 + "]", "neither a number nor a range"),
    ("web[\u0661-\u0663]", "neither a number nor a range"),
    ("web1,,web2", "position 6: a host is missing"),
    ("web1,", "a host is missing"),
    (",web1", "position 1: a host is missing"),
    ("web1\r\nweb2", "position 5: the character '\\r'"),
    ("web1\x00", "the character '\\x00'"),
    ("web1\u202e", "cannot be part of a host"),
    ("-oProxyCommand=x", "is an option and no host"),
    ("root@-oProxyCommand=x", "is an option and no host"),
    ("-web[1-2]", "is an option and no host"),
    ("web 1", "is no host name"),
    ("web1;id", "is no host name"),
    ("$(id)", "is no host name"),
    ("@nope", "no role 'nope'; known roles: all, loop, peer, tracker"),
    ("@empty", "the role 'empty' names no hosts"),
    ("@loop", "names itself"),
    ("@", "is no role name"),
    ("a@", "is no host name"),
    ("web1,!", "must be followed by the hosts"),
    ("web1,!!web1", "must be followed by the hosts"),
    ("web[1-3],!wbe2", "position 10: !wbe2 leaves out no host"),
    ("web[1-3],!web[1-3]", "leaves out every host"),
    ("web1:", "no port from 1 to 65535"),
    ("web1:0", "no port from 1 to 65535"),
    ("web1:65536", "no port from 1 to 65535"),
    ("web1:ssh", "no port from 1 to 65535"),
    ("a:b:c", "neither host:port nor an IPv6 address"),
    ("[::1", "never closed"),
    ("[::g]:22", "no bracketed IPv6 address"),
    ("[::1]22", "no bracketed IPv6 address"),
]


@pytest.mark.parametrize(("text", "hosts"), GOOD)
def test_an_expression_names_its_hosts_in_order(text, hosts):
    assert expand(text, roles=ROLES) == hosts


@pytest.mark.parametrize(("text", "reason"), BAD)
def test_a_mistake_is_one_sentence_that_says_where(text, reason):
    with pytest.raises(HostRangeError) as caught:
        expand(text, roles=ROLES)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_an_unknown_role_without_any_roles_says_so():
    with pytest.raises(HostRangeError, match="known roles: none is set"):
        expand("@peer")


def test_the_limit_itself_is_allowed():
    assert len(expand(f"web[1-{MAX_HOSTS}]")) == MAX_HOSTS


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("web1", Target("web1")),
        ("root@web1:2222", Target("web1", "root", 2222)),
        ("[::1]:22", Target("::1", None, 22)),
        ("root@[fd00::1]", Target("fd00::1", "root")),
        ("root@fd00::1", Target("fd00::1", "root")),
        ("me@corp.example@web1", Target("web1", "me@corp.example")),
    ],
)
def test_a_host_is_taken_apart(text, target):
    assert parse_host(text) == target


@pytest.mark.parametrize(
    ("hosts", "text"),
    [
        ([], ""),
        (["web1"], "web1"),
        ([f"web{n}" for n in range(1, 501) if n != 499], "web[1-498,500]"),
        (["web001", "web002", "web010"], "web[001-002,010]"),
        (["web9", "web10", "web011"], "web[9-10,011]"),
        (["10.0.1.1", "10.0.1.2", "10.0.2.2"], "10.0.1.[1-2],10.0.2.2"),
        (["h:2201", "h:2202"], "h:[2201-2202]"),
        (["web3", "web1", "web1"], "web[3,1,1]"),
        (["a", "a"], "a,a"),
        (["::1", "::2", "[::1]:22", "[::2]:22"], "::1,::2,[::1]:22,[::2]:22"),
        (["web1", "db1", "db2"], "web1,db[1-2]"),
    ],
)
def test_hosts_fold_into_ranges(hosts, text):
    assert fold(hosts) == text


NUMBERS = st.one_of(st.integers(0, 12).map(str), st.integers(0, 120).map(lambda n: f"{n:03}"))
NAMES = st.builds(
    lambda user, name, number, tail, port: f"{user}{name}{number}{tail}{port}",
    st.sampled_from(["", "root@", "u2@"]),
    st.sampled_from(["web", "a1-b", "10.0.1.", "x-"]),
    NUMBERS,
    st.sampled_from(["", ".example.com", "-2"]),
    st.sampled_from(["", ":22", ":2222"]),
)
HOSTS = st.lists(
    st.one_of(NAMES, st.sampled_from(["::1", "::2", "[::1]:22", "fe80::1%eth0", "db", "1", "2", "7" * 40])),
    min_size=1,
)


@given(HOSTS)
def test_expanding_what_was_folded_gives_the_hosts_back(hosts):
    assert expand(fold(hosts)) == hosts


@given(st.integers(0, 2000), st.integers(0, 300), st.integers(1, 7), st.sampled_from([0, 2, 5]))
def test_folding_what_was_expanded_names_the_same_hosts(first, more, step, width):
    low, high = str(first).zfill(width), str(first + more).zfill(width)
    hosts = expand(f"web[{low}-{high}/{step}].example.com")
    assert expand(fold(hosts)) == hosts
    assert len(hosts) == more // step + 1
