"""The steps of Murder's own tasks: who is asked what, and what does not stay when something fails."""

from __future__ import annotations

import io
import os
import stat

import pytest
from fake_channels import FakeChannels

from murder_fabric.control import Message
from murder_fabric.deploy import recipes, stopping, torrents
from murder_fabric.deploy.failures import HostFailure
from murder_fabric.deploy.muster import SILENCE_LIMIT, Muster
from murder_fabric.deploy.roles import Roles
from murder_fabric.deploy.settings import Settings
from murder_fabric.deploy.watching.view import View
from murder_fabric.errors import AllHostsFailed, BadInput, StorageError
from murder_fabric.metainfo.parsing import parse_metainfo
from murder_fabric.storage.creation import create_metainfo

HOSTS = ["web1", "web2", "web3"]
ROLES = Roles("web1", ["web1"], HOSTS)
ABSENT = HostFailure("failed", "it is not running here", 2)
TOKEN = "ab" * 16


@pytest.fixture(scope="module")
def torrent(tmp_path_factory):
    tree = tmp_path_factory.mktemp("tree")
    (tree / "file").write_bytes(b"x" * 1000)
    return create_metainfo(str(tree), None).encode()


@pytest.fixture
def says(torrent):
    """What hosts say when all is well; the address of web7 is 10.0.0.7."""
    return {
        "locate": lambda host, _: {"address": f"10.0.0.{host[3:]}"},
        "detach": {"started": True, "pid": 7},
        "start_tracker": {"address": "10.0.0.1", "port": 8998, "token": TOKEN},
        "tracker_facts": {"address": "10.0.0.1", "port": 8998, "token": TOKEN},
        "recall": Message({"event": "done", "path": "/srv/build", "token": "cd" * 16}, torrent),
        "create": Message(
            {
                **{"event": "done", "file_count": 1, "length": 1000, "info_hash": "1" * 40},
                "digest": parse_metainfo(torrent).info.digest.hex(),
            },
            torrent,
        ),
        "seed": {"port": 6881},
        "join": {"bytes_downloaded": 1000},
    }


def mustered(channels, hosts=HOSTS, counted=None):
    channels.hosts = list(hosts)
    muster = Muster(channels, counted or hosts, View(io.StringIO()))
    muster.greet()
    return muster


def test_a_tracker_that_runs_is_found_and_not_started_again(says):
    said = recipes.start_tracker(mustered(FakeChannels(says)), "web1", Settings())
    assert said == "the tracker runs on web1, address 10.0.0.1, port 8998"
    channels = FakeChannels({**says, "detach": {"started": False, "pid": 7}})
    assert "already runs on web1" in recipes.start_tracker(mustered(channels), "web1", Settings())


@pytest.mark.parametrize(("started", "dismissed"), [(True, ["web1"]), (False, [])])
def test_only_an_agent_we_started_goes_when_the_tracker_cannot_listen(says, started, dismissed):
    no_port = HostFailure("failed", "cannot listen")
    channels = FakeChannels({**says, "detach": {"started": started, "pid": 7}, "start_tracker": no_port})
    with pytest.raises(AllHostsFailed, match="cannot listen"):
        recipes.start_tracker(mustered(channels), "web1", Settings())
    assert channels.heard("dismiss") == dismissed


def test_seeding_needs_a_tracker_and_says_how_to_get_one(says):
    channels = FakeChannels({**says, "tracker_facts": ABSENT})
    with pytest.raises(BadInput, match=r"no tracker runs on web1; murder\.start-tracker starts it"):
        recipes.start_seeding(mustered(channels), ROLES, Settings(), "foo")
    assert channels.heard("detach") == []


def test_the_tracker_knows_the_torrent_before_the_seeder_announces_it(says):
    channels = FakeChannels(says)
    said = recipes.start_seeding(mustered(channels), ROLES, Settings(), "foo")
    assert said == "web1 seeds foo at 10.0.0.1, port 6881"
    assert channels.asked[-3:] == [
        ("web1", "", "detach"),
        ("web1", "tracker", "track"),
        ("web1", "seeder-foo", "seed"),
    ]


