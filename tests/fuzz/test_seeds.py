"""A seed draws the same again, and another one something else, from Hypothesis too."""

from __future__ import annotations

import bounded
from hypothesis import given
from hypothesis import strategies as st


def drawn():
    """Return what a test of Hypothesis is given."""
    found = []

    @bounded.patient
    @given(st.binary())
    def test(data):
        found.append(data)

    test()
    return found


def test_hypothesis_draws_by_the_first_seed(monkeypatch):
    usual = drawn()
    assert len(usual) == bounded.EXAMPLES
    assert drawn() == usual
    monkeypatch.setattr(bounded, "FIRST_SEED", bounded.FIRST_SEED + 1)
    assert drawn() != usual
