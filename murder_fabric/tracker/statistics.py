"""A tracker in numbers: as JSON, and as the text that Prometheus reads (docs/adr/0013)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from .addresses import PeerAddress
from .scraping import ScrapeEntry

#: The version of the text format is part of its type.
PROMETHEUS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
JSON_TYPE = "application/json"
#: Swarms that either page tells of, and peers in all of them together: strangers may announce whatever they
#: like where there is no allow-list.
MOST_SWARMS, MOST_PEERS = 100, 10_000


class MemberStanding(NamedTuple):
    """A peer as it last announced itself; bytes are of this run of the peer."""

    address: PeerAddress
    left: int
    downloaded: int
    uploaded: int
    #: Seconds since then.
    silent: float


class SwarmStanding(NamedTuple):
    """A swarm, and all who are in it."""

    info_hash: bytes
    entry: ScrapeEntry
    members: Sequence[MemberStanding]


def stats_text(announce_count: int, swarm_count: int, swarms: Iterable[SwarmStanding]) -> bytes:
    """
    Return what there is to know as one JSON object; of `MOST_PEERS` peers at most.

    Args:
        announce_count: announces that were answered.
        swarm_count: how many swarms there are, those included that are not among *swarms*.
    """
    document = {
        "announces": announce_count,
        "swarm_count": swarm_count,
        "swarms": [
            {
                "info_hash": swarm.info_hash.hex(),
                **swarm.entry._asdict(),
                "peers": [
                    {
                        "host": one.address.host,
                        "port": one.address.port,
                        "left": one.left,
                        "downloaded": one.downloaded,
                        "uploaded": one.uploaded,
                        "silent": round(one.silent, 1),
                    }
                    for one in members
                ],
            }
            for swarm, members in _shortened(swarms)
        ],
    }
    return json.dumps(document).encode() + b"\n"


def metrics_text(announce_count: int, swarm_count: int, swarms: Iterable[SwarmStanding]) -> bytes:
    """
    Return the sums of each swarm in Prometheus' text format; for the arguments see `stats_text`.

    There is no series for a peer: a fleet is redeployed daily, and every deploy would leave 500 dead ones.
    """
    swarms = list(swarms)
    lines = [
        *_head("murder_tracker_announces_total", "counter", "Announces that were answered."),
        f"murder_tracker_announces_total {announce_count}",
        *_head("murder_tracker_swarms", "gauge", f"Swarms; of {MOST_SWARMS} at most there is more below."),
        f"murder_tracker_swarms {swarm_count}",
        *_head("murder_swarm_peers", "gauge", "Peers in the swarm, by whether they have everything."),
    ]
    for swarm in swarms:
        for state in ("complete", "incomplete"):
            count = getattr(swarm.entry, state)
            lines.append(f"murder_swarm_peers{_labels(swarm, state=state)} {count}")
    lines += _head("murder_swarm_completed_total", "counter", "How often a peer got everything.")
    lines += [f"murder_swarm_completed_total{_labels(one)} {one.entry.downloaded}" for one in swarms]
    for field, meaning in (
        ("left", "Bytes that the peers in the swarm lack, all together."),
        ("downloaded", "Bytes that the peers in the swarm have received, all together."),
        ("uploaded", "Bytes that the peers in the swarm have sent, all together."),
    ):
        name = f"murder_swarm_{field}_bytes"
        lines += _head(name, "gauge", meaning)
        for swarm in swarms:
            lines.append(f"{name}{_labels(swarm)} {sum(getattr(one, field) for one in swarm.members)}")
    return "".join(f"{line}\n" for line in lines).encode()


def _shortened(
    swarms: Iterable[SwarmStanding],
) -> Iterator[tuple[SwarmStanding, Sequence[MemberStanding]]]:
    """Yield each swarm with those in it of whom is told: so many as are left of `MOST_PEERS`."""
    left = MOST_PEERS
    for swarm in swarms:
        yield swarm, swarm.members[:left]
        left -= len(swarm.members[:left])


def _head(name: str, kind: str, meaning: str) -> list[str]:
    return [f"# HELP {name} {meaning}", f"# TYPE {name} {kind}"]


def _labels(swarm: SwarmStanding, **others: str) -> str:
    """Return labels whose values are hex digits or words of ours: nothing in them is to be escaped."""
    labels = {"info_hash": swarm.info_hash.hex(), **others}
    return "{" + ",".join(f'{name}="{value}"' for name, value in labels.items()) + "}"