def test_a_seeder_that_runs_is_left_alone_if_it_serves_the_same(says):
    says["detach"] = {"started": False, "pid": 7}
    channels = FakeChannels(says)
    assert recipes.start_seeding(mustered(channels), ROLES, Settings(), "foo").endswith("on web1 already")
    other = HostFailure("failed", "foo is being served here with other contents", 2)
    channels = FakeChannels({**says, "admit": other})
    with pytest.raises(BadInput, match="with other contents"):
        recipes.start_seeding(mustered(channels), ROLES, Settings(), "foo")
    assert channels.heard("dismiss") == []


def test_peers_fetch_verify_and_stay(says):
    channels = FakeChannels(says)
    said = recipes.peer(mustered(channels), ROLES, Settings(), "foo", "/srv/data/foo")
    assert said.startswith("web[1-3] (3 hosts) complete with foo in /srv/data/foo")
    assert [asked for host, to, asked in channels.asked if (host, to) == ("web2", "peer-foo")] == [
        "stage",
        "join",
        "verify",
    ]
    assert channels.heard("dismiss") == []


def test_only_the_seeders_own_host_copies_its_files(says):
    sources = {}
    says["stage"] = lambda host, fields: sources.update({host: fields["source"]}) or {}
    recipes.peer(mustered(FakeChannels(says)), ROLES, Settings(), "foo", "/srv/data/foo")
    assert sources == {"web1": "/srv/build", "web2": None, "web3": None}


def test_seeder_and_tracker_admit_every_host_before_the_first_one_joins(says):
    admitted = []
    says["admit"] = says["track"] = lambda host, fields: admitted.append(fields["hosts"]) or {}
    channels = FakeChannels(says)
    recipes.peer(mustered(channels), ROLES, Settings(), "foo", "/srv/data/foo")
    assert admitted == [["10.0.0.1", "10.0.0.2", "10.0.0.3"]] * 2
    order = [asked for _, _, asked in channels.asked]
    assert max(order.index("admit"), order.index("track")) < order.index("join")


@pytest.mark.parametrize("request_", ["stage", "join", "verify"])
def test_a_peer_that_fails_is_dismissed_and_the_others_go_on(says, request_):
    full = HostFailure("failed", "no space left")
    good = says.get(request_, {})
    says[request_] = lambda host, _: full if host == "web2" else good
    channels = FakeChannels(says)
    muster = mustered(channels)
    said = recipes.peer(muster, ROLES, Settings(), "foo", "/srv/data/foo")
    assert said.startswith("web[1,3] (2 hosts) complete")
    assert channels.heard("dismiss") == ["web2"]
    assert muster.outcome.lost == ["web2"]


def test_a_peer_that_ran_before_is_not_ours_to_dismiss(says):
    says["detach"] = lambda host, _: {"started": host != "web2", "pid": 7}
    channels = FakeChannels({**says, "join": HostFailure("failed", "no piece came")})
    with pytest.raises(AllHostsFailed, match="all 3 hosts failed"):
        recipes.peer(mustered(channels), ROLES, Settings(), "foo", "/srv/data/foo")
    assert channels.heard("dismiss") == ["web1", "web3"]


def test_ctrl_c_dismisses_the_peers_that_are_not_complete(says):
    def interrupted(host, fields):
        raise KeyboardInterrupt

    channels = FakeChannels({**says, "join": interrupted})
    with pytest.raises(KeyboardInterrupt):
        recipes.peer(mustered(channels), ROLES, Settings(), "foo", "/srv/data/foo")
    assert channels.heard("dismiss") == HOSTS


def test_stopping_says_where_nothing_ran(says):
    channels = FakeChannels({"dismiss": lambda host, _: ABSENT if host == "web2" else {"pid": 7}})
    muster = mustered(channels)
    said = stopping.stop(muster, "peer", "foo")
    assert said == "the peers of foo have ended on web[1,3] (2 hosts); none was running on web2"
    assert muster.outcome.lost == []


def test_stopping_what_runs_nowhere_is_a_mistake():
    with pytest.raises(BadInput, match=r"no peer of foo is running on web\[1-3\] \(3 hosts\)"):
        stopping.stop(mustered(FakeChannels({"dismiss": ABSENT})), "peer", "foo")


def test_the_operators_copy_replaces_a_link_and_does_not_follow_it(says, tmp_path, torrent):
    precious = tmp_path / "precious"
    precious.write_text("mine")
    copies = tmp_path / "copies"
    copies.mkdir()
    (copies / "foo.torrent").symlink_to(precious)
    torrents.create_torrent(mustered(FakeChannels(says)), ["web1"], "foo", "/srv/build", [], str(copies))
    copy = copies / "foo.torrent"
    assert (precious.read_text(), copy.is_symlink(), copy.read_bytes()) == ("mine", False, torrent)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert os.listdir(copies) == ["foo.torrent"]


