"""What an agent does when asked about releases: requests that need only the disk."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any

from .. import control
from ..errors import StorageError
from . import drift, history, holding, releases
from .answer import Answer
from .destination import Destination
from .examining import examine
from .keeping import ways_back


def _nonces(request: control.Nonces) -> Answer:
    return Answer({"nonces": Destination(request.destination).marks(request.run)})


def _switch(request: control.Switch) -> Answer:
    destination = Destination(request.destination)
    drift.must_be_proven(destination, request.tag)
    digest = _digest(destination, request.tag)
    previous = destination.switch(request.tag)
    releases.unmark(destination, request.tag)
    now = time.time()
    if request.back:
        line = history.rolled_back_line(request.tag, digest, request.operator, previous, now=now)
    else:
        line = history.deployed_line(
            request.tag,
            digest,
            request.operator,
            revision=request.revision,
            branch=request.branch,
            origin=request.origin,
            now=now,
        )
    fields = {"previous": previous, "clock": destination.pointed_at, "warning": ""}
    # The switch is made: what cannot be noted about it is no reason to call it failed.
    try:
        history.History(destination.own).switched(request.tag, previous, now=now)
        history.append_line(destination.path, line)
    except StorageError as error:
        fields["warning"] = f"the switch could not be noted: {error}"
    return Answer(fields)


def _switch_back(request: control.SwitchBack) -> Answer:
    destination = Destination(request.destination)
    switched = destination.current() == request.tag != request.previous
    destination.switch_back(request.tag, request.previous)
    # As with the switch: `current` is back, whether or not that can be noted.
    if switched:
        releases.mark_again(destination, request.tag)
        with contextlib.suppress(StorageError):
            history.History(destination.own).taken_back(request.tag)
            line = history.rolled_back_line(
                request.previous or "none",
                _digest(destination, request.previous),
                request.operator,
                request.tag,
                now=time.time(),
            )
            history.append_line(destination.path, line)
    return Answer({})


def _list_releases(request: control.ListReleases) -> Answer:
    destination = Destination(request.destination)
    found = releases.list_releases(destination)
    ranks = {tag: rank for rank, tag in enumerate(ways_back(found), 1)}
    listed = [
        {
            "tag": release.tag,
            "state": release.state,
            "digest": release.digest,
            "verified": release.verified,
            "length": release.length,
            "reason": release.bad,
            "rank": ranks.get(release.tag, 0),
            "usable": destination.may_be_current(release.tag),
        }
        for release in found
    ]
    held = holding.holder(destination)
    return Answer({"current": destination.current(), "held": held, "releases": listed})


def _inspect(request: control.Inspect) -> Answer:
    destination = Destination(request.destination)
    tag = destination.current() if request.tag is None else request.tag
    found = drift.Drift("", False, []) if tag is None else drift.drift_of(destination, tag, fast=request.fast)
    return Answer(
        {
            "tag": tag,
            "digest": found.digest,
            "ours": found.ours,
            "drift": found.faults[: drift.MOST_NAMED],
            "drift_count": len(found.faults),
            "damage": found.damage[: drift.MOST_NAMED],
            "damage_count": len(found.damage),
            "strangers": found.strangers[: drift.MOST_NAMED],
        }
    )


def _mark_bad(request: control.MarkBad) -> Answer:
    releases.mark_bad(Destination(request.destination), request.tag, request.operator, request.reason)
    return Answer({})


def _clean_up(request: control.CleanUp) -> Answer:
    return Answer({"removed": releases.clean_up(Destination(request.destination), request.keep)})


def _hold(request: control.Hold) -> Answer:
    destination = Destination(request.destination)
    if not destination.is_there():
        return Answer({"held": False, "under_way": None})
    destination.prepare()
    holding.hold(destination, request.operator, request.reason, request.run)
    # Not before: whoever takes it from now on is refused, see `holding.take`.
    return Answer({"held": True, "under_way": destination.run_under_way()})


def _let_go(request: control.LetGo) -> Answer:
    held = holding.let_go(Destination(request.destination), request.operator, force=request.force)
    return Answer({"held": held})


def _recall_release(request: control.RecallRelease) -> Answer:
    destination = Destination(request.destination)
    metainfo, torrent = drift.kept_torrent(destination, request.tag)
    revision = destination.additions(request.tag).revision
    return Answer({"digest": metainfo.info.digest.hex(), "revision": revision}, torrent)


def _digest(destination: Destination, tag: str | None) -> str:
    if tag is None or not destination.is_verified(tag):
        return ""
    receipt = destination.receipt(tag)
    return "" if receipt is None else str(receipt["digest"])


#: Each does blocking file I/O.
RELEASE_DUTIES: dict[type, Callable[[Any], Answer]] = {
    control.Examine: examine,
    control.Nonces: _nonces,
    control.Switch: _switch,
    control.SwitchBack: _switch_back,
    control.ListReleases: _list_releases,
    control.Inspect: _inspect,
    control.MarkBad: _mark_bad,
    control.CleanUp: _clean_up,
    control.Hold: _hold,
    control.LetGo: _let_go,
    control.RecallRelease: _recall_release,
}
