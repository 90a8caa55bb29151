"""Requests about a destination and its releases."""

from __future__ import annotations

import dataclasses
from typing import Optional

from .request import Request


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
class Nonces(Request):
    """Which marks of this run lie beside the destination. Done: `nonces`, a list."""

    name = "nonces"
    destination: str
    run: str


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
class Finish(Request):
    """End everything this agent runs, remove what a run left, give the lock back. Done: `bytes_uploaded`."""

    name = "finish"
