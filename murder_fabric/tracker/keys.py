"""Announce URLs: how a run's token gets into them, how scrape follows from them, how they are shown."""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import urlsplit, urlunsplit

from ..errors import TrackerError

#: What a tracker tells of itself: the last segment of the path, behind a key of its own.
STATISTICS = ("stats", "metrics")


def passkey(token: bytes) -> str:
    """Return the path segment that opens the tracker of the run whose secret is *token*, in hex."""
    return _key(token, b"announce")


def announce_path(token: bytes | None) -> str:
    """Return the path to announce at: under the passkey where there is a token."""
    return "/announce" if token is None else f"/{passkey(token)}/announce"


def announce_url(host: str, port: int, token: bytes | None = None) -> str:
    """Return the URL of a tracker of ours at *host* (a name or an address) and *port*."""
    return _url(host, port, announce_path(token))


def statistics_path(page: str, token: bytes | None) -> str:
    """
    Return where a tracker shows its numbers, *page* being one of `STATISTICS`.

    The key in it is not the passkey: whoever may read the numbers cannot announce with it.
    """
    return f"/{page}" if token is None else f"/{_key(token, b'stats')}/{page}"


def statistics_url(host: str, port: int, page: str, token: bytes | None = None) -> str:
    """Return the URL of such a page of a tracker of ours at *host* (a name or an address) and *port*."""
    return _url(host, port, statistics_path(page, token))


def torrent_path(info_hash: bytes, token: bytes) -> str:
    """Return where a tracker has the torrent of *info_hash*, which nobody finds who has not the passkey."""
    return f"/{passkey(token)}/torrent/{info_hash.hex()}"


def torrent_url(host: str, port: int, info_hash: bytes, token: bytes) -> str:
    """Return the URL of a torrent at a tracker of ours at *host* (a name or an address) and *port*."""
    return _url(host, port, torrent_path(info_hash, token))


def with_passkey(url: str, token: bytes | None) -> str:
    """Return the announce URL *url* with the run's passkey in it; one with another path stays as it is."""
    parts = urlsplit(url)
    if token is None or parts.path != announce_path(None):
        return url
    return urlunsplit(parts._replace(path=announce_path(token)))


def scrape_url(url: str) -> str:
    """
    Return where to scrape the tracker with announce URL *url*: `announce` becomes `scrape` (BEP 48).

    Raises:
        TrackerError: the last segment does not begin with `announce`, so the tracker cannot be scraped.
    """
    parts = urlsplit(url)
    directory, slash, last = parts.path.rpartition("/")
    if not slash or not last.startswith("announce"):
        raise TrackerError(f"the tracker {redacted(url)} cannot be scraped: its URL has no /announce")
    return urlunsplit(parts._replace(path=f"{directory}/scrape{last[len('announce') :]}"))


def redacted(url: str) -> str:
    """Return *url* as it may be shown: of user, path and query, where secrets stand, only `announce`."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(an unreadable URL)"
    path = "/".join(
        segment if segment.startswith(("announce", "scrape")) else segment and "..."
        for segment in parts.path.split("/")
    )
    shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{path}"
    return "".join(character if character.isprintable() else "?" for character in shown[:200])


def _key(token: bytes, purpose: bytes) -> str:
    return hmac.new(token, purpose, hashlib.sha256).hexdigest()


def _url(host: str, port: int, path: str) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}{path}"
