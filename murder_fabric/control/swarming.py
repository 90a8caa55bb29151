"""Requests about a swarm: its torrent, its tracker, and the agents that take part in it."""

from __future__ import annotations

import dataclasses
from typing import Optional

from .request import Request
from .shapes import Address


@dataclasses.dataclass(frozen=True)
class Locate(Request):
    """
    Where peers find this host: how SSH reached it, or its address on *interface*.

    Done: `address`, and `operator` (where SSH came from; None if unknown).
    """

    name = "locate"
    interface: Optional[str] = None


@dataclasses.dataclass(frozen=True)
class Create(Request):
    """
    Hash what lies at `path` on the host into a torrent.

    Events: `progress` (`bytes` hashed, of `length`). Done: `info_hash`, `digest` (hex), `length`,
    `file_count`; the torrent is attached.
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
    #: Refuse anything but one file.
    path_is_file: bool = False
    #: The secret to keep with it (hex), for a swarm whose tracker has none; None: a new one.
    token: Optional[str] = None


@dataclasses.dataclass(frozen=True)
class Recall(Request):
    """What `Create` kept of a tag. Done: `path` of the payload, `token` (a secret); the torrent attached."""

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
    """
    Let the tracker know a torrent, and the only addresses that may join it, one that several hosts have as
    often (None: any).

    Where the torrent is attached, whoever knows the tracker's passkey can fetch it there.
    """

    name = "track"
    info_hash: str
    hosts: Optional[list[Address]] = None


@dataclasses.dataclass(frozen=True)
class TrackerFacts(Request):
    """What later tasks must know of the tracker that runs here. Done: `address`, `port`, `token`."""

    name = "tracker_facts"


#: Where a staged payload is to end up: a release of a destination; the destination itself, as in Murder; or
#: nowhere, being there only to be seeded.
LAYOUTS = ("release", "plain", "temporary")


@dataclasses.dataclass(frozen=True)
class Stage(Request):
    """
    Make ready to take in the payload of a torrent, and check what of it is there already.

    The torrent is attached, or to be had at *torrent_url*. A release takes over what it can of the verified
    releases beside it.

    Done: `released` (it is a verified release already), `removed` (how many entries *empty* cost),
    `bytes_reused` (by tag, bytes of files taken over), `files_changed` (how many files of those releases are
    no longer what they were, and so come anew). What it has then is attached (`metainfo.holdings`).
    Perhaps `unfetched`: why the torrent was not to be had at *torrent_url*; nothing was done then, and the
    request is to come again, with the torrent attached.
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
    #: Remove what lies in *destination* first; only where *layout* is `plain`.
    empty: bool = False
    #: What shows that a file of another release is still what it was: all its bytes (`full`), or its size and
    #: time (`fast`).
    verify: str = "full"
    #: It is a release here already, and somebody has changed files of it since: stage it once more, and let
    #: `Verify` move what was changed to its place.
    mend: bool = False
    #: Where the torrent is, which holds a passkey; its SHA-256 (hex), its bytes, and seconds to try for.
    torrent_url: Optional[str] = None
    torrent_sha256: str = ""
    torrent_length: int = 0
    patience: float = 0.0


@dataclasses.dataclass(frozen=True)
class StorePiece(Request):
    """Write what a piece lacks, which is attached, into the staging release, and check all of the piece."""

    name = "store_piece"
    tag: str
    index: int


@dataclasses.dataclass(frozen=True)
class TakePart(Request):
    """What `Join` and `Seed` have in common: where to listen, whom to ask, whom to let in."""

    tag: str
    address: str
    #: First free of these, both ends included.
    first_port: int
    last_port: int
    announce: str
    token: Optional[str] = None
    #: The only addresses that may connect or are called, one that several hosts have as often (None: any).
    hosts: Optional[list[Address]] = None
    #: CA certificates (PEM) of trackers and web seeds, beside those the host trusts.
    certificates: str = ""
    #: Bytes a second of all connections together; None is no limit.
    upload_limit: Optional[int] = None
    download_limit: Optional[int] = None
    #: How to mark packets for peers (RFC 2474); None: not.
    dscp: Optional[int] = None


@dataclasses.dataclass(frozen=True)
class Join(TakePart):
    """
    Join the swarm with the staged release: fetch what is missing, then seed until stopped.

    Events: `progress` each second, with what the agent's `Progress` has. Done when complete: `seconds`,
    `port`, `bytes_downloaded`, `bytes_uploaded`, `bytes_of_web_seeds`, `web_seed_problems` (why some were
    given up, by URL), `tracker_problem` (why no announce was ever answered; None where one was), `senders`
    (where each peer listens and what it sent: `[address, port, bytes]`).
    """

    name = "join"
    #: HTTP origins that have the payload too (BEP 19), beside those that the torrent names.
    web_seeds: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Seed(TakePart):
    """
    Serve the attached torrent from a payload at `path` on the host, until stopped.

    Done once checked and serving: `port`.
    """

    name = "seed"
    path: str = ""


@dataclasses.dataclass(frozen=True)
class Admit(Request):
    """
    Let more addresses connect to what runs for a tag.

    Failed if that is not the torrent of *digest*, or announces to another tracker than *announce*.
    """

    name = "admit"
    tag: str
    digest: str
    hosts: list[Address]
    announce: str


@dataclasses.dataclass(frozen=True)
class Stop(Request):
    """End the tracker (`tag` None) or what runs for a tag; failed if nothing does. Done: `bytes_uploaded`."""

    name = "stop"
    tag: Optional[str] = None
