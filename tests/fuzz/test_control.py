"""What operator and agents say to each other, and what an agent finds of others; rows 68, 75 and 80."""

from __future__ import annotations

import json

from bounded import mutated, patient
from every_parser import PARSERS
from hypothesis import given
from hypothesis import strategies as st

from murder_fabric.agent.detached import parse_state
from murder_fabric.control import REQUESTS, MessageReader, encode_message

jsons = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = sorted({name for kind in REQUESTS.values() for name in kind.__dataclass_fields__})
fields = st.fixed_dictionaries(
    {"do": st.sampled_from(sorted(REQUESTS)) | st.text(max_size=8)},
    optional=dict.fromkeys(NAMES, jsons),
)
conversations = st.lists(st.tuples(fields, st.binary(max_size=30)), max_size=4).map(
    lambda said: b"".join(encode_message(*one) for one in said)
)


@patient
@given(mutated(conversations))
def test_messages(data):
    PARSERS["messages"].read(data)
    PARSERS["messages after a greeting"].read(data)


@patient
@given(st.lists(st.tuples(fields, st.binary(max_size=30)), max_size=4))
def test_a_conversation_says_what_was_said(said):
    reader = MessageReader()
    found = reader.receive(b"".join(encode_message(*one) for one in said))
    assert [message.attached for message in found] == [attached for _, attached in said]
    assert json.dumps([message.fields for message in found]) == json.dumps([one for one, _ in said])


@patient
@given(fields)
def test_requests(said):
    PARSERS["requests"].read(json.dumps(said).encode())


states = st.fixed_dictionaries({"pid": jsons | st.integers(-5, 99999), "start_time": jsons | st.integers()})


@patient
@given(mutated(states.map(lambda state: json.dumps(state).encode())))
def test_state_files(data):
    PARSERS["state files"].read(data)


def test_a_state_file_that_says_nothing_at_all_names_no_process():
    torn = [
        b"",
        b"{}",
        b"[" * 4000,
        b'{"pid": -1, "start_time": null}',
        b'{"pid": true, "start_time": 1}',
        b"\xff",
    ]
    assert [parse_state(data) for data in torn] == [None] * len(torn)
    assert parse_state(b'{"name": "peer-v1", "pid": 4711, "start_time": 99}') == (4711, 99)
