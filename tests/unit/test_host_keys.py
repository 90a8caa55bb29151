"""Who is known by which key: the lines of known_hosts, and what is made of them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import types

import pytest

from murder_fabric.deploy.connecting.host_keys import HostKeys, _Policy, judge, names_host, parse_known_hosts
from murder_fabric.deploy.failures import HostKeyError

LINES = """
# a comment

web1,10.0.0.1 ssh-ed25519 AAAA me@desk
@cert-authority *.example.com ssh-ed25519 CCCC
@revoked * ssh-ed25519 EVIL
@unknown web1 ssh-ed25519 XXXX
just two
web1 ssh-rsa BBBB
"""


def hashed(name, salt=b"0123456789abcdefghij"):
    digest = hmac.new(salt, name.encode(), hashlib.sha1).digest()
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"


def test_a_line_we_cannot_use_does_not_hide_the_others():
    entries = parse_known_hosts(LINES.splitlines(), "kh")
    assert [(entry.marker, entry.key, entry.where) for entry in entries] == [
        ("", "AAAA", "kh:4"),
        ("@cert-authority", "CCCC", "kh:5"),
        ("@revoked", "EVIL", "kh:6"),
        ("", "BBBB", "kh:9"),
    ]


@pytest.mark.parametrize(
    ("patterns", "name", "means"),
    [
        ("web1,web2", "web2", True),
        ("WEB1", "web1", True),
        ("web1", "web10", False),
        ("web?,!web3", "web2", True),
        ("web?,!web3", "web3", False),
        ("*.example.com", "a.example.com", True),
        ("*.example.com", "aexampleXcom", False),
        ("[127.0.0.1]:2222", "[127.0.0.1]:2222", True),
        ("[127.0.0.1]:2222", "1", False),
        (hashed("web1"), "web1", True),
        (hashed("web1"), "web2", False),
        ("|1|no base64|", "web1", False),
        ("|1|\u00e9|c2FsdA==", "web1", False),
        ("*" * 60 + "x", "web1", False),
        ("*e" * 60, "e" * 59, False),
        ("web[12]", "web1", False),
        ("web[12]", "web[12]", True),
        ("we\\w1", "web1", False),
    ],
)
def test_a_pattern_means_its_hosts_only(patterns, name, means):
    assert names_host(patterns, name) is means


@pytest.mark.parametrize(
    ("key_type", "key", "verdict"),
    [
        ("ssh-ed25519", "AAAA", "known"),
        ("ssh-rsa", "BBBB", "known"),
        ("ssh-ed25519", "DDDD", "changed"),
        ("ecdsa-sha2-nistp256", "EEEE", "changed"),
        ("ssh-ed25519", "EVIL", "revoked"),
        ("ssh-ed25519", "CCCC", "changed"),
    ],
)
def test_a_key_is_compared_with_all_that_is_known(key_type, key, verdict):
    assert judge(parse_known_hosts(LINES.splitlines(), "kh"), key_type, key)[0] == verdict


def test_an_authority_alone_makes_no_key_known():
    entries = parse_known_hosts(["@cert-authority * ssh-ed25519 CCCC"], "kh")
    assert judge(entries, "ssh-ed25519", "CCCC") == ("unknown", "")


@pytest.mark.parametrize("strictness", ["strict", "accept-new", "off"])
def test_a_revoked_key_is_refused_however_lax_the_check(strictness):
    key = types.SimpleNamespace(get_name=lambda: "ssh-ed25519", get_base64=lambda: "EVIL")
    entries = parse_known_hosts(LINES.splitlines(), "kh")
    policy = _Policy(HostKeys("strict"), "web1", "web1", entries, strictness, [])
    with pytest.raises(HostKeyError, match=r"^the host key of web1 is revoked in kh:"):
        policy.missing_host_key(None, "web1", key)


KEY = types.SimpleNamespace(get_name=lambda: "ssh-ed25519", get_base64=lambda: "NEWKEY")


@pytest.mark.parametrize(
    ("path", "cure"),
    [
        ("~/.ssh/known_hosts", "`ssh-keygen -R '[10.0.0.1]:22'` forgets"),
        ("~/.ssh/known_hosts2", "`ssh-keygen -R '[10.0.0.1]:22' -f /home/ann/.ssh/known_hosts2` forgets"),
        ("/etc/my hosts", "`ssh-keygen -R '[10.0.0.1]:22' -f '/etc/my hosts'` forgets"),
    ],
)
def test_the_cure_names_the_file_where_ssh_keygen_would_look_into_another(monkeypatch, path, cure):
    monkeypatch.setenv("HOME", "/home/ann")
    entries = parse_known_hosts(["[10.0.0.1]:22 ssh-ed25519 AAAA"], os.path.expanduser(path))
    policy = _Policy(HostKeys("strict"), "web1", "[10.0.0.1]:22", entries, "accept-new", [])
    with pytest.raises(HostKeyError) as caught:
        policy.missing_host_key(None, "web1", KEY)
    assert cure in str(caught.value)


def test_whose_key_was_accepted_is_told():
    told = []
    host_keys = HostKeys("strict", lambda *words: told.append(words))
    changed = parse_known_hosts(["10.0.0.1 ssh-ed25519 AAAA"], "kh")
    _Policy(host_keys, "web1", "10.0.0.1", changed, "off", []).missing_host_key(None, "web1", KEY)
    assert [host for host, _ in told] == ["web1"]
    assert told[0][1].startswith("the host key is not the one in kh:1: this may be another machine")
    known = parse_known_hosts(["10.0.0.1 ssh-ed25519 NEWKEY"], "kh")
    _Policy(host_keys, "web1", "10.0.0.1", known, "off", []).missing_host_key(None, "web1", KEY)
    _Policy(host_keys, "web1", "10.0.0.1", [], "off", []).missing_host_key(None, "web1", KEY)
    assert len(told) == 1


def test_a_key_that_was_written_down_is_told(tmp_path, capsys):
    file = str(tmp_path / "kh")
    _Policy(HostKeys("strict"), "web1", "10.0.0.1", [], "accept-new", [file]).missing_host_key(
        None, "web1", KEY
    )
    assert (tmp_path / "kh").read_text() == "10.0.0.1 ssh-ed25519 NEWKEY\n"
    told = f"murder: web1: the host key was unknown; it was accepted, and is in {file} from now on\n"
    assert capsys.readouterr() == ("", told)
