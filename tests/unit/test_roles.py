"""Who is tracker, seeder and peer."""

from __future__ import annotations

import pytest

from murder_fabric.deploy.roles import Roles, assign_roles
from murder_fabric.errors import HostRangeError, SettingsError

ROLES = {"tracker": "t1", "seeder": "s1", "peer": ["web[1-2]", "web3"]}


@pytest.mark.parametrize(
    ("hosts", "roles", "expected"),
    [
        (["a", "b"], {}, Roles("a", ["a"], ["a", "b"])),
        (["a", "b", "a"], {}, Roles("a", ["a"], ["a", "b"])),
        ([], ROLES, Roles("t1", ["s1"], ["web1", "web2", "web3"])),
        (["web2"], ROLES, Roles("t1", ["s1"], ["web2"])),
        (["a"], {"seeder": ["s[1-2]", "s1"]}, Roles("a", ["s1", "s2"], ["a"])),
        ([], {"peer": "web[1-2]", "seeder": ""}, Roles("web1", ["web1"], ["web1", "web2"])),
    ],
)
def test_the_first_peer_is_what_nobody_else_is(hosts, roles, expected):
    assert assign_roles(hosts, roles) == expected


def test_every_host_is_counted_once():
    assert Roles("web1", ["s1", "s2"], ["web1", "web2"]).hosts() == ["web1", "web2", "s1", "s2"]


def test_nobody_to_deploy_to_is_an_error_that_says_what_to_do():
    with pytest.raises(SettingsError, match=r"no hosts are named; use `fab -H"):
        assign_roles([], {"tracker": "t1", "peer": ""})


@pytest.mark.parametrize("plural", ["peers", "seeders", "trackers"])
def test_a_role_in_the_plural_is_not_taken_for_a_group(plural):
    with pytest.raises(SettingsError, match=rf"roles\.{plural} is no role; did you mean {plural[:-1]}\?"):
        assign_roles(["web1"], {plural: "web[1-3]", "canary": "web1"})


def test_a_swarm_has_one_tracker():
    with pytest.raises(SettingsError, match=r"roles\.tracker names 2 hosts"):
        assign_roles(["a"], {"tracker": "t[1-2]"})


def test_a_mistake_in_a_role_names_the_role():
    with pytest.raises(HostRangeError, match=r"never closed \(in murder\.roles\.peer\)"):
        assign_roles([], {"peer": "web[1-"})
