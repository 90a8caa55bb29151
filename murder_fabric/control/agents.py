"""Requests about agents themselves: the lease, and those that stay."""

from __future__ import annotations

import dataclasses
from typing import Optional

from .request import Request, is_tag


def is_name(agent: str) -> bool:
    """Return whether a detached agent can be called *agent*: `tracker`, or what it does and a tag."""
    kind, dash, tag = agent.partition("-")
    return kind.isascii() and kind.isalpha() and kind.islower() and (is_tag(tag) if dash else not tag)


def spoken(agent: str) -> str:
    """Return the name of a detached agent in words: `peer-v1` is a `peer of v1`."""
    kind, _, tag = agent.partition("-")
    return f"{kind} of {tag}" if tag else kind


@dataclasses.dataclass(frozen=True)
class Heartbeat(Request):
    """Renews the lease."""

    name = "heartbeat"


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
class DismissAll(Request):
    """End every detached agent of a kind, whatever its tag. Done: `agents`, the names of those that ran."""

    name = "dismiss_all"
    #: `seeder` or `peer`.
    kind: str


@dataclasses.dataclass(frozen=True)
class Clean(Request):
    """
    Remove what a tag left where agents live on the host: torrent, logs, state, payloads only to be seeded.

    Never a release, and nothing that an agent still works with. Done: `removed` (paths), `running` (names).
    """

    name = "clean"
    tag: str


@dataclasses.dataclass(frozen=True)
class PassOn(Request):
    """
    Give the attached zip to whoever asks for *path* by HTTP, as other hosts do that lack their agent.

    Done: `address`, `port`.
    """

    name = "pass_on"
    #: With its slash; nobody is to guess it.
    path: str
    #: First free of these, both ends included.
    first_port: int
    last_port: int
    #: After so many seconds it ends by itself.
    lifetime: float
    #: As in `swarming.Locate`.
    interface: Optional[str] = None


@dataclasses.dataclass(frozen=True)
class PassNoMore(Request):
    """End what `PassOn` began, if it is still there."""

    name = "pass_no_more"


@dataclasses.dataclass(frozen=True)
class Status(Request):
    """
    What agents of ours do on the host, up to a second ago; those that do nothing are not told of.

    Done: `agents`, each with `pid`, `agent` (the name of a detached one, else empty), `destinations` (`path`,
    `operator` and `since` of whoever deploys there), `tracker` (None, or `address`, `port`, `complete`,
    `incomplete` and the URLs `stats` and `metrics`) and `torrents` (`tag`, `port`, and what `progress` has).
    """

    name = "status"
