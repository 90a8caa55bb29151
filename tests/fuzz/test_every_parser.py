"""
Every parser on 50,000 inputs that are almost right, drawn by chance; rows 41, 47, 54 to 63, 68, 69 and 75.

`./dev fuzz` draws a million for each. What fails names the seed that draws it again.
"""

from __future__ import annotations

import time
import traceback

import pytest
from bounded import FIRST_SEED, INPUTS, OF_A_SEED, little_memory
from every_parser import PARSERS

SEEDS = range(FIRST_SEED, FIRST_SEED + -(-INPUTS // OF_A_SEED))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", PARSERS)
def test_nothing_but_its_refusal_leaves_a_parser(name, seed, record_property):
    parser, count = PARSERS[name], min(INPUTS, OF_A_SEED)
    mutants, seen, taken, began = parser.mutants(seed), set(), 0, time.process_time()
    with little_memory():
        while len(seen) < count:
            data = mutants.draw()
            if hash(data) in seen:
                continue
            seen.add(hash(data))  # not the inputs themselves, as the memory is for reading them
            try:
                taken += parser.read(data) is not None
            except Exception:
                # Without what cannot be printed, which no report of a test may hold.
                where = ascii(traceback.format_exc()).replace("\\n", "\n")
                pytest.fail(f"{name}, seed {seed}, input {len(seen)}: {data!r}\n{where}", pytrace=False)
    # Where all are taken, or none is, nothing has been tried.
    assert 0.02 < taken / count < 0.98
    record_property("fuzzed", (name, count, taken, time.process_time() - began))


@pytest.mark.parametrize("name", PARSERS)
def test_a_seed_draws_the_same_inputs_again(name):
    first, again, other = (PARSERS[name].mutants(seed) for seed in (7, 7, 8))
    drawn = [first.draw() for _ in range(200)]
    assert drawn == [again.draw() for _ in range(200)]
    assert drawn != [other.draw() for _ in range(200)]
