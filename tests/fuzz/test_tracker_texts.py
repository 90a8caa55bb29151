"""What comes over HTTP: announces, requests, answers, parts of files of an origin; rows 54, 55 and 57."""

from __future__ import annotations

from bounded import mutated, patient
from every_parser import PARSERS
from hypothesis import given
from hypothesis import strategies as st

from murder_fabric.tracker.announcing import AnnounceRequest, announce_query, parse_announce
from murder_fabric.tracker.http import format_request, format_response
from murder_fabric.tracker.scraping import scrape_query

hashes = st.binary(min_size=20, max_size=20)
amounts = st.integers(0, 2**63 - 1)
announces = st.builds(
    AnnounceRequest,
    *(hashes, hashes, st.integers(1, 65535), amounts, amounts, amounts),
    event=st.sampled_from(["", "started", "completed", "stopped"]),
    num_want=st.integers(0, 10_000),
    compact=st.booleans(),
)


@patient
@given(mutated(announces.map(announce_query)))
def test_announces(query):
    PARSERS["announces"].read(query)


@patient
@given(announces)
def test_an_announce_says_what_was_announced(request):
    assert parse_announce(announce_query(request)) == request


@patient
@given(mutated(st.lists(hashes, min_size=1, max_size=3).map(scrape_query)))
def test_scrapes(query):
    PARSERS["scrapes"].read(query)


@patient
@given(
    mutated(
        announces.map(
            lambda one: format_request("10.0.0.1:8998", "/announce?" + announce_query(one).decode())
        )
    )
)
def test_requests_of_http(data):
    PARSERS["requests of HTTP"].read(data)


@patient
@given(mutated(st.binary(max_size=80).map(lambda body: format_response(200, body))))
def test_answers_of_http(data):
    PARSERS["answers of HTTP"].read(data)


@st.composite
def ranges(draw):
    """Draw an answer of an origin to the question for 10 bytes from the fifth of 100."""
    status = draw(st.sampled_from([b"206 Partial Content", b"200 OK", b"302 Found", b"503 Busy", b"416 No"]))
    headers = draw(
        st.sampled_from([b"Content-Range: bytes 5-14/100", b"Location: http://10.0.0.9/x", b"X: y"])
    )
    length = draw(st.sampled_from([b"10", b"100", b"0", b"-1", b"99999999999999999999"]))
    return (
        b"HTTP/1.1 "
        + status
        + b"\r\n"
        + headers
        + b"\r\nContent-Length: "
        + length
        + b"\r\n\r\n"
        + b"x" * 100
    )


@patient
@given(mutated(ranges()))
def test_parts_of_files(data):
    PARSERS["parts of files"].read(data)
