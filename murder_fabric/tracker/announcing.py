"""Announce requests and responses (BEP 3, 7 and 23): values on one side, bytes on the other."""

from __future__ import annotations

from itertools import chain, islice
from typing import Any, NamedTuple, cast

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

_EVENTS = {event.encode("ascii"): event for event in ("", "started", "completed", "stopped")}
_REQUIRED = (b"info_hash", b"peer_id", b"port", b"uploaded", b"downloaded", b"left")
#: What may be missing, and what it then is. BEP 23: compact unless the client says no.
_DEFAULTS = {b"event": b"", b"numwant": b"%d" % NUM_WANT, b"compact": b"1"}
_KNOWN = frozenset((*_REQUIRED, *_DEFAULTS))
_MAX_BYTES = 2**63 - 1
_MAX_NUM_WANT = 10_000
_MAX_REASON = 200


class AnnounceRequest(NamedTuple):
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


class AnnounceResponse(NamedTuple):
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
    found = {**_DEFAULTS, **parse_single(query, _KNOWN)}
    for name in _REQUIRED:
        if name not in found:
            raise TrackerError(f"{name.decode('ascii')} is missing")
    event = _EVENTS.get(found[b"event"])
    if event is None:
        raise TrackerError("event is none of started, completed and stopped")
    return AnnounceRequest(
        parse_hash("info_hash", found[b"info_hash"]),
        parse_hash("peer_id", found[b"peer_id"]),
        parse_count("port", found[b"port"], 65535, least=1),
        parse_count("uploaded", found[b"uploaded"], _MAX_BYTES),
        parse_count("downloaded", found[b"downloaded"], _MAX_BYTES),
        parse_count("left", found[b"left"], _MAX_BYTES),
        event,
        parse_count("numwant", found[b"numwant"], _MAX_NUM_WANT),
        parse_count("compact", found[b"compact"], 1) == 1,
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
    if compact:
        ipv4, ipv6 = encode_compact(response.peers)
        peers = b"%d:%b" % (len(ipv4), ipv4)
        if ipv6:
            peers += b"6:peers6%d:%b" % (len(ipv6), ipv6)
    else:
        peers = bencoding.encode(encode_dictionaries(response.peers))
    # The order of the keys is bencoding's.
    return b"d8:completei%de10:incompletei%de8:intervali%de5:peers%be" % (
        response.complete,
        response.incomplete,
        max(1, round(response.interval)),
        peers,
    )


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
