"""Requests of `murder.doctor`: what a deploy would find on a host, and which host reaches which."""

from __future__ import annotations

import dataclasses

from .request import Request


@dataclasses.dataclass(frozen=True)
class Examine(Request):
    """
    Say what a deploy to a destination would find; changes nothing and holds nothing.

    Done: `destination` (expanded), `problems` (sentences: why `Prepare` would fail), and, where there is
    none, `current` (tag or None), `free_bytes` and `free_inodes` (None: as many as are needed).
    """

    name = "examine"
    destination: str
    #: Files below `shared/` that a release gets links to.
    linked_files: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class StandBy(Request):
    """Tell whoever connects *mark*, until this agent ends. Done: `port`."""

    name = "stand_by"
    address: str
    #: First free of these, both ends included.
    first_port: int
    last_port: int
    #: Hex digits by which the caller knows that it reached this host and no other.
    mark: str


@dataclasses.dataclass(frozen=True)
class Reach(Request):
    """Connect to a host that stands by. Done: `problem` (why its mark was not heard; empty where it was)."""

    name = "reach"
    #: Of ours, to connect from.
    source: str
    address: str
    port: int
    mark: str
