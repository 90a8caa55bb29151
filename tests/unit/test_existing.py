"""Deploying a torrent that is there already: what it must name, and what is refused."""

from __future__ import annotations

import pytest

from murder_fabric.deploy.existing import tracker_of, wanted_torrent
from murder_fabric.deploy.settings import Settings
from murder_fabric.errors import BadInput
from murder_fabric.metainfo.parsing import parse_metainfo
from murder_fabric.metainfo.values import Metainfo
from murder_fabric.storage.creation import create_metainfo

TRACKER = "http://tracker:6969/announce"


@pytest.fixture
def info(tmp_path):
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "file").write_bytes(b"x" * 1000)
    return create_metainfo(str(tmp_path / "tree"), None).info


@pytest.fixture
def torrent(tmp_path, info):
    """Write a torrent of these trackers; return its path."""

    def write(announce=None, tiers=()):
        (tmp_path / "t").write_bytes(Metainfo(info, announce, tiers).encode())
        return str(tmp_path / "t")

    return write


def settings(**values):
    return Settings(default_destination_path="/srv/app", default_tag="v1", **values)


@pytest.mark.parametrize(
    ("announce", "tiers", "found"),
    [
        (TRACKER, (), TRACKER),
        ("udp://tracker:1/", ((TRACKER,),), TRACKER),
        ("https://tracker/announce", (), "https://tracker/announce"),
        (None, (("udp://a:1/", "wss://b/"), ("http://[", TRACKER)), TRACKER),
        ("udp://tracker:1/", (), ""),
        (None, (), ""),
    ],
)
def test_the_first_tracker_by_http_is_asked(torrent, announce, tiers, found):
    with open(torrent(announce, tiers), "rb") as file:
        assert tracker_of(parse_metainfo(file.read())) == found


def test_the_release_is_the_torrents_and_its_files_are_elsewhere(torrent, info):
    wanted = wanted_torrent(settings(), torrent(TRACKER))
    assert (wanted.tag, wanted.destination, wanted.files_path) == ("v1", "/srv/app", "")
    assert wanted.elsewhere
    assert wanted.metainfo.info.digest == info.digest


@pytest.mark.parametrize("source", [{"tracker_url": TRACKER}, {"web_seeds": "http://a/"}])
def test_settings_may_say_who_has_it(torrent, source):
    assert wanted_torrent(settings(**source), torrent()).elsewhere


def test_a_torrent_may_name_web_seeds_itself(tmp_path, info):
    (tmp_path / "t").write_bytes(Metainfo(info, url_list=("https://a/",)).encode())
    assert wanted_torrent(settings(), str(tmp_path / "t")).elsewhere
    (tmp_path / "t").write_bytes(Metainfo(info, url_list=("ftp://a/",)).encode())
    with pytest.raises(BadInput, match="no web seed"):
        wanted_torrent(settings(), str(tmp_path / "t"))


def test_a_torrent_nobody_has_is_refused(torrent):
    with pytest.raises(
        BadInput, match=r"names no tracker with an http:// .* no web seed; say with murder\.tracker_url"
    ):
        wanted_torrent(settings(), torrent("udp://tracker:1/"))


def test_what_is_no_torrent_is_named(tmp_path):
    (tmp_path / "t").write_bytes(b"hello")
    with pytest.raises(BadInput, match="t: this is not a torrent"):
        wanted_torrent(settings(), str(tmp_path / "t"))
    with pytest.raises(BadInput, match="none: No such file or directory; no host was touched"):
        wanted_torrent(settings(), str(tmp_path / "none"))


def test_it_needs_a_destination(torrent):
    with pytest.raises(BadInput, match="--destination-path is missing"):
        wanted_torrent(Settings(), torrent(TRACKER))