def test_a_copy_that_cannot_be_written_is_one_sentence(says, tmp_path):
    with pytest.raises(StorageError, match=r"murder\.default_temp_path"):
        torrents.create_torrent(
            mustered(FakeChannels(says)), ["web1"], "foo", "/srv/build", [], str(tmp_path / "none")
        )


def test_without_a_directory_the_torrent_stays_on_the_seeder(says, tmp_path):
    muster = mustered(FakeChannels(says))
    said = torrents.create_torrent(muster, ["web1"], "foo", "/srv/build", [], None)
    assert said.startswith("the torrent of foo is on web1: 1 files")


def test_a_torrent_comes_down_again_as_it_is_kept(says, tmp_path, torrent):
    channels = FakeChannels(says)
    said = torrents.download_torrent(mustered(channels), ["web1"], "foo", str(tmp_path))
    assert f"the torrent of foo is in {tmp_path}/foo.torrent: " in said
    assert (tmp_path / "foo.torrent").read_bytes() == torrent
    assert channels.heard("create") == []


def test_what_was_deleted_is_said(says):
    says["stage"] = lambda host, fields: {"removed": 2 if fields["empty"] and host != "web3" else 0}
    stream = io.StringIO()
    channels = FakeChannels(says)
    channels.hosts = HOSTS
    muster = Muster(channels, HOSTS, View(stream))
    muster.greet()
    recipes.peer(muster, ROLES, Settings(), "foo", "/srv/data/foo", empty=True)
    assert "4 entries of /srv/data/foo deleted on web[1-2] (2 hosts)" in stream.getvalue()


def test_a_tracker_that_is_not_ours_is_neither_started_nor_told_anything(says):
    settings = Settings(tracker_url="http://tracker:6969/announce")
    with pytest.raises(BadInput, match="none was started"):
        recipes.start_tracker(mustered(FakeChannels(says)), "web1", settings)
    asked = []
    says["seed"] = lambda host, fields: asked.append(fields) or {"port": 6881}
    says["join"] = lambda host, fields: asked.append(fields) or {"bytes_downloaded": 1000}
    channels = FakeChannels(says)
    recipes.start_seeding(mustered(channels), ROLES, settings, "foo")
    recipes.peer(mustered(channels), ROLES, settings, "foo", "/srv/data/foo")
    assert [one["announce"] for one in asked] == [settings.tracker_url] * 4
    assert {one["token"] for one in asked} == {"cd" * 16}, "the secret is the one that the seeder keeps"
    assert not {"tracker_facts", "track"} & {request for _, _, request in channels.asked}


def test_web_seeds_are_for_those_who_fetch(says):
    asked = []
    says["join"] = lambda host, fields: asked.append(fields["web_seeds"]) or {"bytes_downloaded": 1000}
    settings = Settings(web_seeds="http://a/ http://b/")
    recipes.peer(mustered(FakeChannels(says)), ROLES, settings, "foo", "/srv/data/foo")
    assert asked == [["http://a/", "http://b/"]] * 3


def test_every_wait_for_a_payload_ends_when_a_host_says_nothing(says):
    channels = FakeChannels(says)
    muster = mustered(channels)
    recipes.start_seeding(muster, ROLES, Settings(), "v1")
    recipes.peer(muster, ROLES, Settings(), "v1", "/srv/data/v1")
    waits = {request: silence for request, _, silence in channels.bounds}
    assert [waits[request] for request in ("stage", "join", "verify", "seed")] == [SILENCE_LIMIT] * 4


# Several seeders ------------------------------------------------------------------------------------------

SEEDERS = ["web8", "web9"]
BOTH = Roles("web1", SEEDERS, HOSTS)
OTHERS = HostFailure("failed", "/srv/build is not what the torrent of foo describes")


def seeded_by_both(says):
    """Return channels to seeders, tracker and peers, and a muster that counts the seeders."""
    channels = FakeChannels(says)
    return channels, mustered(channels, [*SEEDERS, *HOSTS], SEEDERS)


