"""Query strings of announce and scrape, read strictly: an info hash is 20 bytes, not text."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from urllib.parse import quote

from ..errors import TrackerError

#: An info hash or a peer id.
HASH_LENGTH = 20

_VISIBLE = re.compile(rb"[!-~]*")
#: What may follow a percent sign, in either case -> the byte that is meant.
_ESCAPED = {
    f"{high}{low}".encode("ascii"): bytes([int(high + low, 16)])
    for high in "0123456789abcdefABCDEF"
    for low in "0123456789abcdefABCDEF"
}
_COUNT = re.compile(rb"[0-9]{1,19}")


def parse_query(query: bytes, known: Collection[str]) -> list[tuple[str, bytes]]:
    """
    Return the *known* parameters of *query*, unquoted, in their order; others are skipped unread.

    `+` stays `+`: BitTorrent clients quote as RFC 3986 does, where forms would mean a space.

    Raises:
        TrackerError: a byte no URL may hold, or a percent sign that escapes nothing.
    """
    if not _VISIBLE.fullmatch(query):
        raise TrackerError("a query string with bytes no URL may hold")
    found = []
    for part in query.split(b"&"):
        name, _, value = part.partition(b"=")
        key = name.decode("ascii")
        if key in known:
            found.append((key, _unquote(key, value)))
    return found


def parse_single(query: bytes, known: Collection[str]) -> dict[str, bytes]:
    """
    Return the *known* parameters of *query*, each of which may stand there once.

    Raises:
        TrackerError: as `parse_query`, or a parameter given twice (which one was meant?).
    """
    found: dict[str, bytes] = {}
    for key, value in parse_query(query, known):
        if key in found:
            raise TrackerError(f"{key} is given twice")
        found[key] = value
    return found


def parse_count(name: str, value: bytes, largest: int, least: int = 0) -> int:
    """
    Return the number that *value* spells in plain decimal digits.

    Raises:
        TrackerError: anything but digits, or a number outside *least* to *largest*.
    """
    number = int(value) if _COUNT.fullmatch(value) else -1
    if not least <= number <= largest:
        raise TrackerError(f"{name} is not a number from {least} to {largest}")
    return number


def parse_hash(name: str, value: bytes) -> bytes:
    """
    Return *value*, having seen that it is as long as a SHA-1.

    Raises:
        TrackerError: it is not.
    """
    if len(value) != HASH_LENGTH:
        raise TrackerError(f"{name} is {len(value)} bytes long where {HASH_LENGTH} are meant")
    return value


def build_query(parameters: Iterable[tuple[str, bytes | str | int]]) -> bytes:
    """Return *parameters* as a query string, everything that is not unreserved quoted (RFC 3986)."""
    pairs = []
    for name, value in parameters:
        pairs.append(f"{name}={quote(value if isinstance(value, bytes) else str(value), safe='')}")
    return "&".join(pairs).encode("ascii")


def _unquote(name: str, value: bytes) -> bytes:
    if b"%" not in value:
        return value
    first, *escapes = value.split(b"%")
    try:
        return first + b"".join([_ESCAPED[escape[:2]] + escape[2:] for escape in escapes])
    except KeyError:
        raise TrackerError(f"{name} has a percent sign that escapes nothing") from None
