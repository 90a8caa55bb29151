"""Requests about a destination and its releases."""

from __future__ import annotations

import dataclasses
from typing import Optional

from .request import Request


@dataclasses.dataclass(frozen=True)
class Prepare(Request):
    """
    Take the lock of a destination and say what is there; changes nothing else.

    Where nothing is to come and there is no destination, none is made, and there is no lock to take.

    Done: `destination` (expanded), `current` (tag or None), `python`; and where there is a tag `free_bytes`
    and `free_inodes` (None: as many as are needed), both with what the tag has there already.
    """

    name = "prepare"
    destination: str
    #: What is about to come; None where nothing is.
    tag: Optional[str]
    #: Names this run; written beside the destination, so that two names of one host are found out.
    run: str
    #: This host's own mark in that run.
    nonce: str
    #: Who deploys, for the next one who finds the lock taken.
    operator: str
    #: Go on where somebody has said `Hold`.
    force: bool = False
    #: Directories and files below `shared/` that a release gets links to; the files must be there.
    linked_dirs: list[str] = dataclasses.field(default_factory=list)
    linked_files: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Nonces(Request):
    """Which marks of this run lie beside the destination, if there is one. Done: `nonces`, a list."""

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
    #: Paths in the release that become links to the same paths below `shared/`.
    linked: list[str] = dataclasses.field(default_factory=list)
    #: What the file REVISION is to say; none is made where this is empty.
    revision: str = ""


@dataclasses.dataclass(frozen=True)
class Switch(Request):
    """
    Point `current` at a release, and note that in `revisions.log`.

    Done: `previous` (tag or None), `warning` (what could not be noted, or empty), `clock` (when the link was
    replaced; see `ReadClock`).
    """

    name = "switch"
    destination: str
    tag: str
    #: Who, and from where, for the log.
    operator: str = "somebody"
    origin: str = ""
    #: The commit that was deployed, and its branch.
    revision: str = ""
    branch: str = ""
    #: It is a rollback.
    back: bool = False
    #: What `ReadClock` would say at the moment when all switch; None: at once. Until then whatever ends the
    #: agent or its run, and a `SwitchBack`, calls it off; and a moment that has passed is not made up for.
    at: Optional[float] = None


@dataclasses.dataclass(frozen=True)
class SwitchBack(Request):
    """Point `current` back at `previous` (None: remove it), if it still points at `tag`."""

    name = "switch_back"
    destination: str
    tag: str
    previous: Optional[str] = None
    operator: str = "somebody"


@dataclasses.dataclass(frozen=True)
class ListReleases(Request):
    """
    What releases there are; changes nothing.

    Done: `current` (tag or None), `held` (None, or `operator`, `since`, `reason`), `releases`, newest first,
    each with `tag`, `state` (`good`, `bad`, `fetched`, `unknown`), `digest`, `verified` (when; both empty
    where we did not make it), `length` (bytes), `reason` (why it is bad), and `rank`: 1 for the release that
    was current last before this one and may be again, 2 for the one before; 0 for those that cannot; and
    `usable` (a switch that names it is not refused).
    """

    name = "list_releases"
    destination: str


@dataclasses.dataclass(frozen=True)
class Inspect(Request):
    """
    Read a release, and compare it with what was verified; changes nothing.

    Done: `tag` (None without a `current`), `digest`, `ours` (whether there is something to compare with),
    `drift` (up to a hundred sentences, sorted), `drift_count`; `damage` and `damage_count`: those of these
    that are about what belongs to the release, and not about what lies there besides; and `strangers`: up
    to a hundred paths of that.
    """

    name = "inspect"
    destination: str
    #: None: what `current` points at.
    tag: Optional[str] = None
    #: Files are not read that have the size and the time that they should have.
    fast: bool = False


@dataclasses.dataclass(frozen=True)
class MarkBad(Request):
    """Let nobody go back to a release by itself; a switch that names it takes the mark off."""

    name = "mark_bad"
    destination: str
    tag: str
    operator: str
    reason: str


@dataclasses.dataclass(frozen=True)
class CleanUp(Request):
    """
    Remove old releases until *keep* are left; see `agent.keeping`. Done: `removed` (tags).

    Whoever asks has taken the destination with `Prepare`.
    """

    name = "clean_up"
    destination: str
    keep: int


@dataclasses.dataclass(frozen=True)
class Hold(Request):
    """
    Refuse every `Prepare` that does not say `force`, until `LetGo`; failed where somebody holds it.

    Done: `held` (false where nobody ever deployed, or tried to: then nothing is made) and `under_way`: which
    run has the destination already, and goes on (`run`, `operator`, `since`; null where none has).
    """

    name = "hold"
    destination: str
    operator: str
    reason: str
    #: What the operator's records call it.
    run: str = ""


@dataclasses.dataclass(frozen=True)
class LetGo(Request):
    """Take a `Hold` off; another operator's only with *force*. Done: `held` (who did; null: nobody)."""

    name = "let_go"
    destination: str
    operator: str
    force: bool = False


@dataclasses.dataclass(frozen=True)
class RecallRelease(Request):
    """The torrent of a verified release, attached. Done: `digest`, `revision` (what its REVISION says)."""

    name = "recall_release"
    destination: str
    tag: str


@dataclasses.dataclass(frozen=True)
class Finish(Request):
    """
    End everything this agent runs, remove what a run left, give the lock back; nothing new is begun then.

    Done: `bytes_uploaded`, `problems` (sentences: what was not served to the end).
    """

    name = "finish"
