"""What operator and agents say to each other, and what they find on the disk that they wrote."""

from __future__ import annotations

import json
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from mutating import JSON, parts
from parsing import Parser, portions

from murder_fabric.agent.detached import parse_state
from murder_fabric.agent.history import parse_order
from murder_fabric.agent.records import parse_record
from murder_fabric.control import REQUESTS, MessageReader, encode_message, parse_request
from murder_fabric.control.answers import DONE, PROGRESS, check_event
from murder_fabric.control.framing import MAX_ATTACHED
from murder_fabric.control.shapes import Amount, Count, fits
from murder_fabric.deploy.history.record import Exchange, HostRecord, RunRecord, Sample, StageRecord
from murder_fabric.errors import BadInput, ControlError


def messages(data: bytes, noise: bool) -> Any:
    reader, found = MessageReader(noise=noise), []
    for portion in portions(data):
        found += reader.receive(portion)
    return found or None


def are_messages(found: Any, data: bytes) -> None:
    for message in found:
        assert isinstance(message.fields, dict)
        assert len(message.attached) <= MAX_ATTACHED


def fields_of(data: bytes) -> dict[str, Any]:
    """Return the fields of what is one message at least, as both ends of a control channel have it."""
    found = MessageReader().receive(data.replace(b"\n", b" ") + b"\n")
    if not found:
        raise ControlError("only a part of a message")
    return found[0].fields


def is_a_request(request: Any, data: bytes) -> None:
    assert parse_request(request.fields()) == request


def checked_event(data: bytes) -> dict[str, Any]:
    fields = fields_of(data)
    check_event(str(fields.get("name")), fields)
    return fields


def is_a_record(record: RunRecord, data: bytes) -> None:
    written = record.to_json()
    assert RunRecord.from_json(written).to_json() == written


def is_an_agents(state: tuple[int, int], data: bytes) -> None:
    """No other process is ever taken for one: 0, 1 and -1 would hit many."""
    pid, started = state
    assert 1 < pid < 2**31
    assert type(started) is int


def is_an_order(order: Any, data: bytes) -> None:
    assert all(type(entry.tag) is str and abs(entry.at) < float("inf") for entry in order)


#: An address, a secret, a commit, and what a release can be, for fields in which not any text may stand.
SPECIAL = ("127.0.0.1", "ab" * 16, "ab" * 20, "good")


def example(kind: Any) -> Any:
    """Return a value that is of *kind*, as `control.shapes.fits` has it."""
    origin, of = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return next(one for one in (example(of[0]), *SPECIAL) if fits(one, kind))
    if origin is Union:
        return example(of[0])
    if origin is list:
        return [example(of[0])]
    if origin is tuple:
        return [example(one) for one in of]
    if origin is dict:
        return {"web1": example(of[1])}
    if hasattr(kind, "__required_keys__"):
        return {key: example(one) for key, one in get_type_hints(kind, include_extras=True).items()}
    return {str: "v1", bool: True, int: 6881, float: 0.5, Count: 7, Amount: 1.5, Any: None}[kind]


def jsons(values: list[Any]) -> tuple[bytes, ...]:
    return tuple(json.dumps(value).encode() for value in values)


def hints(kind: Any) -> dict[str, Any]:
    return {name: one for name, one in get_type_hints(kind, include_extras=True).items() if name != "name"}


def example_run() -> RunRecord:
    """Return a record with something of everything that may stand in one."""
    return RunRecord(
        id="20261122-063500-3f2a91c07be4",
        task="deploy",
        operator="ann@desk",
        began_at=1_763_767_200.0,
        seconds=12.5,
        exit_code=3,
        message="web2 failed, as was allowed",
        tag="v1",
        destination="/srv/app",
        digest="ab" * 32,
        length=1000,
        seeders=["web1"],
        hosts={
            "web1": HostRecord("switched", "", 0, 1000, 0.5),
            "web2": HostRecord("failed", "no space left"),
        },
        uploads={"web1": 1000},
        stages=[StageRecord("connect", 0.0, 1.5)],
        samples=[Sample(1.0, [0, 40])],
        exchange=Exchange(["web1", "web2"], [[0, 1000], [0, 0], [5, 0]]),
    )


EVENTS = [("done", DONE), ("progress", PROGRESS)]
REQUESTED = [
    {"do": name, **{key: example(one) for key, one in hints(kind).items()}} for name, kind in REQUESTS.items()
]
TOLD = [
    {"event": event, "name": kind.name, "time": 1.5, **{key: example(one) for key, one in wanted.items()}}
    for event, table in EVENTS
    for kind, wanted in table.items()
]
SAID = (
    encode_message({"do": "stage", "id": 1, "tag": "v1"}, b"a torrent\n{}"),
    encode_message({"do": "heartbeat"}) + encode_message({"event": "done", "id": 1}) * 3,
    encode_message(
        {"event": "progress", "bytes": 1.5, "text": "\u00e9\n", "more": [None, {"a": []}]}, bytes(300)
    ),
)
GREETED = tuple(b"Welcome to web1!\r\n\xff {1}\n" + one for one in SAID)
RECEIPT = {
    "tag": "v1",
    "digest": "ab" * 32,
    "verified": "2026-11-22 06:35:00 +0000",
    "length": 7,
    "linked": ["log"],
}
HISTORY = {"order": [["v1", 1.5], ["v2", 2]], "before": []}
STATE = {"name": "peer-v1", "pid": 4711, "start_time": 99}
PARSERS = [
    Parser("messages", lambda data: messages(data, False), ControlError, SAID, are_messages, parts(b"\n")),
    Parser(
        "messages after a greeting",
        lambda data: messages(data, True),
        ControlError,
        GREETED,
        are_messages,
        parts(b"\n"),
    ),
    Parser(
        "requests",
        lambda data: parse_request(fields_of(data)),
        ControlError,
        jsons(REQUESTED),
        is_a_request,
        JSON,
    ),
    Parser("events", checked_event, ControlError, jsons(TOLD), shape=JSON),
    Parser("state files", parse_state, (), jsons([STATE]), is_an_agents, JSON),
    Parser("receipts", lambda data: parse_record(data) or None, (), jsons([RECEIPT]), shape=JSON),
    Parser(
        "histories",
        lambda data: parse_order(parse_record(data).get("order")) or None,
        (),
        jsons([HISTORY]),
        is_an_order,
        JSON,
    ),
    Parser(
        "records of runs",
        RunRecord.from_json,
        BadInput,
        (example_run().to_json().encode(),),
        is_a_record,
        JSON,
    ),
]
