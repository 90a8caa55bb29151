"""What agents answer to each request, and whether what one says is that: an agent may be broken, or lie."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional, TypedDict

from ..errors import ControlError
from . import agents, errands, preflight, releasing, swarming
from .parsing import REQUESTS
from .request import Request
from .shapes import Amount, Count, fits


class Held(TypedDict):
    """Who keeps others from a destination, since when and why."""

    operator: str
    since: str
    reason: str


class Release(TypedDict):
    """A release, in the answer to `releasing.ListReleases`."""

    tag: str
    state: str
    digest: str
    verified: str
    length: Count
    reason: str
    rank: Count
    usable: bool


#: What each `done` has, by request; beside that anything may stand there. What it means is said there.
DONE: Mapping[type[Request], Mapping[str, Any]] = {
    agents.Heartbeat: {},
    agents.Detach: {"started": bool, "pid": Count},
    agents.Dismiss: {"pid": Count},
    agents.DismissAll: {"agents": list[str]},
    agents.Clean: {"removed": list[str], "running": list[str]},
    agents.PassOn: {"address": str, "port": Count},
    agents.PassNoMore: {},
    agents.Status: {"agents": list[dict[str, Any]]},
    errands.ReadClock: {"clock": Amount},
    errands.RunCommands: {"said": list[str]},
    errands.CheckHealth: {},
    preflight.Examine: {"destination": str, "problems": list[str]},
    preflight.StandBy: {"port": Count},
    preflight.Reach: {"problem": str},
    releasing.Prepare: {"destination": str, "current": Optional[str], "python": str},
    releasing.Nonces: {"nonces": list[str]},
    releasing.Verify: {"seconds": Amount},
    releasing.Switch: {"previous": Optional[str], "warning": str, "clock": Amount},
    releasing.SwitchBack: {},
    releasing.ListReleases: {"current": Optional[str], "held": Optional[Held], "releases": list[Release]},
    releasing.Inspect: {
        **{"tag": Optional[str], "digest": str, "ours": bool, "drift": list[str], "strangers": list[str]},
        **{"drift_count": Count, "damage_count": Count},
    },
    releasing.MarkBad: {},
    releasing.CleanUp: {"removed": list[str]},
    releasing.Hold: {},
    releasing.LetGo: {"held": bool},
    releasing.RecallRelease: {"digest": str, "revision": str},
    releasing.Finish: {"bytes_uploaded": Count, "problems": list[str]},
    swarming.Locate: {"address": str, "operator": Optional[str]},
    swarming.Create: {"info_hash": str, "digest": str, "length": Count, "file_count": Count},
    swarming.Recall: {"path": str, "token": str},
    swarming.StartTracker: {"address": str, "port": Count, "token": Optional[str]},
    swarming.Track: {},
    swarming.TrackerFacts: {"address": str, "port": Count, "token": Optional[str]},
    swarming.Stage: {
        "released": bool,
        "removed": Count,
        "bytes_reused": dict[str, Count],
        "files_changed": Count,
    },
    swarming.StorePiece: {},
    swarming.Join: {
        **{"seconds": Amount, "port": Count, "bytes_downloaded": Count, "bytes_uploaded": Count},
        **{"bytes_of_web_seeds": Count, "web_seed_problems": dict[str, str]},
        **{"tracker_problem": Optional[str], "senders": list[tuple[str, Count, Count]]},
    },
    swarming.Seed: {"port": Count},
    swarming.Admit: {},
    swarming.Stop: {"bytes_uploaded": Count},
}
#: What may stand there, and is that then.
PERHAPS: Mapping[type[Request], Mapping[str, Any]] = {
    preflight.Examine: {"current": Optional[str], "free_bytes": Count, "free_inodes": Optional[Count]},
    releasing.Prepare: {"free_bytes": Count, "free_inodes": Optional[Count]},
    swarming.Stage: {"unfetched": str},
}
#: What each `progress` has, for the requests that have any.
PROGRESS: Mapping[type[Request], Mapping[str, Any]] = {
    swarming.Create: {"bytes": Count, "length": Count},
    swarming.Join: {
        **dict.fromkeys(("pieces", "piece_count", "bytes", "length", "peers"), Count),
        **dict.fromkeys(("bytes_downloaded", "bytes_uploaded", "unavailable"), Count),
        **dict.fromkeys(("rate", "upload_rate", "disk_seconds"), Amount),
    },
}
#: What every event may have: seconds since 1970.
_ALWAYS: Mapping[str, Any] = {"time": Amount}


def check_event(name: str, fields: Mapping[str, Any]) -> None:
    """
    Make sure that an event which belongs to a request called *name* can be taken at its word.

    Only `done` and `progress` have fields that anybody reckons with.

    Raises:
        ControlError: a field is missing, or cannot be meant.
    """
    kind = REQUESTS.get(name)
    event = fields.get("event")
    if kind is None or event not in ("done", "progress"):
        return
    wanted = DONE[kind] if event == "done" else PROGRESS.get(kind, {})
    for field in wanted:
        if field not in fields:
            raise ControlError(f"{name}: {field} is missing")
    for field, one in {**_ALWAYS, **PERHAPS.get(kind, {}), **wanted}.items():
        if field in fields and not fits(fields[field], one):
            raise ControlError(f"{name}: {field} cannot be {fields[field]!r:.60}")
