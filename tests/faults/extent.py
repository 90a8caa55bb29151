"""How much of the faults is run: a sample beside the other tests, and all where `MURDER_FAULTS=all`."""

from __future__ import annotations

import os
from typing import TypeVar

import pytest

Value = TypeVar("Value")

ALL = os.environ.get("MURDER_FAULTS") == "all"

#: Marks what only `./dev faults` runs.
long = pytest.mark.long


def so_many(sample: Value, everything: Value) -> Value:
    """Return how often to do something."""
    return everything if ALL else sample
