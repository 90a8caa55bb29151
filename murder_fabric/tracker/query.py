"""Query strings of announce and scrape, read strictly: an info hash is 20 bytes, not text."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from urllib.parse import quote

from ..errors import TrackerError

#: An info hash or a peer id.
HASH_LENGTH = 20

#: Bytes that a URL may hold.
_VISIBLE = bytes(range(ord("!"), ord("~") + 1))
#: Digits that a number may have.
_MOST_DIGITS = 19
#: What may follow a percent sign, in either case -> the byte that is meant.
_ESCAPED = {
    f"{high}{low}".encode("ascii"): bytes([int(high + low, 16)])
    for high in "0123456789abcdefABCDEF"
    for low in "0123456789abcdefABCDEF"
}


def parse_query(query: bytes, known: Collection[bytes]) -> list[tuple[bytes, bytes]]:
    """
    Return the *known* parameters of *query*, unquoted, in their order; others are skipped unread.

    `+` stays `+`: BitTorrent clients quote as RFC 3986 does, where forms would mean a space.

    Raises:
        TrackerError: a byte no URL may hold, or a percent sign that escapes nothing.
    """
    if query.translate(None, _VISIBLE):
        raise TrackerError("a query string with bytes no URL may hold")
    found = []
    for part in query.split(b"&"):
        name, _, value = part.partition(b"=")
        if name in known:
            found.append((name, _unquote(name, value) if b"%" in value else value))
    return found


def parse_single(query: bytes, known: Collection[bytes]) -> dict[bytes, bytes]:
    """
    Return the *known* parameters of *query*, each of which may stand there once.

    Raises:
        TrackerError: as `parse_query`, or a parameter given twice (which one was meant?).
    """
    pairs = parse_query(query, known)
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise TrackerError(f"{twice.decode('ascii')} is given twice")
    return found


def parse_count(name: str, value: bytes, largest: int, least: int = 0) -> int:
    """
    Return the number that *value* spells in plain decimal digits.

    Raises:
        TrackerError: anything but digits, or a number outside *least* to *largest*.
    """
    number = int(value) if value.isdigit() and len(value) <= _MOST_DIGITS else -1
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


def _unquote(name: bytes, value: bytes) -> bytes:
    first, *escapes = value.split(b"%")
    try:
        return first + b"".join([_ESCAPED[escape[:2]] + escape[2:] for escape in escapes])
    except KeyError:
        raise TrackerError(f"{name.decode('ascii')} has a percent sign that escapes nothing") from None
