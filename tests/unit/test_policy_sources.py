"""What nobody who is there can give."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from murder_fabric.bitfield import Bitfield
from murder_fabric.policy.sources import Sources


class Giver(NamedTuple):
    has: Bitfield
    has_all: bool = False


def pieces(*indices):
    field = Bitfield(4)
    for index in indices:
        field.add(index)
    return field


@pytest.mark.parametrize(
    ("most", "have", "shown", "unavailable"),
    [
        (2, pieces(), [pieces(), pieces(1)], 0),  # whoever shows one by one has not left
        (3, pieces(), [pieces(0), pieces(1)], 2),
        (3, pieces(2), [pieces(0), pieces(1)], 1),
        (3, pieces(2, 3), [pieces(0), pieces(1)], 0),
        (3, pieces(), [Bitfield.full(4)], 0),
        (1, pieces(0), [], 3),
        (0, pieces(), [], 0),
    ],
)
def test_once_somebody_has_left_the_others_must_have_it_all_between_them(most, have, shown, unavailable):
    sources = Sources()
    for count in (most, 0):
        sources.connected(count)
    before = have.copy()
    assert sources.unavailable(have, [Giver(has) for has in shown]) == unavailable
    assert have == before


def test_a_seeder_of_ours_that_shows_pieces_one_by_one_can_give_them_all_though_others_left():
    sources = Sources()
    for count in (3, 2):
        sources.connected(count)
    assert sources.unavailable(pieces(), [Giver(pieces(0), has_all=True), Giver(pieces(1))]) == 0
