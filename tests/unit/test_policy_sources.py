"""What nobody who is there can give."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from murder_fabric.bitfield import Bitfield
from murder_fabric.policy.sources import Sources, unavailable


class Giver(NamedTuple):
    has: Bitfield
    has_all: bool = False


def pieces(*indices):
    field = Bitfield(4)
    for index in indices:
        field.add(index)
    return field


@pytest.mark.parametrize(
    ("have", "shown", "missing"),
    [
        (pieces(), [], 4),
        (pieces(), [pieces(), pieces(1)], 3),
        (pieces(0), [pieces(0), pieces(1)], 2),
        (pieces(2), [pieces(0), pieces(1)], 1),
        (pieces(2, 3), [pieces(0), pieces(1)], 0),
        (pieces(), [Bitfield.full(4)], 0),
    ],
)
def test_what_neither_we_have_nor_those_who_are_here_cannot_be_had(have, shown, missing):
    before = have.copy()
    assert unavailable(have, [Giver(has) for has in shown]) == missing
    assert have == before


def test_a_seeder_of_ours_that_shows_pieces_one_by_one_can_give_them_all():
    assert unavailable(pieces(), [Giver(pieces(0), has_all=True), Giver(pieces(1))]) == 0


@pytest.mark.parametrize(
    ("most", "shown", "suffice"),
    [
        (0, [], True),
        (2, [pieces(), pieces(1)], True),  # whoever shows one by one has not left
        (3, [pieces(), pieces(1)], False),
        (3, [pieces(0, 1), pieces(2, 3)], True),
        (1, [], False),
    ],
)
def test_once_somebody_has_left_the_others_must_have_it_all_between_them(most, shown, suffice):
    sources = Sources()
    for count in (most, 0):
        sources.connected(count)
    assert sources.suffice(pieces(), [Giver(has) for has in shown]) is suffice
