"""How many inputs are tried, what Hypothesis makes of a valid one, and what reading one may cost."""

from __future__ import annotations

import contextlib
import os
import resource
import time
from collections.abc import Iterator
from typing import Any, Callable, Optional, Union

from hypothesis import HealthCheck, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st
from mutating import TOKENS

#: Inputs that chance draws for each parser, and the first of the seeds, of which each draws `OF_A_SEED`; by
#: that Hypothesis draws too. In the normal suite it is the same each time, as that must not be red today and
#: green tomorrow; in `./dev fuzz`, which is to find something new, it is another one.
INPUTS = int(os.environ.get("MURDER_FUZZ_INPUTS", "50000"))
FIRST_SEED = int(os.environ.get("MURDER_FUZZ_SEED", "1"))
OF_A_SEED = 50_000
#: Examples that Hypothesis draws for each test: few in the normal suite.
EXAMPLES = int(os.environ.get("MURDER_FUZZ_EXAMPLES", "60"))
#: CPU seconds that reading 64 KiB may take; more where somebody looks on.
SECONDS = 0.05 * float(os.environ.get("MURDER_FUZZ_SLOWER", "1"))
#: Bytes that reading one input may take; the hundred thousand hosts of a host list are the most that is made.
MEMORY = 128 << 20

#: What a parser is declared to refuse with; an empty tuple where it returns None instead.
Refusal = Union[type[Exception], tuple[()]]


def patient(test: Callable[..., None]) -> Callable[..., None]:
    """Let Hypothesis draw as many examples as are asked for, by the first seed, however long each takes."""
    drawn = settings(
        max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    return seeded(FIRST_SEED)(drawn(test))


@st.composite
def mutated(draw, whole):
    """Draw bytes that are valid, or were before a few of them changed."""
    data = bytearray(draw(whole))
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.sampled_from([0, 0, 1, 2, 8])))
        data[start:end] = draw(st.sampled_from(TOKENS) | st.binary(max_size=4))
    if draw(st.integers(0, 9)) == 0:
        del data[draw(st.integers(0, len(data))) :]
    return bytes(data)


@contextlib.contextmanager
def little_memory(limit: int = MEMORY) -> Iterator[None]:
    """Let what is done meanwhile take so many bytes more than there are now, or end in a `MemoryError`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm") as sizes:
        now = int(sizes.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def read(parse: Callable[[Any], Any], data: Any, refusal: Refusal, size: Optional[int] = None) -> Any:
    """
    Return what *parse* makes of *data*, or None where it refuses with the one declared exception.

    Any other exception leaves, and so does an `AssertionError` where it took too long three times in a row,
    or where the refusal is no sentence that can be shown on one line.
    """
    allowed = SECONDS * max(1.0, (len(data) if size is None else size) / 65536)
    took = []
    for _ in range(3):  # the machine may be busy with something else
        began = time.process_time()
        try:
            found = parse(data)
        except refusal as error:
            found = None
            sentence = str(error)
        else:
            sentence = "taken"
        assert sentence
        assert sentence.isprintable(), ascii(sentence)
        took.append(time.process_time() - began)
        if took[-1] <= allowed:
            return found
    raise AssertionError(f"{min(took):.3f} s for {data[:80]!r}")
