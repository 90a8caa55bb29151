"""What hosts say of pieces, bytes and seconds is what is known of them in the end."""

from __future__ import annotations

from pathlib import Path

import pytest

from murder_fabric.bitfield import Bitfield
from murder_fabric.control import Message
from murder_fabric.deploy.outcome import HostResult, Outcome
from murder_fabric.deploy.transfers import note_fetched, note_staged, note_verified
from murder_fabric.metainfo.holdings import Holdings
from murder_fabric.metainfo.values import Info
from murder_fabric.storage.creation import create_metainfo


@pytest.fixture
def info(tmp_path: Path) -> Info:
    """Two files of 20,000 bytes in three pieces of 16 KiB at most."""
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(name.encode() * 20_000)
    return create_metainfo(str(tmp_path), None, piece_length=16_384).info


def test_what_is_there_already_is_counted_in_bytes_and_not_in_pieces(info: Info) -> None:
    a_piece = Holdings(info.geometry, Bitfield(3), Bitfield(2))
    a_piece.pieces.add(2)
    a_file = Holdings(info.geometry, Bitfield(3), Bitfield(2))
    a_file.files.add(0)
    had = {"web1": Holdings.none(info), "web2": Holdings.all(info), "web3": a_piece, "web4": a_file}
    outcome = Outcome([*had, "web5"])
    note_staged(outcome, info, {host: Message({}, one.to_bytes()) for host, one in had.items()})
    assert {host: outcome[host].bytes_reused for host in outcome} == {
        **{"web1": 0, "web2": 40_000, "web3": 40_000 - 2 * 16_384, "web4": 20_000},
        "web5": 0,
    }


def test_fetching_and_verifying_add_up_and_strangers_are_not_kept() -> None:
    outcome = Outcome(["web1", "web2"])
    note_fetched(
        outcome,
        {
            "web1": Message({"bytes_downloaded": 7, "seconds": 1.5}),
            "build": Message({"bytes_downloaded": 9, "seconds": 1.0}),
        },
    )
    note_verified(outcome, {"web1": Message({"seconds": 0.25})})
    assert (outcome["web1"].bytes_moved, outcome["web1"].seconds) == (7, 1.75)
    assert outcome["web2"] == HostResult()
