"""How pieces lie in files."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from murder_fabric.metainfo.geometry import Geometry, Run, Span, choose_piece_length

KIB, MIB = 1024, 1024 * 1024
layouts = st.builds(Geometry, st.integers(1, 40), st.lists(st.integers(0, 60), max_size=12))


def lengths_of(geometry: Geometry) -> list[int]:
    """Rebuild the file lengths from every span of every piece."""
    lengths: dict[int, int] = {}
    for index in range(geometry.piece_count):
        for span in geometry.spans(index, 0, geometry.piece_size(index)):
            assert span.offset == lengths.get(span.file, 0), "the spans of a file must follow one another"
            lengths[span.file] = span.offset + span.length
    return [lengths.get(file, 0) for file in range(max(lengths, default=-1) + 1)]


@given(st.integers(1, 40), st.lists(st.integers(0, 60), max_size=12))
def test_the_pieces_cover_every_byte_of_every_file_once(piece_length: int, lengths: list[int]) -> None:
    geometry = Geometry(piece_length, lengths)
    while lengths and lengths[-1] == 0:
        lengths.pop()
    assert lengths_of(geometry) == lengths


@given(layouts, st.data())
def test_a_block_is_where_its_piece_is(geometry: Geometry, data: st.DataObject) -> None:
    if not geometry.piece_count:
        return
    index = data.draw(st.integers(0, geometry.piece_count - 1))
    begin = data.draw(st.integers(0, geometry.piece_size(index) - 1))
    length = data.draw(st.integers(1, geometry.piece_size(index) - begin))
    places = [
        (span.file, span.offset + n)
        for span in geometry.spans(index, 0, geometry.piece_size(index))
        for n in range(span.length)
    ]
    block = [
        (span.file, span.offset + n)
        for span in geometry.spans(index, begin, length)
        for n in range(span.length)
    ]
    assert block == places[begin : begin + length]


@given(st.integers(1, 40), st.lists(st.integers(0, 60), max_size=12))
def test_files_and_pieces_name_each_other(piece_length: int, lengths: list[int]) -> None:
    geometry = Geometry(piece_length, lengths)
    by_spans = {
        (span.file, index)
        for index in range(geometry.piece_count)
        for span in geometry.spans(index, 0, geometry.piece_size(index))
    }
    assert {(file, index) for file in range(len(lengths)) for index in geometry.pieces_of(file)} == by_spans
    for index in range(geometry.piece_count):
        assert {file for file in geometry.files_of(index) if lengths[file]} == {
            f for f, i in by_spans if i == index
        }


@given(layouts, st.sets(st.integers(0, 12)))
def test_the_runs_of_some_files_and_those_of_the_others_make_up_each_piece(
    geometry: Geometry, some: set[int]
) -> None:
    for index in range(geometry.piece_count):
        theirs = geometry.runs(index, some.__contains__)
        others = geometry.runs(index, lambda file: file not in some)
        end = 0
        for run in sorted([*theirs, *others]):
            assert run.begin == end
            assert run.length > 0
            end += run.length
        assert end == geometry.piece_size(index)
        for run in theirs:
            assert {span.file for span in geometry.spans(index, *run)} <= some


def test_runs_beside_each_other_are_one() -> None:
    geometry = Geometry(10, [4, 0, 3, 2, 11])
    assert geometry.runs(0, {0, 2, 4}.__contains__) == [Run(0, 7), Run(9, 1)]
    assert geometry.runs(1, {0, 2}.__contains__) == []


def test_empty_files_take_no_span() -> None:
    geometry = Geometry(10, [0, 4, 0, 0, 8, 0])
    assert geometry.spans(0, 0, 10) == [Span(1, 0, 4), Span(4, 0, 6)]
    assert geometry.spans(1, 0, 2) == [Span(4, 6, 2)]
    assert list(geometry.pieces_of(2)) == []


@pytest.mark.parametrize(
    ("index", "begin", "length"),
    [
        (0, 0, 0),
        (0, 0, 11),
        (0, 9, 2),
        (1, 0, 3),
        (2, 0, 1),
        (-1, 0, 1),
        (0, -1, 2),
        (0, 0, -1),
        (2**32, 0, 1),
    ],
)
def test_a_block_that_leaves_its_piece_lies_nowhere(index: int, begin: int, length: int) -> None:
    geometry = Geometry(10, [12])
    assert not geometry.holds(index, begin, length)
    with pytest.raises(IndexError):
        geometry.spans(index, begin, length)


def test_nothing_but_empty_files_is_no_piece() -> None:
    assert Geometry(10, [0, 0]).piece_count == 0


def test_a_hundred_thousand_files_are_found_quickly() -> None:
    geometry = Geometry(64 * KIB, [1000] * 100_000)
    start = time.process_time()
    for index in range(geometry.piece_count):
        geometry.spans(index, 100, 100)
    assert time.process_time() - start < 1


@pytest.mark.parametrize(
    ("length", "piece_length"),
    [
        (0, 64 * KIB),
        (64_000_000, 64 * KIB),
        (64 * MIB, 64 * KIB),
        (256_000_000, 256 * KIB),
        (1024 * MIB, 1024 * KIB),
        (10**12, 4 * MIB),
    ],
)
def test_payloads_get_about_a_thousand_pieces(length: int, piece_length: int) -> None:
    assert choose_piece_length(length) == piece_length


@given(st.integers(0, 4_096 * MIB))
def test_up_to_four_gigabytes_no_payload_gets_more_pieces(length: int) -> None:
    assert -(-length // choose_piece_length(length)) <= 1024
