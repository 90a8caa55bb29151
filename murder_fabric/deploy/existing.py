"""An existing torrent, stock or ours, deployed as it is: whoever seeds it is elsewhere."""

from __future__ import annotations

import os
import re
import time
from urllib.parse import urlsplit

from ..control import check_depth, check_tag
from ..errors import BadInput, MetainfoError
from ..metainfo.parsing import LONGEST_TORRENT, parse_metainfo
from ..metainfo.values import Metainfo
from ..metainfo.web_seeds import shown_origin, web_seeds
from .settings import Settings
from .trust import certificates
from .wanted import Wanted, operator_name

#: What no path begins with.
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def wanted_torrent(settings: Settings, path: str, *, force: bool = False) -> Wanted:
    """
    Return the release that is to be made of what the torrent at *path*, a file or a URL, describes.

    Raises:
        BadInput: it is none, or names nobody who could have the payload.
    """
    if not settings.default_destination_path:
        raise BadInput(
            "--destination-path is missing:"
            " fab -H … murder.deploy --torrent app.torrent --destination-path /srv/app"
        )
    shown, data = _fetch(path, certificates(settings)) if _URL.match(path) else _read(path)
    try:
        metainfo = parse_metainfo(data)
    except MetainfoError as error:
        raise MetainfoError(f"{shown}: {error}; no host was touched") from None
    if not (settings.tracker_url or web_seeds(settings.web_seeds.split(), metainfo) or tracker_of(metainfo)):
        raise BadInput(
            f"{shown} names no tracker with an http:// or https:// URL and no web seed; say with"
            " murder.tracker_url where its seeder is known, or with murder.web_seeds who has the files."
            " No host was touched"
        )
    tag = check_tag(settings.default_tag or time.strftime("%Y%m%d%H%M%S", time.gmtime()))
    destination = check_depth(settings.default_destination_path)
    return Wanted(tag, destination, "", metainfo, origin=shown, force=force, elsewhere=True)


def tracker_of(metainfo: Metainfo) -> str:
    """Return the first tracker of a torrent that can be asked by HTTP; empty where there is none."""
    urls = [metainfo.announce or "", *(url for tier in metainfo.announce_list for url in tier)]
    return next((url for url in urls if _is_http(url)), "")


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _fetch(url: str, trusted: str) -> tuple[str, bytes]:
    """Return how *url* may be shown, and what is there."""
    from .downloading import download

    return shown_origin(url), download(url, trusted, LONGEST_TORRENT)


def _read(path: str) -> tuple[str, bytes]:
    """Return where the file at *path* is, for others too, and what is in it."""
    path = os.path.abspath(os.path.expanduser(path))
    try:
        with open(path, "rb") as file:
            return f"{operator_name()}:{path}", file.read(LONGEST_TORRENT + 1)
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}; no host was touched") from None
