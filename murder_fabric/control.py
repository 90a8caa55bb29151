"""
The contract between operator and agent: JSON lines each way, some with bytes attached.

A message is one line of JSON; where it has the key `attached`, that many raw bytes follow the line (a
torrent, a piece). The operator sends requests, each with an `id` and the request's name under `do`. The
agent sends events, each with `event` and `time` (Unix seconds); an event that belongs to a request carries
its `id`, and every request ends with exactly one `done` or `failed`:

    -> {"id": 3, "do": "switch", "destination": "/srv/app", "tag": "v1"}
    <- {"id": 3, "event": "done", "time": 1763767200.5, "previous": "v0"}
    <- {"id": 4, "event": "failed", "time": 1763767200.6, "reason": "no space left on /srv"}

A request with `to` is meant for the detached agent of that name on the same host and forwarded there.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from typing import Any, ClassVar, Optional, Union, cast, get_args, get_origin, get_type_hints

from .errors import BadInput, ControlError
from .framing import Message as Message
from .framing import MessageReader as MessageReader
from .framing import encode_message as encode_message

#: Said in the agent's `hello`; another number is another contract.
VERSION = 1
#: The operator says something at least this often (seconds) …
HEARTBEAT_INTERVAL = 10.0
#: … and after this much silence (seconds) the agent ends what it started: a laptop asleep closes nothing.
LEASE = 60.0

_TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def check_tag(tag: str) -> str:
    """Return *tag*, which becomes part of paths on every host; BadInput says what a tag is made of."""
    if not _TAG.fullmatch(tag):
        raise BadInput(
            f"a tag cannot be {tag!r:.120}: letters, digits, '.', '_' and '-', at most 100,"
            " the first one a letter or digit"
        )
    return tag


@dataclasses.dataclass(frozen=True)
class Request:
    """What the operator asks of an agent; `name` is what `do` says."""

    name: ClassVar[str]

    def fields(self) -> dict[str, Any]:
        """Return the request as a message's fields, without its `id`."""
        return {"do": self.name, **dataclasses.asdict(self)}


@dataclasses.dataclass(frozen=True)
class Heartbeat(Request):
    """Renews the lease."""

    name = "heartbeat"


@dataclasses.dataclass(frozen=True)
class Prepare(Request):
    """
    Take the lock of a destination and say what is there; changes nothing else.

    Done: `destination` (expanded), `free_bytes` and `free_inodes` (None: as many as are needed), both with
    what the tag has there already, `current` (tag or None), `python`.
    """

    name = "prepare"
    destination: str
    tag: str
    #: Names this run; written beside the destination, so that two names of one host are found out.
    run: str
    #: This host's own mark in that run.
    nonce: str
    #: Who deploys, for the next one who finds the lock taken.
    operator: str


@dataclasses.dataclass(frozen=True)
class Locate(Request):
    """Where peers find this host: how SSH reached it, or its address on *interface*. Done: `address`."""

    name = "locate"
    interface: Optional[str] = None


@dataclasses.dataclass(frozen=True)
class Nonces(Request):
    """Which marks of this run lie beside the destination. Done: `nonces`, a list."""

    name = "nonces"
    destination: str
    run: str


@dataclasses.dataclass(frozen=True)
class Create(Request):
    """
    Hash what lies at `path` on the host into a torrent.

    Done: `info_hash`, `digest` (hex), `length`, `file_count`; the torrent is attached.
    """

    name = "create"
    path: str
    announce: Optional[str] = None
    #: What the torrent is called; it is under the info hash, so the same for trees that are to be the same.
    #: None, and always for a single file: as what lies at `path` is called.
    title: Optional[str] = None
    exclude: list[str] = dataclasses.field(default_factory=list)
    piece_length: Optional[int] = None
    #: Keep the torrent on the host under this tag, for `Recall`.
    tag: Optional[str] = None


@dataclasses.dataclass(frozen=True)
class Recall(Request):
    """What `Create` kept under a tag. Done: `path` of the payload; the torrent is attached."""

    name = "recall"
    tag: str


@dataclasses.dataclass(frozen=True)
class StartTracker(Request):
    """Serve announces. Done: `address`, `port`."""

    name = "start_tracker"
    address: str
    #: First free of these, both ends included.
    first_port: int
    last_port: int
    #: 32 hex digits, or None for an open tracker.
    token: Optional[str] = None


@dataclasses.dataclass(frozen=True)
class Track(Request):
    """Let the tracker know a torrent, and the only addresses that may join it (None: any)."""

    name = "track"
    info_hash: str
    hosts: Optional[list[str]] = None


#: Where a staged payload is to end up: a release of a destination; the destination itself, as in Murder; or
#: nowhere, being there only to be seeded.
LAYOUTS = ("release", "plain", "temporary")


