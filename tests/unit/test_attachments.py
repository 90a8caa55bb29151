"""What hosts attach is looked at before anybody reckons with it; who sends something else fails alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from murder_fabric.control import Message
from murder_fabric.deploy.connecting.attachments import with_holdings, with_torrents
from murder_fabric.deploy.failures import HostFailure
from murder_fabric.metainfo.holdings import Holdings
from murder_fabric.metainfo.values import Info, Metainfo
from murder_fabric.storage.creation import create_metainfo

DOWN = HostFailure("late", "no answer within 5 s")


@pytest.fixture
def metainfo(tmp_path: Path) -> Metainfo:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(name.encode() * 20_000)
    return create_metainfo(str(tmp_path), None, piece_length=16_384)


@pytest.fixture
def info(metainfo: Metainfo) -> Info:
    return metainfo.info


@pytest.fixture
def other(tmp_path_factory: pytest.TempPathFactory) -> Metainfo:
    path = tmp_path_factory.mktemp("other") / "file"
    path.write_bytes(b"other")
    return create_metainfo(str(path), None)


def test_a_host_that_says_it_has_pieces_of_another_payload_fails_alone(info: Info) -> None:
    whole = Message({}, Holdings.all(info).to_bytes())
    said = {"web1": whole, "web2": Message({}, b"what?"), "web3": DOWN, "web4": Message({})}
    answers = with_holdings(info, said)
    assert (answers["web1"], answers["web3"]) == (whole, DOWN)
    for host in ("web2", "web4"):
        failure = answers[host]
        assert isinstance(failure, HostFailure)
        assert failure.reason.startswith("its agent said nonsense: stage: ")


def test_a_host_whose_torrent_is_none_fails_alone(metainfo: Metainfo) -> None:
    whole = Message({}, metainfo.encode())
    said = {"web1": Message({}, whole.attached[:-1]), "web2": whole, "web3": DOWN, "web4": Message({})}
    answers, torrents = with_torrents("recall", said)
    assert torrents == {whole.attached: metainfo}
    assert (answers["web2"], answers["web3"]) == (whole, DOWN)
    for host in ("web1", "web4"):
        failure = answers[host]
        assert isinstance(failure, HostFailure)
        assert failure.reason.startswith("its agent said nonsense: recall: ")


def test_a_torrent_is_the_one_that_its_host_says_it_is(metainfo: Metainfo, other: Metainfo) -> None:
    digest = metainfo.info.digest.hex()
    true = Message({"digest": digest}, metainfo.encode())
    answers, _ = with_torrents("create", {"web1": Message({"digest": digest}, other.encode()), "web2": true})
    assert answers["web2"] == true
    assert str(answers["web1"]).endswith(f"that of another release, {other.info.digest.hex()[:12]}")


def test_a_torrent_is_the_one_that_was_asked_for(metainfo: Metainfo, other: Metainfo) -> None:
    """Whatever its host says it is."""
    digest = metainfo.info.digest.hex()
    said = {
        "web1": Message({"digest": digest}, other.encode()),
        "web2": Message({"digest": other.info.digest.hex()}, other.encode()),
        "web3": Message({}, metainfo.encode()),
    }
    answers, _ = with_torrents("recall_release", said, digest)
    assert [isinstance(answers[host], HostFailure) for host in said] == [True, True, False]
