"""How many examples are tried, what is made of a valid input, and how long and large its reading may be."""

from __future__ import annotations

import os
import time

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

#: Examples for each parser: few in the normal suite, as many as `./dev fuzz` says in a long run.
EXAMPLES = int(os.environ.get("MURDER_FUZZ_EXAMPLES", "60"))
#: CPU seconds that reading 64 KiB may take; more where somebody looks on.
SECONDS = 0.05 * float(os.environ.get("MURDER_FUZZ_SLOWER", "1"))
#: What breaks parsers: limits of numbers, ends of words, pieces of other formats.
TOKENS = [
    *(b"", b"0", b"-", b"-1", b"00", b"e", b"i", b"l", b"d", b":", b"1:", b"d1:", b"i-0e", b"99999999999:"),
    *(b"\x00", b"\xff", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80\x00\x00\x00", b"\r\n", b"\n", b"%"),
    *(
        b"9223372036854775808",
        b"18446744073709551616",
        b"../",
        b"/",
        b"..",
        b"\\u0000",
        b"{",
        b"[" * 40,
        b"&",
    ),
]

patient = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    # The normal suite must not be red today and green tomorrow; a long run is to find something new.
    derandomize=EXAMPLES <= 60,
    suppress_health_check=list(HealthCheck),
)


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


def cut(data, lengths):
    """Yield *data* in pieces of these lengths, the rest at last."""
    for length in lengths:
        yield data[:length]
        data = data[length:]
    yield data


def read(parse, data, refusal, size=None):
    """
    Return what *parse* makes of *data*, or None where it refuses with the one declared exception.

    Any other exception leaves, and so does an `AssertionError` where it took too long three times in a row.
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
        assert "\n" not in sentence
        took.append(time.process_time() - began)
        if took[-1] <= allowed:
            return found
    raise AssertionError(f"{min(took):.3f} s for {data[:80]!r}")