@dataclasses.dataclass(frozen=True)
class Stage(Request):
    """
    Make ready to take in the payload of the attached torrent, and check what of it is there already.

    Done: `released` (it is a verified release already); the bitfield of the pieces it has is attached.
    """

    name = "stage"
    tag: str
    #: The release's digest (hex), as the operator knows it.
    digest: str
    #: Ignored where *layout* is `temporary`.
    destination: str = ""
    #: One of `LAYOUTS`.
    layout: str = "release"
    #: A payload on the host itself to copy from.
    source: Optional[str] = None


@dataclasses.dataclass(frozen=True)
class StorePiece(Request):
    """Write the attached piece into the staging release; checked like any other piece."""

    name = "store_piece"
    tag: str
    index: int


@dataclasses.dataclass(frozen=True)
class Join(Request):
    """
    Join the swarm with the staged release: fetch what is missing, then seed until stopped.

    Events: `progress`. Done when complete: `seconds`, `bytes_downloaded`, `bytes_uploaded`.
    """

    name = "join"
    tag: str
    address: str
    first_port: int
    last_port: int
    announce: str
    token: Optional[str] = None
    #: The only addresses connections are taken from (None: any).
    hosts: Optional[list[str]] = None


@dataclasses.dataclass(frozen=True)
class Seed(Request):
    """
    Serve the attached torrent from a payload at `path` on the host, until stopped.

    Done once checked and serving: `port`.
    """

    name = "seed"
    tag: str
    path: str
    address: str
    first_port: int
    last_port: int
    announce: str
    token: Optional[str] = None
    hosts: Optional[list[str]] = None


@dataclasses.dataclass(frozen=True)
class Admit(Request):
    """Let more addresses connect to what runs for a tag; failed if that is not the torrent of *digest*."""

    name = "admit"
    tag: str
    digest: str
    hosts: list[str]


@dataclasses.dataclass(frozen=True)
class Verify(Request):
    """
    Finish what was staged, make it durable, read it all again; a release becomes one. Done: `seconds`.

    What is `plain` and was not verified goes again when its agent ends.
    """

    name = "verify"
    tag: str


@dataclasses.dataclass(frozen=True)
class Switch(Request):
    """Point `current` at a release. Done: `previous` (tag or None)."""

    name = "switch"
    destination: str
    tag: str


@dataclasses.dataclass(frozen=True)
class SwitchBack(Request):
    """Point `current` back at `previous` (None: remove it), if it still points at `tag`."""

    name = "switch_back"
    destination: str
    tag: str
    previous: Optional[str] = None


@dataclasses.dataclass(frozen=True)
class Stop(Request):
    """End the tracker (`tag` None) or what runs for a tag; failed if nothing does. Done: `bytes_uploaded`."""

    name = "stop"
    tag: Optional[str] = None


@dataclasses.dataclass(frozen=True)
class Finish(Request):
    """End everything this agent runs, remove what a run left, give the lock back. Done: `bytes_uploaded`."""

    name = "finish"


@dataclasses.dataclass(frozen=True)
class Detach(Request):
    """Leave an agent of that name running on the host, if there is none yet. Done: `started`, `pid`."""

    name = "detach"
    #: What later requests put under `to`: `tracker`, `seeder-v1`, `peer-v1`.
    agent: str
    #: It ends by itself after so many seconds without an operator; and soon, if it was given nothing to run.
    lifetime: float


@dataclasses.dataclass(frozen=True)
class Dismiss(Request):
    """End the detached agent of that name and all that it runs; failed if there is none. Done: `pid`."""

    name = "dismiss"
    agent: str


@dataclasses.dataclass(frozen=True)
class TrackerFacts(Request):
    """What later tasks must know of the tracker that runs here. Done: `address`, `port`, `token`."""

    name = "tracker_facts"


REQUESTS: dict[str, type[Request]] = {kind.name: kind for kind in Request.__subclasses__()}


def parse_request(fields: Mapping[str, Any]) -> Request:
    """
    Return the request that a message's fields stand for; keys it does not know are ignored.

    Raises:
        ControlError: no such request, or a field is missing or of the wrong type.
    """
    kind = REQUESTS.get(str(fields.get("do")))
    if kind is None:
        raise ControlError(f"no request is called {fields.get('do')!r:.60}: is the operator's version newer?")
    values = {}
    types = get_type_hints(kind)
    for field in dataclasses.fields(kind):
        if field.name in fields:
            value = fields[field.name]
            if not _fits(value, types[field.name]):
                raise ControlError(f"{kind.name}: {field.name} cannot be {value!r:.60}")
            values[field.name] = value
        elif field.default is field.default_factory is dataclasses.MISSING:
            raise ControlError(f"{kind.name}: {field.name} is missing")
    return kind(**values)


def _fits(value: object, kind: Any) -> bool:
    origin = get_origin(kind)
    if origin is Union:
        return any(_fits(value, one) for one in get_args(kind))
    if origin is list:
        return isinstance(value, list) and all(_fits(one, get_args(kind)[0]) for one in value)
    if kind is float:
        return type(value) in (int, float) and math.isfinite(cast(float, value))
    return type(value) is kind
