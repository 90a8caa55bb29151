"""Where the files of a torrent lie at an HTTP origin (BEP 19)."""

from __future__ import annotations

from urllib.parse import quote, urlsplit, urlunsplit

from .values import Info


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
    parts = urlsplit(url)
    netloc = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{netloc}{parts.path}"[:200]
