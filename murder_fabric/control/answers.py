"""What agents answer to each request, and whether what one says is that: an agent may be broken, or lie."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Optional, TypedDict

from ..errors import ControlError
from . import agents, errands, preflight, releasing, swarming
from .parsing import REQUESTS
from .request import WORKING, Request
from .shapes import Address, Amount, Count, Hex, Moment, Name, Port, Rate, Tag, Token, fits

#: What a release can be; see `releasing.ListReleases`.
State = Annotated[str, ("good", "bad", "fetched", "unknown").__contains__]

_COMMIT = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64})?")
#: What the file REVISION of a release says, which others are told too: a commit; empty where there is none.
Revision = Annotated[str, _COMMIT.fullmatch]


class Held(TypedDict):
    """Who keeps others from a destination, since when, why, and by which run."""

    operator: str
    since: str
    reason: str
    run: str


class UnderWay(TypedDict):
    """Which run has a destination, whose it is, and since when."""

    run: str
    operator: str
    since: str


class Release(TypedDict):
    """A release, in the answer to `releasing.ListReleases`."""

    tag: Tag
    state: State
    digest: Hex
    verified: str
    length: Count
    reason: str
    rank: Count
    usable: bool


class Part(TypedDict):
    """What an agent does in a swarm, in the answer to `agents.Status`."""

    tag: Tag
    bytes: Count
    length: Count
    peers: Count
    rate: Rate
    upload_rate: Rate


class Agent(TypedDict):
    """An agent at work, in the answer to `agents.Status`."""

    agent: str
    destinations: list[dict[str, Any]]
    tracker: Optional[dict[str, Any]]
    torrents: list[Part]


#: What each `done` has, by request; beside that anything may stand there. What it means is said there.
DONE: Mapping[type[Request], Mapping[str, Any]] = {
    agents.Heartbeat: {},
    agents.Detach: {"started": bool, "pid": Count},
    agents.Dismiss: {"pid": Count},
    agents.DismissAll: {"agents": list[Annotated[str, agents.is_name]]},
    agents.Clean: {"removed": list[str], "running": list[str]},
    agents.PassOn: {"address": Address, "port": Port},
    agents.PassNoMore: {},
    agents.Status: {"agents": list[Agent]},
    errands.ReadClock: {"clock": Amount},
    errands.RunCommands: {"said": list[str]},
    errands.CheckHealth: {},
    preflight.Examine: {"destination": str, "problems": list[str]},
    preflight.StandBy: {"port": Port},
    preflight.Reach: {"problem": str},
    releasing.Prepare: {"destination": str, "current": Optional[Name], "python": str},
    releasing.Nonces: {"nonces": list[str]},
    releasing.Verify: {"seconds": Amount},
    releasing.Switch: {"previous": Optional[Name], "warning": str, "clock": Amount},
    releasing.SwitchBack: {},
    releasing.ListReleases: {"current": Optional[Name], "held": Optional[Held], "releases": list[Release]},
    releasing.Inspect: {
        **{"tag": Optional[Name], "digest": Hex, "ours": bool, "drift": list[str], "strangers": list[str]},
        **{"drift_count": Count, "damage": list[str], "damage_count": Count},
    },
    releasing.MarkBad: {},
    releasing.CleanUp: {"removed": list[Tag]},
    releasing.Hold: {"held": bool, "under_way": Optional[UnderWay]},
    releasing.LetGo: {"held": Optional[Held]},
    releasing.RecallRelease: {"digest": Hex, "revision": Revision},
    releasing.Finish: {"bytes_uploaded": Count, "problems": list[str]},
    swarming.Locate: {"address": Address, "operator": Optional[Address]},
    swarming.Create: {"info_hash": Hex, "digest": Hex, "length": Count, "file_count": Count},
    swarming.Recall: {"path": str, "token": Token},
    swarming.StartTracker: {"address": Address, "port": Port, "token": Optional[Token]},
    swarming.Track: {},
    swarming.TrackerFacts: {"address": Address, "port": Port, "token": Token},
    swarming.Stage: {
        "released": bool,
        "removed": Count,
        "bytes_reused": dict[Tag, Count],
        "files_changed": Count,
    },
    swarming.StorePiece: {},
    swarming.Join: {
        **{"seconds": Amount, "port": Port, "bytes_downloaded": Count, "bytes_uploaded": Count},
        **{"bytes_of_web_seeds": Count, "web_seed_problems": dict[str, str]},
        **{"tracker_problem": Optional[str], "senders": list[tuple[str, Count, Count]]},
    },
    swarming.Seed: {"port": Port},
    swarming.Admit: {},
    swarming.Stop: {"bytes_uploaded": Count},
}
#: What may stand there, and is that then.
PERHAPS: Mapping[type[Request], Mapping[str, Any]] = {
    preflight.Examine: {"current": Optional[Name], "free_bytes": Count, "free_inodes": Optional[Count]},
    releasing.Prepare: {"free_bytes": Count, "free_inodes": Optional[Count]},
    swarming.Stage: {"unfetched": str},
}
#: What each `progress` has, for the requests that have any.
PROGRESS: Mapping[type[Request], Mapping[str, Any]] = {
    swarming.Create: {"bytes": Count, "length": Count},
    swarming.Join: {
        **dict.fromkeys(("pieces", "piece_count", "bytes", "length", "peers"), Count),
        **dict.fromkeys(("bytes_downloaded", "bytes_gained", "bytes_uploaded", "unavailable"), Count),
        **{"rate": Rate, "upload_rate": Rate, "disk_seconds": Amount},
    },
}
#: What every event may have.
_ALWAYS: Mapping[str, Any] = {"time": Moment}


def check_event(name: str, fields: Mapping[str, Any]) -> None:
    """
    Make sure that an event which belongs to a request called *name* can be taken at its word.

    Only `done` and `progress` have fields that anybody reckons with.

    Raises:
        ControlError: a field is missing, or cannot be meant, or no such event comes of that request.
    """
    kind = REQUESTS.get(name)
    event = fields.get("event")
    if kind is None or event in ("failed", WORKING):
        return
    if event != "done" and (event != "progress" or kind not in PROGRESS):
        raise ControlError(f"{name}: nothing is known of {event!r:.60}")
    wanted = DONE[kind] if event == "done" else PROGRESS.get(kind, {})
    for field in wanted:
        if field not in fields:
            raise ControlError(f"{name}: {field} is missing")
    for field, one in {**_ALWAYS, **PERHAPS.get(kind, {}), **wanted}.items():
        if field in fields and not fits(fields[field], one):
            raise ControlError(f"{name}: {field} cannot be {fields[field]!r:.60}")
