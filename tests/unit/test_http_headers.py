"""Header lines of HTTP: what they say, and which are none."""

from __future__ import annotations

import pytest

from murder_fabric.http_headers import parse_headers

FRAMING = (b"content-length",)


def test_names_are_known_in_any_case_and_values_have_no_blanks_around_them():
    lines = b"Content-LENGTH:5\r\nx-a: \t b c \t\r\nX-Empty:"
    assert parse_headers(lines, FRAMING, ValueError) == {
        b"content-length": b"5",
        b"x-a": b"b c",
        b"x-empty": b"",
    }
    assert parse_headers(b"", FRAMING, ValueError) == {}


@pytest.mark.parametrize(
    "lines",
    [
        b"none",
        b": x",
        b"a b: c",
        b" folded: x",
        b"a: b\r\n c",
        b"a: b\nc: d",
        b"a: \0",
        b"\xe4: x",
        b"a: b\r\n",
    ],
)
def test_a_line_that_is_no_header_is_refused(lines):
    with pytest.raises(ValueError, match=r"^a header line that is none$"):
        parse_headers(lines, FRAMING, ValueError)


def test_what_frames_the_body_says_one_thing_only():
    assert parse_headers(b"Content-Length: 5\r\ncontent-length: 5", FRAMING, ValueError)
    assert parse_headers(b"a: 1\r\nA: 2", FRAMING, ValueError) == {b"a": b"1"}
    with pytest.raises(ValueError, match=r"^two different values of content-length$"):
        parse_headers(b"Content-Length: 5\r\ncontent-length: 6", FRAMING, ValueError)
