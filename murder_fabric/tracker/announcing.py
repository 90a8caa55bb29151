"""Announce requests and responses (BEP 3, 7 and 23): values on one side, bytes on the other."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, cast

from .. import bencoding
from ..errors import BencodeError, TrackerError
from .addresses import (
    PeerAddress,
    decode_compact,
    decode_dictionaries,
    encode_compact,
    encode_dictionaries,
)
from .query import build_query, parse_count, parse_hash, parse_single

#: Peers asked for where nobody says how many.
NUM_WANT = 30
#: Seconds between announces that we let a tracker ask for.
SHORTEST_INTERVAL, LONGEST_INTERVAL = 5.0, 300.0
#: Bytes of a response that are looked at, and peers in it.
MAX_RESPONSE, MAX_PEERS = 64 * 1024, 200

_EVENTS = ("", "started", "completed", "stopped")
_REQUIRED = ("info_hash", "peer_id", "port", "uploaded", "downloaded", "left")
_KNOWN = frozenset((*_REQUIRED, "event", "numwant", "compact"))
_MAX_BYTES = 2**63 - 1
_MAX_NUM_WANT = 10_000
_MAX_REASON = 200


@dataclass(frozen=True)
class AnnounceRequest:
    """
    What a peer tells the tracker of itself; byte counts are of this run of the peer.

    `event` is `started`, `completed`, `stopped`, or empty for an announce between those. `num_want`
    is the most peers that are wanted back, `compact` whether as BEP 23 packs them.
    """

    info_hash: bytes
    peer_id: bytes
    port: int
    uploaded: int
    downloaded: int
    left: int
    event: str = ""
    num_want: int = NUM_WANT
    compact: bool = True


@dataclass(frozen=True)
class AnnounceResponse:
    """What the tracker answers: seconds to the next announce, who is there in numbers, some of them."""

    interval: float
    complete: int
    incomplete: int
    peers: tuple[PeerAddress, ...]


def parse_announce(query: bytes) -> AnnounceRequest:
    """
    Return the announce that the query string *query* makes.

    `ip` and whatever else is not known is ignored: only the connection says where a peer is.

    Raises:
        TrackerError: one sentence on the first parameter that is missing, doubled or cannot be meant.
    """
    found = parse_single(query, _KNOWN)
    for name in _REQUIRED:
        if name not in found:
            raise TrackerError(f"{name} is missing")
    event = found.get("event", b"").decode("ascii", "replace")
    if event not in _EVENTS:
        raise TrackerError("event is none of started, completed and stopped")
    return AnnounceRequest(
        info_hash=parse_hash("info_hash", found["info_hash"]),
        peer_id=parse_hash("peer_id", found["peer_id"]),
        port=parse_count("port", found["port"], 65535, least=1),
        uploaded=parse_count("uploaded", found["uploaded"], _MAX_BYTES),
        downloaded=parse_count("downloaded", found["downloaded"], _MAX_BYTES),
        left=parse_count("left", found["left"], _MAX_BYTES),
        event=event,
        num_want=parse_count("numwant", found.get("numwant", b"%d" % NUM_WANT), _MAX_NUM_WANT),
        # BEP 23: compact unless the client says no.
        compact=parse_count("compact", found.get("compact", b"1"), 1) == 1,
    )


def announce_query(request: AnnounceRequest) -> bytes:
    """Return the query string that makes *request*."""
    parameters: list[tuple[str, bytes | str | int]] = [
        ("info_hash", request.info_hash),
        ("peer_id", request.peer_id),
        ("port", request.port),
        ("uploaded", request.uploaded),
        ("downloaded", request.downloaded),
        ("left", request.left),
        ("compact", int(request.compact)),
        ("numwant", request.num_want),
    ]
    if request.event:
        parameters.append(("event", request.event))
    return build_query(parameters)


def encode_response(response: AnnounceResponse, compact: bool = True) -> bytes:
    """Return *response* as bytes; `peers6` (BEP 7) stands in it only where there are IPv6 peers."""
    value: dict[bytes, Any] = {
        b"interval": max(1, round(response.interval)),
        b"complete": response.complete,
        b"incomplete": response.incomplete,
    }
    if compact:
        value[b"peers"], peers6 = encode_compact(response.peers)
        if peers6:
            value[b"peers6"] = peers6
    else:
        value[b"peers"] = encode_dictionaries(response.peers)
    return bencoding.encode(value)


def encode_failure(reason: str) -> bytes:
    """Return the refusal of an announce or scrape, with its reason for people."""
    return bencoding.encode({b"failure reason": reason.encode("utf-8", "replace")})


def parse_response(
    data: bytes, *, shortest: float = SHORTEST_INTERVAL, longest: float = LONGEST_INTERVAL
) -> AnnounceResponse:
    """
    Return what a tracker, trusted in nothing, answered.

    The interval is clamped to *shortest* and *longest* seconds; peers nobody can reach are dropped, and
    those beyond `MAX_PEERS`.

    Raises:
        TrackerError: one sentence: the tracker's own reason for refusing, or what is wrong with *data*.
    """
    answer = decode_answer(data)
    interval = answer.get(b"interval")
    if not isinstance(interval, int):
        raise TrackerError("the tracker's answer has no interval")
    listed = answer.get(b"peers", b"")
    peers = decode_dictionaries(listed) if isinstance(listed, list) else decode_compact("peers", listed, 4)
    peers6 = decode_compact("peers6", answer.get(b"peers6", b""), 16)
    return AnnounceResponse(
        interval=min(max(float(interval), shortest), longest),
        complete=answer_count(answer, b"complete"),
        incomplete=answer_count(answer, b"incomplete"),
        peers=tuple(islice(dict.fromkeys(chain(peers, peers6)), MAX_PEERS)),
    )


def decode_answer(data: bytes) -> dict[bytes, Any]:
    """
    Return the dictionary that a tracker answered with.

    Raises:
        TrackerError: *data* is no such thing, or it is a refusal.
    """
    try:
        answer = bencoding.decode(data, MAX_RESPONSE)
    except BencodeError as error:
        raise TrackerError(f"the tracker's answer cannot be read: {error}") from None
    if not isinstance(answer, dict):
        raise TrackerError("the tracker's answer is not a dictionary")
    if b"failure reason" in answer:
        raise TrackerError(f"the tracker refused: {_printable(answer[b'failure reason'])}")
    return cast("dict[bytes, Any]", answer)


def answer_count(answer: dict[bytes, Any], name: bytes) -> int:
    """Return the count *name* of an answer, 0 where it is missing or cannot be one."""
    count = answer.get(name, 0)
    return count if isinstance(count, int) and count > 0 else 0


def _printable(reason: Any) -> str:
    """Return a stranger's text as harmless as it is short: it may be printed on a terminal."""
    text = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else "it gave no reason"
    shown = "".join(character if character.isprintable() else "?" for character in text[:_MAX_REASON])
    return shown if len(text) <= _MAX_REASON else shown + "..."
