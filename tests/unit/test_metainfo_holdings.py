"""What a host has of a payload, as it is told to the operator."""

from __future__ import annotations

import pytest
from feeding import add_file

from murder_fabric.errors import RemoteProtocolError
from murder_fabric.metainfo.building import InfoBuilder
from murder_fabric.metainfo.geometry import Run
from murder_fabric.metainfo.holdings import Holdings
from murder_fabric.metainfo.values import Info


def payload(*lengths: int) -> Info:
    builder = InfoBuilder(b"app", 1024)
    for number, length in enumerate(lengths):
        add_file(builder, (b"file%d" % number,), 0o644, bytes(length))
    return builder.build()


def test_who_has_nothing_lacks_everything() -> None:
    holdings = Holdings.none(payload(700, 700, 700))
    assert [holdings.lacking(index) for index in range(3)] == [[Run(0, 1024)], [Run(0, 1024)], [Run(0, 52)]]
    assert holdings.bytes_lacking == 2100
    assert holdings.held(0) == []


def test_of_a_piece_only_what_lies_in_no_whole_file_is_lacking() -> None:
    holdings = Holdings.none(payload(700, 700, 700))
    holdings.files.add(1)
    assert [holdings.lacking(index) for index in range(3)] == [[Run(0, 700)], [Run(376, 648)], [Run(0, 52)]]
    assert [holdings.held(index) for index in range(3)] == [[Run(700, 324)], [Run(0, 376)], []]
    assert holdings.bytes_lacking == 1400
    holdings.pieces.add(1)
    assert holdings.lacking(1) == []
    assert holdings.bytes_lacking == 752


def test_holdings_come_out_of_a_message_as_they_went_in() -> None:
    info = payload(*[300] * 9)
    holdings = Holdings.none(info)
    holdings.pieces.add(2)
    holdings.files.add(8)
    assert Holdings.from_bytes(info, holdings.to_bytes()) == holdings


@pytest.mark.parametrize("data", [b"", b"\0", b"\0\0", b"\0\0\0\0", b"\x10\0\0"])
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="a bitfield"):
        Holdings.from_bytes(payload(*[300] * 9), data)
