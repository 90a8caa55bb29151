"""A bitfield is a set of indices, whatever else it looks like on the wire."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from murder_fabric.bitfield import Bitfield
from murder_fabric.errors import RemoteProtocolError

COUNTS_AND_SETS = st.integers(1, 200).flatmap(
    lambda count: st.tuples(st.just(count), st.sets(st.integers(0, count - 1)))
)


@given(COUNTS_AND_SETS)
def test_a_bitfield_is_the_set_that_was_put_in(case):
    count, indices = case
    field = Bitfield(count)
    for index in [*indices, *indices]:
        field.add(index)

    assert set(field) == indices
    assert set(field.missing()) == set(range(count)) - indices
    assert field.have == len(indices)
    assert field.complete == (len(indices) == count)
    assert Bitfield.from_bytes(field.to_bytes(), count) == field
    assert Bitfield.from_bytes(field.to_bytes(), count).have == len(indices)


@given(COUNTS_AND_SETS)
def test_taking_out_leaves_the_rest(case):
    count, indices = case
    field = Bitfield.full(count)
    twin = field.copy()
    for index in [*indices, *indices]:
        field.discard(index)

    assert set(field) == set(range(count)) - indices
    assert field.have == count - len(indices)
    assert twin == Bitfield.full(count)


@given(COUNTS_AND_SETS, st.data())
def test_what_one_has_and_another_lacks_is_counted(case, data):
    count, indices = case
    others = data.draw(st.sets(st.integers(0, count - 1)))
    one, other = Bitfield(count), Bitfield(count)
    for index in indices:
        one.add(index)
    for index in others:
        other.add(index)

    assert one.count_not_in(other) == len(indices - others)


@pytest.mark.parametrize("count", [1, 7, 8, 9, 16, 1000])
def test_a_full_bitfield_has_no_spare_bits_set(count):
    full = Bitfield.full(count)
    assert full.complete
    assert Bitfield.from_bytes(full.to_bytes(), count) == full


@pytest.mark.parametrize(
    ("data", "count"), [(b"", 1), (b"\xff\x00", 8), (b"\xff", 7), (b"\x01", 7), (b"\xff\xff", 17)]
)
def test_a_bitfield_of_the_wrong_length_or_with_spare_bits_is_the_senders_fault(data, count):
    with pytest.raises(RemoteProtocolError):
        Bitfield.from_bytes(data, count)


def test_what_several_have_is_counted_once():
    ours, theirs = Bitfield(10), Bitfield(10)
    for index in (0, 3):
        ours.add(index)
    for index in (3, 9):
        theirs.add(index)
    ours.add_all(theirs)
    assert (list(ours), ours.have) == ([0, 3, 9], 3)
    ours.add_all(Bitfield.full(10))
    assert ours.complete
