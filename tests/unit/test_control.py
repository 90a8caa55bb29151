"""What operator and agent say to each other, cut on the way however it may be."""

from __future__ import annotations

import dataclasses
import json
from typing import Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from murder_fabric.control import REQUESTS, Join, Prepare, Stop, Switch, check_depth, check_tag, parse_request
from murder_fabric.control.framing import (
    MAX_ATTACHED,
    MAX_LINE,
    MAX_NOISE,
    Message,
    MessageReader,
    encode_message,
)
from murder_fabric.control.shapes import Address
from murder_fabric.errors import BadInput, ControlError

# Bytes ------------------------------------------------------------------------------------------------------

TALK = [
    Message({"id": 1, "do": "heartbeat"}),
    Message({"id": 2, "do": "stage", "tag": "v1", "destination": "/srv/ümläut\n"}, b"torrent\n{}\n\x00\xff"),
    Message({"event": "done", "id": 1, "time": 1.5}),
    Message({"event": "piece"}, b"\n"),
]


def read(reader, data, size):
    return [
        message
        for start in range(0, len(data), size)
        for message in reader.receive(data[start : start + size])
    ]


@pytest.mark.parametrize("size", [1, 3, 10_000])
def test_messages_arrive_as_they_were_sent(size):
    data = b"".join(encode_message(*message) for message in TALK)
    assert read(MessageReader(), data, size) == TALK


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda one: st.lists(one, max_size=3)
)


@given(
    st.lists(
        st.tuples(
            st.dictionaries(st.text().filter(lambda key: key != "attached"), JSON, max_size=4), st.binary()
        ),
        max_size=5,
    ),
    st.integers(1, 50),
)
def test_any_message_survives(messages, size):
    sent = [Message({**fields, "event": "x"}, attached) for fields, attached in messages]
    assert read(MessageReader(), b"".join(encode_message(*one) for one in sent), size) == sent


@pytest.mark.parametrize("size", [1, 1000])
def test_what_a_login_shell_prints_is_passed_over_until_the_agent_speaks(size):
    noise = b"Welcome to web1!\n\n{not json\n[1]\n{}\n\xff\xfe\n\x1b[2J 100%\n"
    reader = MessageReader(noise=True)
    assert read(reader, noise + encode_message({"event": "hello"}), size) == [Message({"event": "hello"})]
    with pytest.raises(ControlError, match="not a control message"):
        reader.receive(b"bash: warning\n")