def test_each_seeder_makes_its_torrent_and_keeps_the_same_secret(says):
    channels, muster = seeded_by_both(says)
    tokens = []
    made = says["create"]
    channels.says["create"] = lambda host, fields: tokens.append(fields["token"]) or made
    said = torrents.create_torrent(muster, SEEDERS, "foo", "/srv/build", [], None)
    assert said.startswith("the torrent of foo is on web[8-9]: 1 files")
    assert len(tokens) == 2
    assert len(set(tokens)) == 1


def test_a_seeder_that_has_something_else_is_out(says, tmp_path):
    (tmp_path / "file").write_bytes(b"y" * 1000)
    other = create_metainfo(str(tmp_path), None)
    made = says["create"]
    channels, muster = seeded_by_both(says)
    changed = Message({**made.fields, "digest": other.info.digest.hex()}, other.encode())
    channels.says["create"] = lambda host, _: made if host == "web8" else changed
    said = torrents.create_torrent(muster, SEEDERS, "foo", "/srv/build", [], None)
    assert "is on web8: " in said
    assert muster.outcome.complaints() == ["web9: /srv/build is not there what it is on web8"]


@pytest.mark.parametrize("moment", ["seed", "detach", "recall"])
def test_seeding_goes_on_with_the_seeders_that_can(says, moment):
    said = says[moment]
    _, muster = seeded_by_both({**says, moment: lambda host, fields: OTHERS if host == "web8" else said})
    assert recipes.start_seeding(muster, BOTH, Settings(), "foo") == "web9 seeds foo at 10.0.0.9, port 6881"
    assert muster.outcome.complaints() == [f"web8: {OTHERS.reason}"]


def test_where_the_torrent_of_the_first_seeder_is_broken_that_of_the_second_counts(says):
    made, kept = says["create"], says["recall"]
    channels, muster = seeded_by_both(says)
    channels.says["create"] = lambda host, _: Message(made.fields, b"de") if host == "web8" else made
    said = torrents.create_torrent(muster, SEEDERS, "foo", "/srv/build", [], None)
    assert "is on web9: " in said
    assert muster.outcome.complaints()[0].startswith("web8: its agent said nonsense: create: ")
    for broken in (Message(kept.fields, b"de"), ABSENT):
        channels.says["recall"] = lambda host, _, broken=broken: broken if host == "web8" else kept
        muster = mustered(channels, [*SEEDERS, *HOSTS], SEEDERS)
        said = recipes.start_seeding(muster, BOTH, Settings(), "foo")
        assert said == "web9 seeds foo at 10.0.0.9, port 6881"
        muster = mustered(channels, [*SEEDERS, *HOSTS], HOSTS)
        said = recipes.peer(muster, BOTH, Settings(), "foo", "/srv/data/foo")
        assert said.startswith("web[1-3] (3 hosts) complete")
        assert "  web8: " in muster.view._stream.getvalue()


def test_where_no_seeder_has_a_torrent_the_last_one_says_why(says):
    channels, muster = seeded_by_both({**says, "recall": ABSENT})
    with pytest.raises(BadInput, match="web9: it is not running here"):
        recipes.start_seeding(muster, BOTH, Settings(), "foo")
    channels.says["recall"] = Message(says["recall"].fields, b"de")
    with pytest.raises(AllHostsFailed, match="nothing can be done without web9: its agent said nonsense"):
        torrents.download_torrent(mustered(channels, SEEDERS), SEEDERS, "foo", "/nowhere")


def test_without_any_seeder_there_is_no_seeding(says):
    _, muster = seeded_by_both({**says, "seed": OTHERS})
    with pytest.raises(AllHostsFailed, match="is not what the torrent of foo describes"):
        recipes.start_seeding(muster, BOTH, Settings(), "foo")


def test_peers_need_one_seeder_only(says):
    channels, _ = seeded_by_both({**says, "admit": lambda host, _: ABSENT if host == "web8" else {}})
    muster = mustered(channels, [*SEEDERS, *HOSTS], HOSTS)
    said = recipes.peer(muster, BOTH, Settings(), "foo", "/srv/data/foo")
    assert said.startswith("web[1-3] (3 hosts) complete")
    channels.says["admit"] = ABSENT
    with pytest.raises(BadInput, match=r"murder\.start-seeding --tag foo starts the seeder"):
        recipes.peer(mustered(channels, [*SEEDERS, *HOSTS], HOSTS), BOTH, Settings(), "foo", "/srv/data/foo")
