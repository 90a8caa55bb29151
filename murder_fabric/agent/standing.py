"""
What each agent of ours on this host is doing, written every second where another one finds it.

`murder.status` asks an agent of its own, which cannot look into the others: that of a deploy has no socket,
and belongs to the operator who started it.
"""

from __future__ import annotations

import contextlib
import json
import os
from typing import Any

from twisted.internet.task import LoopingCall

from ..errors import BadInput, StorageError
from ..tracker.keys import statistics_url
from .detached import parse_state, start_time
from .files import read_limited, write_atomically
from .host import Host
from .records import parse_record, read_record
from .report import INTERVAL
from .state import state_directory

#: Another number is another format; what agents of another version wrote is passed over.
_FORMAT = 1
#: Bytes of the longest file that is read; a torrent takes some 300.
_MAX_STANDING = 256 << 10


class Standing:
    """
    Keeps the file of this process up to date from `start` to `stop`; there is none while it does nothing.

    Args:
        clock: the reactor.
        name: of a detached agent; empty for the one of an operator who is there.
    """

    def __init__(self, host: Host, clock: Any, name: str = "") -> None:
        self._host = host
        self._name = name
        self._written: dict[str, Any] | None = None
        self._ticker = LoopingCall(self._write)
        self._ticker.clock = clock

    def start(self) -> None:
        """Begin to tell."""
        self._ticker.start(INTERVAL, now=False)

    def stop(self) -> None:
        """Tell nothing any more."""
        if self._ticker.running:
            self._ticker.stop()
        self._remove()

    def _remove(self) -> None:
        if self._written is not None:
            self._written = None
            with contextlib.suppress(OSError, StorageError):
                os.unlink(_path(os.getpid()))

    def _write(self) -> None:
        fields = standing_of(self._host, self._name)
        if not (fields["destinations"] or fields["tracker"] or fields["torrents"]):
            self._remove()
            return
        if fields == self._written:
            return
        known = {"format": _FORMAT, "pid": os.getpid(), "start_time": start_time(os.getpid())}
        # Whoever wants to know may go without; what this agent is there for goes on.
        with contextlib.suppress(OSError, StorageError):
            os.makedirs(os.path.dirname(_path(os.getpid())), mode=0o700, exist_ok=True)
            write_atomically(
                _path(os.getpid()), json.dumps({**known, **fields}).encode(), 0o600, durable=False
            )
            self._written = fields


def standing_of(host: Host, name: str) -> dict[str, Any]:
    """
    Return what *host* does, as `control.Status` has it, less the operators.

    The run's secret is not in it; the key in the URLs opens the tracker's numbers, and nothing else.
    """
    tracker = None
    if host.tracker is not None:
        token = None if host.tracker.token is None else bytes.fromhex(host.tracker.token)
        at = host.tracker.address, int(host.tracker.port.getHost().port)
        entries = host.tracker.registry.totals()
        tracker = {
            "address": at[0],
            "port": at[1],
            "complete": entries.complete,
            "incomplete": entries.incomplete,
            "stats": statistics_url(*at, "stats", token),
            "metrics": statistics_url(*at, "metrics", token),
        }
    torrents = [
        {"tag": tag, "port": one.port, **one.progress()._asdict()}
        for tag, one in sorted(host.torrents.items())
    ]
    return {
        "agent": name,
        "destinations": sorted(host.destinations),
        "tracker": tracker,
        "torrents": torrents,
    }


def agents_here() -> list[dict[str, Any]]:
    """
    Return what the agents on this host do that do anything, by pid; files of those that were killed go.

    Raises:
        StorageError: our state directory cannot be read.
    """
    directory = os.path.dirname(_path(0))
    try:
        files = os.listdir(directory)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StorageError(f"{directory}: {error.strerror}") from None
    found = []
    # One that is being written has another name until it is whole.
    records = [name for name in files if name.endswith(".json")]
    for name in sorted(records, key=lambda name: (len(name), name)):
        path = os.path.join(directory, name)
        try:
            data = read_limited(path, _MAX_STANDING)
        except BadInput:  # it ended meanwhile
            continue
        state = parse_state(data)
        if state is not None and start_time(state[0]) == state[1]:
            fields = parse_record(data)
            if fields.pop("format", None) == _FORMAT:
                told = [{"path": path, **_holder(path)} for path in fields["destinations"]]
                found.append({**fields, "destinations": told})
        else:
            with contextlib.suppress(OSError):
                os.unlink(path)
    return found


def _holder(destination: str) -> dict[str, Any]:
    """Return who deploys to *destination*, and since when, as its lock tells."""
    record = read_record(os.path.join(destination, ".murder", "lock"))
    return {name: str(record.get(name, "")) for name in ("operator", "since")}


def _path(pid: int) -> str:
    return os.path.join(state_directory(), "standing", f"{pid}.json")