def test_noise_without_end_is_an_error():
    reader = MessageReader(noise=True)
    assert reader.receive((b"x" * 99 + b"\n") * (MAX_NOISE // 100)) == []
    with pytest.raises(ControlError, match="not a control message"):
        reader.receive(b"x" * 99 + b"\n")


@pytest.mark.parametrize(
    "line",
    [
        *[b"", b"hello", b"{", b"[]", b"7", b"{}", b'{"id": 1}', b"\xff", b'"event"', b"[" * 100_000],
        *[
            b'{"event": "x", "attached": %s}' % value
            for value in (b"-1", b"1.0", b"true", b'"5"', b"null", b"[]")
        ],
        b'{"event": "x", "attached": %d}' % (MAX_ATTACHED + 1),
    ],
)
def test_what_is_no_message_is_refused(line):
    with pytest.raises(ControlError, match="not a control message"):
        MessageReader().receive(line + b"\n")


@pytest.mark.parametrize("end", [b"", b'"}\n'])
def test_a_line_without_end_is_refused(end):
    with pytest.raises(ControlError, match="a control line of more than"):
        MessageReader().receive(b'{"event": "' + b"x" * MAX_LINE + end)


def test_attached_bytes_are_no_messages():
    inner = encode_message({"do": "stop", "id": 9})
    data = encode_message({"event": "x"}, inner)
    assert MessageReader().receive(data) == [Message({"event": "x"}, inner)]


# Requests ---------------------------------------------------------------------------------------------------


def values(kind):
    """Return a strategy for values of a field's type."""
    if kind is Address:
        return st.ip_addresses(network="10.0.0.0/8").map(str)
    if get_origin(kind) is Union:
        return st.one_of(*map(values, get_args(kind)))
    if get_origin(kind) is list:
        return st.lists(values(get_args(kind)[0]), max_size=3)
    simple = {str: st.text(), int: st.integers(), bool: st.booleans(), type(None): st.none()}
    return st.floats(allow_nan=False, allow_infinity=False) if kind is float else simple[kind]


@pytest.mark.parametrize("kind", REQUESTS.values(), ids=REQUESTS)
@given(data=st.data())
def test_every_request_survives_the_way(kind, data):
    types = get_type_hints(kind, include_extras=True)
    fields = {field.name: data.draw(values(types[field.name])) for field in dataclasses.fields(kind)}
    request = kind(**fields)
    sent = encode_message({"id": 1, **request.fields()})
    (message,) = MessageReader().receive(sent)
    assert parse_request(message.fields) == request


@pytest.mark.parametrize("kind", REQUESTS.values(), ids=REQUESTS)
def test_a_request_says_its_name_and_nothing_else_is_in_the_way(kind):
    names = {field.name for field in dataclasses.fields(kind)}
    assert not names & {"id", "do", "to", "event", "time", "attached"}
    assert REQUESTS[kind.name] is kind
    assert kind.__doc__


def test_what_is_not_said_has_its_default_and_what_is_unknown_is_ignored():
    assert parse_request({"do": "stop", "id": 7, "since": "version 9"}) == Stop(tag=None)


@pytest.mark.parametrize("name", [None, "", "Switch", "destroy", 7, ["stop"], {"stop": 1}])
def test_a_request_that_nobody_knows_is_refused(name):
    with pytest.raises(ControlError, match="no request is called"):
        parse_request({"do": name})


@pytest.mark.parametrize("missing", ["destination", "tag"])
def test_what_is_missing_is_named(missing):
    fields = Switch("/srv/app", "v1").fields()
    del fields[missing]
    with pytest.raises(ControlError, match=f"^switch: {missing} is missing$"):
        parse_request(fields)


JOIN = Join("v1", "10.0.0.1", 6881, 6999, "http://10.0.0.1:8998/announce").fields()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("tag", None), ("tag", 7), ("tag", ["v1"]), ("first_port", "6881"), ("first_port", 6881.0)],
        *[("first_port", True), ("hosts", "10.0.0.1"), ("hosts", [1]), ("hosts", {}), ("token", 5)],
    ],
)
def test_a_value_of_the_wrong_kind_is_named(field, value):
    with pytest.raises(ControlError, match=f"join: {field} cannot be"):
        parse_request({**JOIN, field: value})


@pytest.mark.parametrize("value", [30, 30.5])
def test_seconds_may_be_whole(value):
    assert parse_request({"do": "detach", "agent": "peer-v1", "lifetime": value}).lifetime == value


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "30", True, None])
def test_seconds_are_a_number_that_ends(value):
    with pytest.raises(ControlError, match="detach: lifetime cannot be"):
        parse_request({"do": "detach", "agent": "peer-v1", "lifetime": value})


def test_nothing_in_a_request_is_ever_more_than_data():
    """Whatever a branch, a path or a person is called; fault row 68."""
    hostile = "$(touch /tmp/x); `id` | '\"\n\r\x00\x1b]0;\u202e\ud83d\ude00".encode("utf-16", "surrogatepass")
    text = hostile.decode("utf-16", "replace")
    request = Prepare(destination=text, tag=text, run=text, nonce=text, operator=text)
    line = encode_message(request.fields())
    assert line.count(b"\n") == 1
    assert b"\x1b" not in line
    assert parse_request(json.loads(line)) == request


# Tags -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tag", ["v1", "2024-05-01_12.30", "A", "0", "x" * 100, "release-1.2.3"])
def test_a_tag_is_a_name(tag):
    assert check_tag(tag) == tag


@pytest.mark.parametrize(
    "tag",
    [
        *[
            "",
            ".",
            "..",
            ".hidden",
            "-rf",
            "_x",
            "a/b",
            "a\\b",
            "a b",
            "a\n",
            "a\0",
            "x" * 101,
            "ü",
            "$(id)",
            "a;b",
        ],
        *["`id`", "a|b", "a&b", "'", '"', "*", "~", "%s" + "/", "\u202e", "v1\r"],
    ],
)
def test_what_is_no_tag_is_bad_input(tag):
    with pytest.raises(BadInput, match="a tag cannot be"):
        check_tag(tag)


@pytest.mark.parametrize("path", ["/", "//", "/srv", "/srv/"])
def test_a_destination_that_is_too_short_to_be_meant_is_refused(path):
    with pytest.raises(BadInput, match="two directories deep"):
        check_depth(path)


@pytest.mark.parametrize("path", ["/srv/app", "~/app", ""])
def test_how_deep_a_home_is_only_its_host_knows(path):
    assert check_depth(path) == path
