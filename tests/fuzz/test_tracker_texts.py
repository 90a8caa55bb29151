"""What comes over HTTP: announces, requests, answers, parts of files of an origin; rows 54, 55 and 57."""

from __future__ import annotations

from bounded import cut, mutated, patient, read
from hypothesis import given
from hypothesis import strategies as st

from murder_fabric.errors import RemoteProtocolError, TrackerError
from murder_fabric.tracker.announcing import AnnounceRequest, announce_query, parse_announce
from murder_fabric.tracker.http import RequestReader, ResponseReader, format_request, format_response
from murder_fabric.tracker.scraping import parse_scrape, scrape_query
from murder_fabric.wire.web_seed import RangeReader

hashes = st.binary(min_size=20, max_size=20)
amounts = st.integers(0, 2**63 - 1)
announces = st.builds(
    AnnounceRequest,
    *(hashes, hashes, st.integers(1, 65535), amounts, amounts, amounts),
    event=st.sampled_from(["", "started", "completed", "stopped"]),
    num_want=st.integers(0, 10_000),
    compact=st.booleans(),
)
lengths = st.lists(st.integers(0, 30), max_size=6)


@patient
@given(mutated(announces.map(announce_query)))
def test_announces(query):
    request = read(parse_announce, query, TrackerError)
    if request is not None:
        assert parse_announce(announce_query(request)) == request
        assert len(request.info_hash) == len(request.peer_id) == 20
        assert 0 < request.port < 65536


@patient
@given(announces)
def test_an_announce_says_what_was_announced(request):
    assert parse_announce(announce_query(request)) == request


@patient
@given(mutated(st.lists(hashes, min_size=1, max_size=3).map(scrape_query)))
def test_scrapes(query):
    found = read(parse_scrape, query, TrackerError)
    assert found is None or all(len(info_hash) == 20 for info_hash in found)


def received(reader, data, sizes):
    """Feed *data* in pieces; return the first thing that the reader makes of it."""
    for part in cut(data, sizes):
        found = reader.receive(part)
        if found is not None:
            return [found]
    return [None]


@patient
@given(
    mutated(
        announces.map(
            lambda one: format_request("10.0.0.1:8998", "/announce?" + announce_query(one).decode())
        )
    ),
    lengths,
)
def test_requests_of_http(data, sizes):
    found = read(lambda one: received(RequestReader(), one, sizes), data, TrackerError)
    if found is not None and found[0] is not None:
        assert found[0].path.startswith(b"/")


@patient
@given(mutated(st.binary(max_size=80).map(lambda body: format_response(200, body))), lengths)
def test_answers_of_http(data, sizes):
    found = read(lambda one: received(ResponseReader(64), one, sizes), data, TrackerError)
    assert found is None or found[0] is None or len(found[0]) <= 64


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
@given(mutated(ranges()), lengths)
def test_parts_of_files(data, sizes):
    def parse(one):
        reader = RangeReader(5, 10, 100)
        return sum(len(reader.receive(part)) for part in cut(one, sizes) if not reader.complete)

    taken = read(parse, data, RemoteProtocolError)
    assert taken is None or taken <= 10
