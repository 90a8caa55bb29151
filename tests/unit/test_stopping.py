"""Recipes that end something: what is said of hosts where it ran, where it did not, and of what is left."""

from __future__ import annotations

import io

import pytest
from fake_channels import FakeChannels

from murder_fabric.deploy import stopping
from murder_fabric.deploy.failures import HostFailure
from murder_fabric.deploy.muster import Muster
from murder_fabric.deploy.watching.view import View
from murder_fabric.errors import AllHostsFailed, BadInput

HOSTS = ["web1", "web2", "web3"]


def mustered(channels):
    channels.hosts = list(HOSTS)
    muster = Muster(channels, HOSTS, View(io.StringIO()))
    muster.greet()
    return muster


def test_all_peers_end_and_each_tag_is_named():
    running = {"web1": ["peer-foo", "peer-bar"], "web2": ["peer-foo"], "web3": []}
    channels = FakeChannels({"dismiss_all": lambda host, fields: {"agents": running[host]}})
    said = stopping.stop_all(mustered(channels), "peer")
    assert said == (
        "the peers of bar have ended on web1 (1 host); the peers of foo have ended on web[1-2] (2 hosts)"
    )


def test_stopping_all_where_nothing_runs_is_a_mistake():
    with pytest.raises(BadInput, match=r"no peer is running on web\[1-3\] \(3 hosts\)"):
        stopping.stop_all(mustered(FakeChannels({"dismiss_all": {"agents": []}})), "peer")


def test_a_host_that_cannot_stop_is_lost_and_the_others_are_told_of():
    stuck = HostFailure("failed", "peer-foo does not end")
    channels = FakeChannels({"dismiss_all": lambda host, _: stuck if host == "web2" else {"agents": []}})
    muster = mustered(channels)
    assert stopping.stop_all(muster, "peer") == "no peer was running on web[1,3] (2 hosts)"
    assert muster.outcome.lost == ["web2"]
    with pytest.raises(AllHostsFailed):
        stopping.stop_all(mustered(FakeChannels({"dismiss_all": stuck})), "peer")


def test_cleaning_counts_what_went_and_says_what_runs(tmp_path):
    (tmp_path / "foo.torrent").write_bytes(b"torrent")
    (tmp_path / "foobar.torrent").write_bytes(b"torrent")
    says = {
        "web1": {"removed": ["a", "b"], "running": []},
        "web2": {"removed": [], "running": ["peer-foo"]},
        "web3": {"removed": ["c"], "running": []},
    }
    channels = FakeChannels({"clean": lambda host, _: says[host]})
    said = stopping.clean_temp_files(mustered(channels), "foo", str(tmp_path))
    assert said == (
        "3 files of foo removed from web[1,3] (2 hosts); agents of foo still run on web2 (1 host), and keep"
        f" what they need; {tmp_path}/foo.torrent removed here"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["foobar.torrent"]


def test_a_link_where_the_copy_would_be_is_none_of_ours(tmp_path):
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "foo.torrent").symlink_to(tmp_path / "precious")
    channels = FakeChannels({"clean": {"removed": [], "running": []}})
    assert stopping.clean_temp_files(mustered(channels), "foo", str(tmp_path)) == "foo had left nothing"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["foo.torrent", "precious"]
