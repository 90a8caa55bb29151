"""Where the files of a torrent lie at an HTTP origin (BEP 19)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Optional
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

from .values import Info, Metainfo

#: Web seeds taken from a torrent: each is a connection of every host.
MOST_WEB_SEEDS = 16
#: What may stand in a URL as it is (RFC 3986), `%` of what is quoted already among it.
_AS_IT_IS = "!#$%&'()*+,/:;=?@[]~"


def web_seeds(named: Iterable[str], metainfo: Metainfo) -> list[str]:
    """
    Return the origins to ask, each once: *named* ones, and those of the torrent that can be asked.

    Makers of torrents leave blanks in URLs, and name origins of FTP.
    """
    quoted = (quote(url.strip(), safe=_AS_IT_IS) for url in metainfo.url_list)
    own = [url for url in quoted if _has_host(url)][:MOST_WEB_SEEDS]
    return list(dict.fromkeys([*named, *own]))


def moved(url: str, location: str) -> Optional[str]:
    """
    Return where *url* is to be asked for, given the *location* that it was answered with.

    None where that may not be: by another scheme than HTTP's, or without TLS where there was some.
    """
    try:
        target = urljoin(url, location)
    except ValueError:
        return None
    safe = urlsplit(url).scheme != "https" or urlsplit(target).scheme == "https"
    return target if safe and _has_host(target) else None


def _has_host(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False


def file_url(base: str, info: Info, file: int) -> str:
    """
    Return the URL of a file of *info* at the web seed *base*.

    1. Of a torrent of several files it is below *base*: the torrent's name, then the path.
    2. Of a single file it is *base* itself, or the name below it where that ends in a slash.
    3. The query stays as it is, after the path: signed URLs have their signature there.
    """
    parts = urlsplit(base)
    path = parts.path or "/"
    if not info.single_file:
        names = (info.name, *info.files[file].path)
        path = path.rstrip("/") + "/" + "/".join(quote(name, safe="") for name in names)
    elif path.endswith("/"):
        path += quote(info.name, safe="")
    return urlunsplit(parts._replace(path=path, fragment=""))


def shown_origin(url: str) -> str:
    """Return *url* as it may be shown: without user and query, where secrets stand."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(an unreadable URL)"
    netloc = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{netloc}{parts.path}"[:200]
